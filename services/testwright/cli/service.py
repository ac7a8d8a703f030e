"""Where the work is done: on a server that runs already, or on one that lives as long as the verb."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from anyio.to_thread import run_sync

from testwright import app, settings
from testwright.bus.nats import apply_topology
from testwright.bus.server import EmbeddedServer, embedded
from testwright.bus.topology import declare
from testwright.cli.session import address
from testwright.client import Client
from testwright.engines import registry
from testwright.errors import ConnectError, EngineError, InvalidSubmissionError

Say = Callable[[str], None]


async def existing(stack: AsyncExitStack, server: str | None, namespace: str | None) -> Client | None:
    """Return a client on the server that is named or announced; ``None`` where none is named and none answers.

    Raises:
        ConnectError: the one that is named cannot be used.
    """
    named = server or settings.load().server
    try:
        return await stack.enter_async_context(Client.connect(address(server), namespace=namespace))
    except ConnectError:
        if named:
            raise
        # `testwright up` may have been killed without taking its announcement back.
        return None


@asynccontextmanager
async def complete(
    data: Path | None, options: app.Options, *, port: int = 0, durable: bool = False
) -> AsyncGenerator[str]:
    """Run a server of our own as ``hosted`` does; yields its URL, with credentials that allow everything."""
    async with hosted(data, options, port=port, durable=durable) as server:
        yield server.url


@asynccontextmanager
async def hosted(
    data: Path | None, options: app.Options, *, port: int = 0, durable: bool = False
) -> AsyncGenerator[EmbeddedServer]:
    """Run a server of our own with everything on it for as long as the body runs.

    Args:
        data: folder for what must survive; ``None`` keeps nothing.
        options: of the actors.
        port: of the server, 0 for a free one.
        durable: whether each message is on disk before it is confirmed.

    Raises:
        ServerStartError: it does not come up.
    """
    engines = registry.names()
    async with embedded(data, port=port, durable=durable, engines=engines) as server:
        await apply_topology(server.url, declare(engines))
        options = replace(options, system_url=server.system_url)
        async with app.serving(server.url_of("actors"), app.ROLES, settings.load(), options):
            yield server


async def check_engines(names: tuple[str, ...]) -> None:
    """Return if at least one of these engines can run here.

    Raises:
        InvalidSubmissionError: there is none of one of the names.
        EngineError: all of them exist, and none can run; says how to mend it.
    """
    installed = registry.names()
    for index, name in enumerate(names):
        if name not in installed:
            reason = f"no engine {name!r} here: there are {', '.join(installed)}"
            raise InvalidSubmissionError(f"policy.engines[{index}]", reason)
    found = {name: await run_sync(registry.load(name).status) for name in names}
    if not any(status.available for status in found.values()):
        reasons = [
            f"{name}: {status.detail}" + (f"; {status.remedy}" if status.remedy else "")
            for name, status in found.items()
        ]
        raise EngineError("engine-unavailable", f"no engine can run here: {' | '.join(reasons)}")

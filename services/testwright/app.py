"""Wiring: picks adapters and starts one, several or all actors in a process, those with the same credentials together.

A process loads what its roles take and nothing else: that is most of the time that its start takes.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anyio

from testwright import clock
from testwright.actor import Actor
from testwright.background import Part, beside
from testwright.bus import Bus
from testwright.bus.nats import NatsBus, connect
from testwright.bus.reclaim import reclaiming
from testwright.bus.topology import declare
from testwright.engines import registry
from testwright.observe.observation import Observation, observed_bus, observed_tools
from testwright.observe.spectator import Spectator
from testwright.observe.tally import Tally, service
from testwright.room import Gate
from testwright.settings import Settings
from testwright.shelf import Shelf

if TYPE_CHECKING:
    from testwright.environments import Environments
    from testwright.environments.uv import UvEnvironments
    from testwright.sandbox import Sandbox
    from testwright.sandbox.choice import Mode
    from testwright.workflow.stages import Function, Tools

Role = Literal["submitter", "generator", "verifier", "collector", "workflow"]
ROLES: tuple[Role, ...] = ("submitter", "collector", "verifier", "generator", "workflow")

SLOT_MB = 2048
"""MiB of memory that an attempt, or the judging of a candidate, is expected to take at the most: that of a search."""

GRACE_S = 20.0
"""Seconds that running work may take after SIGTERM before it is handed back."""

AT_WORK = 2
"""Tasks for each attempt at a time that keep all slots busy: one is generated for, and one is judged."""


@dataclass(frozen=True, slots=True)
class Options:
    """How actors are to run.

    Attributes:
        concurrency: attempts, and candidates, at a time in this process, as far as there is memory for them then.
        engines: whose queues the generator serves; all installed ones if empty.
        grace_s: see ``GRACE_S``.
        system_url: the same server with credentials of its system account; with them, what a dead worker held is handed
            on at once, and not after the ack wait.
        sandbox: mode; ``None`` for what the settings ask for.
        observation: who watches; by default nobody.
        shelf: what actors of this process leave for each other.
        gate: says whether there is memory for one more, to all actors of this process.
        places: tasks at work at a time of each namespace for which nobody has set limits, as the collector has it;
            ``None`` for as many as there are.
    """

    concurrency: int = 1
    engines: tuple[str, ...] = ()
    grace_s: float = GRACE_S
    system_url: str | None = None
    sandbox: "Mode | None" = None
    observation: Observation = field(default_factory=Observation)
    shelf: Shelf = field(default_factory=Shelf)
    gate: Gate = field(default_factory=lambda: Gate(SLOT_MB))
    places: int | None = None


def build(role: Role, bus: Bus, settings: Settings, options: Options) -> Actor:
    """Return an actor with the adapters of this machine."""
    match role:
        case "submitter":
            from testwright.submitter.actor import submitter  # noqa: PLC0415  see the top

            return submitter(bus, clock.now, registry.names())
        case "collector":
            from testwright.collector.actor import collector  # noqa: PLC0415  see the top

            return collector(bus, clock.now, places=options.places)
        case "generator":
            return _generator(bus, settings, options)
        case "verifier":
            return _verifier(bus, settings, options)
        case "workflow":
            from testwright.workflow.actor import workflow  # noqa: PLC0415  see the top

            sandbox, _ = _tools(settings, options, options.observation.spectators(role))
            return workflow(bus, workflow_tools(settings, sandbox=sandbox))


def _generator(bus: Bus, settings: Settings, options: Options) -> Actor:
    from testwright.generator.actor import generator  # noqa: PLC0415  see the top
    from testwright.generator.workshop import Workshop  # noqa: PLC0415  see the top
    from testwright.observe.steps import producing  # noqa: PLC0415  see the top

    spectators = options.observation.spectators("generator")
    return generator(
        bus,
        clock.now,
        producing(Workshop(*_tools(settings, options, spectators)), spectators),
        options.engines or registry.names(),
        worker=settings.worker,
        slots=options.concurrency,
        charges=registry.charges,
        shelf=options.shelf,
        gate=_gate("generator", options),
    )


def _verifier(bus: Bus, settings: Settings, options: Options) -> Actor:
    from testwright.observe.steps import judging  # noqa: PLC0415  see the top
    from testwright.verifier.actor import verifier  # noqa: PLC0415  see the top
    from testwright.verifier.bench import Bench  # noqa: PLC0415  see the top

    spectators = options.observation.spectators("verifier")
    return verifier(
        bus,
        clock.now,
        judging(Bench(*_tools(settings, options, spectators)), spectators),
        worker=settings.worker,
        slots=options.concurrency,
        shelf=options.shelf,
        gate=_gate("verifier", options),
    )


def _gate(role: Literal["generator", "verifier"], options: Options) -> Gate | None:
    if told := options.observation.on_wait(role):
        options.gate.tell(role, told)
    # Where each actor has one slot there is nothing to decide.
    return options.gate if options.concurrency > 1 else None


def _tools(settings: Settings, options: Options, spectators: Sequence[Spectator]) -> "tuple[Sandbox, Environments]":
    """Return what foreign code runs in, watched."""
    sandbox = _sandbox(settings, options.sandbox)
    return observed_tools(sandbox, _environments(settings.cache), spectators)


def _sandbox(settings: Settings, wanted: "Mode | None" = None) -> "Sandbox":
    from testwright.sandbox.choice import choose, mode  # noqa: PLC0415  see the top

    return choose(wanted or mode(settings.sandbox))


@cache
def _environments(folder: Path) -> "UvEnvironments":
    """Return one for all actors of this process: what is known of the machine's interpreters is found out once."""
    from testwright.environments.uv import UvEnvironments  # noqa: PLC0415  see the top

    return UvEnvironments(folder)


def workflow_tools(
    settings: Settings, functions: "Mapping[str, Function] | None" = None, *, sandbox: "Sandbox | None" = None
) -> "Tools":
    """Return what driving a workflow run takes, with the adapters of this machine.

    Args:
        settings: of this process.
        functions: what stages call, by the name of the stage.
        sandbox: where foreign code runs; by default what the settings ask for.
    """
    from testwright.verifier.bench import Bench  # noqa: PLC0415  see the top
    from testwright.workflow.stages import Tools  # noqa: PLC0415  see the top

    sandbox = sandbox or _sandbox(settings)
    bench = Bench(sandbox, _environments(settings.cache))
    return Tools(clock=clock.now, worker=settings.worker, judge=bench, sandbox=sandbox, functions=functions or {})


@asynccontextmanager
async def serving(
    url: str | Callable[[Role], str], roles: Sequence[Role], settings: Settings, options: Options | None = None
) -> AsyncGenerator[None]:
    """Run actors for as long as the body runs, then drain them; cancelled, they hand their work back at once.

    They bind to streams and consumers that exist (see ``testwright topology apply``) and create nothing.

    Args:
        url: of the server; or what returns it with the credentials of a role. Actors with the same share a connection.
        roles: which actors.
        settings: of this process.
        options: how they are to run.

    Raises:
        ConnectError: the server cannot be reached.
        StreamNotFoundError: the topology was not applied.
    """
    options = options or Options()
    urls = {role: url if isinstance(url, str) else url(role) for role in roles}
    async with AsyncExitStack() as stack:
        posts: list[_Post] = []
        for each in dict.fromkeys(urls.values()):
            sharing: list[Role] = [role for role in roles if urls[role] == each]
            bus = await stack.enter_async_context(_connected(each, sharing, options.observation))
            posts += [_post(role, bus, settings, options) for role in sharing]
        actors = [post.actor for post in posts]
        reclaimers = [partial(reclaiming, urls["collector"], options.system_url)] if options.system_url else []
        async with beside(*(actor.run for actor in actors), *(post.discovery for post in posts), *reclaimers):
            for post in posts:
                options.observation.check(post.actor.name, post.ready)
            try:
                yield
            finally:
                await drain(actors, options.grace_s)


def _connected(url: str, roles: Sequence[Role], observation: Observation) -> AbstractAsyncContextManager[NatsBus]:
    """Return a connection for all of these: what they say in one turn of the event loop leaves in one write."""
    told = [tell for role in roles if (tell := observation.on_state(role))]

    def on_state(state: str, detail: str) -> None:
        for tell in told:
            tell(state, detail)

    name = f"testwright-{roles[0]}" if len(roles) == 1 else "testwright-actors"
    return connect(url, name=name, leased=True, on_state=on_state)


@dataclass(frozen=True, slots=True)
class _Post:
    """An actor, whether it takes work now, and what makes it known to the tools of NATS."""

    actor: Actor
    ready: Callable[[], bool]
    discovery: Part


def _post(role: Role, bus: NatsBus, settings: Settings, options: Options) -> _Post:
    observation, tally = options.observation, Tally()
    actor = build(role, observed_bus(bus, (*observation.spectators(role), tally)), settings, options)
    taken = {consumer for reaction in actor.reactions for consumer in reaction.consumers}
    tally.expect(taken, declare(options.engines or registry.names()).consumers)
    if observation.health and role == "collector":
        observation.health.depths = bus.depths
    known_as = service(role, settings.worker, clock.now())
    return _Post(actor, lambda: actor.ready and bus.connected, partial(bus.answering, known_as, tally.endpoints))


async def drain(actors: Sequence[Actor], grace_s: float) -> None:
    """Bring actors to rest side by side: running work finishes within the grace time or is handed back."""
    async with anyio.create_task_group() as tg:
        for actor in actors:
            tg.start_soon(actor.rest, grace_s)

"""The whole product on a real server, each actor a process of its own that a test may kill, freeze or stop."""

import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from subprocess import STDOUT
from typing import Protocol, TypeVar
from uuid import uuid4

import anyio
from anyio.abc import Process, TaskGroup
from msgspec.structs import replace

from tests.support.nats_server import nats_world
from tests.support.stage import ENGINES, MODULE, Stage, stage
from testwright.app import Role
from testwright.bus import Stored
from testwright.bus.nats import apply_topology
from testwright.bus.topology import Topology, declare
from testwright.client import Client
from testwright.engines import registry
from testwright_schemas import JobFinished, OutcomeCounts, Policy, RetryPolicy, envelope, subjects

PATIENCE_S = 60.0
"""Seconds after which something that should happen is called missing; nothing takes nearly as long."""

ENGINES_FOLDER = Path(__file__).with_name("engines")

POLICY = Policy(
    engines=("scripted",),
    repeats=1,
    mutants=False,
    python=sys.executable,
    retry=RetryPolicy(base_s=0.1, jitter=0.0),
)
"""One scripted engine, and no more verification than it takes to be verified."""


class Server(Protocol):
    """A NATS server, wherever it runs."""

    @property
    def url(self) -> str:
        """Return its address, with credentials."""
        ...


class Child:
    """A process of testwright, and what it has printed so far.

    Attributes:
        name: for messages.
        lines: of standard output and standard error together.
    """

    def __init__(self, name: str, process: Process) -> None:
        self.name = name
        self.lines: list[str] = []
        self._process = process
        self._ended = False
        self._news = anyio.Event()

    async def read(self) -> None:
        """Collect what it prints until it ends."""
        assert self._process.stdout is not None
        rest = b""
        async for chunk in self._process.stdout:
            *lines, rest = (rest + chunk).split(b"\n")
            self._note(lines)
        self._note([rest] if rest else [])
        self._ended = True
        self._note([])

    async def says(self, *words: str) -> str:
        """Return the first line that contains all words, now or when it comes.

        Raises:
            AssertionError: the process has ended without, or patience has.
        """
        with anyio.move_on_after(PATIENCE_S):
            seen = 0
            while True:
                for line in self.lines[seen:]:
                    if all(word in line for word in words):
                        return line
                if self._ended:
                    break
                seen = len(self.lines)
                await self._news.wait()
        raise AssertionError(f"{self.name} never said {words}:\n{self.output}")

    @property
    def output(self) -> str:
        """Return all it has printed."""
        return "\n".join(self.lines)

    @property
    def pid(self) -> int:
        """Return its number."""
        return self._process.pid

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to drain."""
        self._process.send_signal(signal.SIGTERM)

    def freeze(self) -> None:
        """Stop it, with its connections open: it takes what is sent to it, and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    async def ended(self) -> int:
        """Return its exit status when it has ended.

        Raises:
            TimeoutError: it has not.
        """
        with anyio.fail_after(PATIENCE_S):
            return await self._process.wait()

    async def whole(self) -> str:
        """Return all it has printed, when it has ended and been read."""
        with anyio.fail_after(PATIENCE_S):
            while not self._ended:
                await self._news.wait()
        return self.output

    async def close(self) -> None:
        """End it if it has not ended."""
        if self._process.returncode is None:
            self.kill()
            await self._process.wait()

    def _note(self, lines: Sequence[bytes]) -> None:
        self.lines += [line.decode(errors="replace") for line in lines]
        self._news.set()
        self._news = anyio.Event()


class Plant:
    """A server with testwright's topology on it, and the processes that a test starts there.

    Attributes:
        client: a client in the test's own process.
        stage: where scripted engines ask what to do.
        url: what the processes connect to; the server's own address by default.
    """

    def __init__(self, server: Server, stage: Stage, client: Client, tasks: TaskGroup, stack: AsyncExitStack) -> None:
        self.client = client
        self.stage = stage
        self.url = server.url
        self._server = server
        self._tasks = tasks
        self._stack = stack
        self._children: list[Child] = []

    async def start(self, role: Role, *options: str, sources: Path | None = None) -> Child:
        """Start an actor and return when it takes work; see ``run``."""
        child = await self.run("run", role, "--json", *options, sources=sources)
        await child.says('"running"')
        return child

    async def start_all(self, *roles: Role) -> dict[Role, Child]:
        """Start actors side by side, all of them by default."""
        started: dict[Role, Child] = {}

        async def start(role: Role) -> None:
            started[role] = await self.start(role)

        async with anyio.create_task_group() as tasks:
            for role in roles or ("submitter", "collector", "verifier", "generator"):
                tasks.start_soon(start, role)
        return started

    async def run(self, *arguments: str, sources: Path | None = None) -> Child:
        """Start any verb of the command line, of this version or of the one whose repository ``sources`` has."""
        folders = [ENGINES_FOLDER, *(sources / root for root in ("services", "schemas") if sources)]
        environment = {
            **os.environ,
            "NATS_URL": self.url,
            "PYTHONPATH": os.pathsep.join([*map(str, folders), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
            "PYTHONUNBUFFERED": "1",
            "TESTWRIGHT_TEST_STAGE": str(self.stage.path),
        }
        process = await anyio.open_process(
            [sys.executable, "-m", "testwright", *arguments], stderr=STDOUT, env=environment, start_new_session=True
        )
        child = Child(" ".join(arguments), process)
        self._children.append(child)
        self._stack.push_async_callback(child.close)
        self._tasks.start_soon(child.read)
        return child

    def tell(self) -> None:
        """Write what every process has printed where pytest shows it for a test that failed."""
        for child in self._children:
            sys.stderr.write(f"--- {child.name}\n{child.output}\n")

    async def kinds(self, task_id: str) -> list[str]:
        """Return the kinds of everything that has happened to a task, in order; signs of life are left out."""
        mark = await self.client.bus.publish(subjects.event(_MARK), envelope.encode(_MARK), message_id=uuid4().hex)
        found: list[str] = []
        filters = [subjects.task_event("default", task_id), subjects.event(_MARK)]
        async with self.client.bus.feed(subjects.EVENTS, filters, after=0) as events:
            async for stored in events:
                if stored.sequence == mark.sequence:
                    break
                if subjects.task_of(stored.subject):
                    found.append(stored.subject.rpartition(".")[2])
        return [kind for kind in found if kind != "progressed"]

    async def lose_patience(self) -> None:
        """Have the server deliver again what is unanswered for a second, instead of half a minute."""
        await apply_topology(self._server.url, topology(ack_wait_s=1.0))

    async def be_patient(self) -> None:
        """Have the server wait for answers as long as in production."""
        await apply_topology(self._server.url, topology())


_MARK = JobFinished(namespace="mark", job_id="mark", total=1, counts=OutcomeCounts())


def topology(ack_wait_s: float = 30.0) -> Topology:
    """Return the product's own topology for the engines of tests."""
    declared = declare((*registry.names(), *ENGINES))
    return replace(declared, consumers=tuple(replace(each, ack_wait_s=ack_wait_s) for each in declared.consumers))


@asynccontextmanager
async def plant(server: Server) -> AsyncGenerator[Plant]:
    """Make a server ready for the product; whatever was started on it ends with the context."""
    await apply_topology(server.url, topology())
    async with stage() as engines, Client.connect(server.url) as client, anyio.create_task_group() as tasks:
        async with AsyncExitStack() as stack:
            made = Plant(server, engines, client, tasks, stack)
            try:
                yield made
            finally:
                with anyio.CancelScope(shield=True):
                    await stack.aclose()
                made.tell()
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def local_plant() -> AsyncGenerator[Plant]:
    """Run a server of the test's own and make it ready."""
    async with nats_world() as world, plant(world) as made:
        yield made


def project(folder: Path, name: str = "calc") -> Path:
    """Write a project of one module, and return the module's file."""
    folder.mkdir(parents=True, exist_ok=True)
    module = folder / f"{name}.py"
    module.write_text(MODULE, encoding="utf-8")
    return module


T = TypeVar("T")


async def first(events: AsyncIterator[tuple[Stored, object]], type_: type[T]) -> T:
    """Return the next event of a type."""
    with anyio.fail_after(PATIENCE_S):
        async for _, event in events:
            if isinstance(event, type_):
                return event
    raise AssertionError(f"no {type_.__name__} came")


@contextmanager
def watched(token: str) -> Generator[list[int]]:
    """Yield a descriptor for each process that has ``token`` in its command line; it becomes readable at its end."""
    with ExitStack() as stack:
        found: list[int] = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if token.encode() in (folder / "cmdline").read_bytes():
                    found.append(os.pidfd_open(int(folder.name)))
                    stack.callback(os.close, found[-1])
        yield found


async def all_ended(processes: Sequence[int]) -> None:
    """Return when all watched processes have ended."""
    with anyio.fail_after(PATIENCE_S):
        for process in processes:
            await anyio.wait_readable(process)

"""Steps of the work that spectators watch: environments, sandboxed runs, engines, judging."""

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from testwright.environments import Environment, Environments
from testwright.observe.spectator import Spectator, Step
from testwright.sandbox import Command, Completed, OnLine, Sandbox
from testwright_schemas import GenerateSuite, Isolation, Note, Target, VerifySuite

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Progress(Protocol):
    """See ``testwright.engines.Progress``."""

    async def __call__(self, message: str, *, tests: int | None = None, coverage: float | None = None) -> None:
        """Report."""
        ...


class Notes(Protocol):
    """See ``testwright.engines.Notes``."""

    @property
    def before(self) -> Sequence[Note]:
        """What attempts before have left."""
        ...

    def add(self, note: Note) -> None:
        """Leave a note."""
        ...


class Produce(Protocol[R_co]):
    """See ``testwright.generator.actor.Produce``."""

    async def __call__(self, item: GenerateSuite, snapshot: bytes, progress: Progress, notes: Notes) -> R_co:
        """Return a candidate."""
        ...


class Judge(Protocol[R_co]):
    """See ``testwright.verifier.actor.Judge``."""

    async def __call__(self, item: VerifySuite, snapshot: bytes, candidate: bytes, progress: Progress) -> R_co:
        """Return what was found."""
        ...


@contextmanager
def watched(spectators: Sequence[Spectator], step: Step) -> Generator[Step]:
    """Have spectators watch a step; the body may say what it has led to."""
    with ExitStack() as stack:
        for spectator in spectators:
            stack.enter_context(spectator.step(step))
        yield step


def noted(spectators: Sequence[Spectator], progress: Progress) -> Progress:
    """Return progress that spectators hear of, too, before it is thinned out."""

    async def note(message: str, *, tests: int | None = None, coverage: float | None = None) -> None:
        for spectator in spectators:
            spectator.noted(message)
        await progress(message, tests=tests, coverage=coverage)

    return note


def producing(produce: Produce[R], spectators: Sequence[Spectator]) -> Produce[R]:
    """Return what runs an engine, watched; unchanged where nobody watches."""

    async def watch(item: GenerateSuite, snapshot: bytes, progress: Progress, notes: Notes) -> R:
        about: dict[str, str | int] = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": item.attempt.engine,
            "testwright.module": item.target.module,
            "testwright.attempt": item.attempt.number,
            "testwright.round": item.attempt.round,
        }
        with watched(spectators, Step("generate", about)) as step:
            step.result = product = await produce(item, snapshot, noted(spectators, progress), notes)
            return product

    return watch if spectators else produce


def judging(judge: Judge[R], spectators: Sequence[Spectator]) -> Judge[R]:
    """Return what judges candidates, watched; unchanged where nobody watches."""

    async def watch(item: VerifySuite, snapshot: bytes, candidate: bytes, progress: Progress) -> R:
        about: dict[str, str | int] = {
            "testwright.engine": item.attempt.engine,
            "testwright.module": item.target.module,
            "testwright.attempt": item.attempt.number,
        }
        with watched(spectators, Step("judge", about)):
            return await judge(item, snapshot, candidate, noted(spectators, progress))

    return watch if spectators else judge


class ObservedSandbox:
    """A sandbox whose runs are watched."""

    def __init__(self, sandbox: Sandbox, spectators: Sequence[Spectator]) -> None:
        self._sandbox = sandbox
        self._spectators = spectators

    @property
    def isolation(self) -> Isolation:
        """The level that this machine allows."""
        return self._sandbox.isolation

    async def run(self, command: Command, on_line: OnLine | None = None) -> Completed:
        """Run to the end, or to its limits."""
        about = {"process.executable.name": Path(command.argv[0]).name, "testwright.isolation": self.isolation}
        with watched(self._spectators, Step("sandbox", about)):
            return await self._sandbox.run(command, on_line)


class ObservedEnvironments:
    """Environments whose building is watched."""

    def __init__(self, environments: Environments, spectators: Sequence[Spectator]) -> None:
        self._environments = environments
        self._spectators = spectators

    async def for_project(self, root: Path, target: Target, python: str | None) -> Environment:
        """Return the environment of a project."""
        about = {"testwright.module": target.module}
        return await self._watch(about, lambda: self._environments.for_project(root, target, python))

    async def for_tool(
        self, name: str, requirements: Sequence[str], pythons: Sequence[str], like: Environment | None = None
    ) -> Environment:
        """Return the environment of a tool."""
        about = {"testwright.tool": name}
        return await self._watch(about, lambda: self._environments.for_tool(name, requirements, pythons, like))

    async def overlay(self, name: str, requirements: Sequence[str], like: Environment) -> Path:
        """Return a folder for ``PYTHONPATH`` with these packages."""
        about = {"testwright.tool": name}
        return await self._watch(about, lambda: self._environments.overlay(name, requirements, like))

    async def lock(self, environment: Environment) -> tuple[str, ...]:
        """Return the packages in an environment as pinned requirement lines."""
        return await self._environments.lock(environment)

    async def _watch(self, about: Mapping[str, str | int], build: Callable[[], Awaitable[R]]) -> R:
        with watched(self._spectators, Step("environment", about)):
            return await build()

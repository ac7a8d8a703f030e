"""The OpenHands engine's shell: brings together settings, environment, relay, sandbox and what the agent left."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import msgspec
from anyio.to_thread import run_sync

from testwright import settings
from testwright.engines import Assignment, Candidate, Engine, EngineStatus, Progress
from testwright.engines._target import check_import, import_root, public_names, read_target
from testwright.engines.openhands import harvest, outcomes, protocol
from testwright.engines.openhands.interpreters import has_interpreter
from testwright.engines.openhands.lanes import Lanes
from testwright.engines.openhands.models import Choice, Missing, choose
from testwright.engines.openhands.prompt import Task, prompt
from testwright.engines.openhands.relay import Relay, listening
from testwright.engines.openhands.spending import Ledger
from testwright.engines.openhands.upstream import Recording, Upstream, replay, server
from testwright.environments import Environment, Environments
from testwright.errors import EngineError, SettingError
from testwright.sandbox import Command, Completed, Limits

PYTHONS = ("3.12", "3.13")
"""What the SDK runs on; it is another interpreter than the project's where that is older."""

PINS = ("pytest==9.2.0", "coverage==7.17.3")
"""What the agent runs its tests with: the same as verification does."""

START_S = 60.0
"""Seconds beyond the budget: the SDK takes five to start, and an interrupted conversation some to end."""

CALL_S = 240
"""Longest that a call of the model may take, in seconds."""

TRIES = 2
"""Times that a call is made that meets a failing server; other failures are not tried again."""

_DRIVER = Path(__file__).with_name("driver.py")


class OpenHandsEngine(Engine):
    """Has an agent write tests, with the model that the surroundings name."""

    name = "openhands"
    summary = "an agent writes, runs and mends tests (OpenHands SDK 1.58); needs a model and its key"
    needs_environment = True

    def status(self) -> EngineStatus:
        """Say which model it would use, or what is missing and how to mend it."""
        chosen = _chosen()
        if isinstance(chosen, Missing):
            return EngineStatus(available=False, detail=chosen.what, remedy=chosen.remedy)
        if not has_interpreter(PYTHONS):
            return EngineStatus(
                available=False, detail=f"no Python {' or '.join(PYTHONS)}", remedy="uv python install 3.12"
            )
        return EngineStatus(available=True, detail=f"{' then '.join(chosen.models)} at {chosen.base_url}")

    async def install(self, environments: Environments) -> Environment:
        """Build its own environment (about 750 MB) ahead of time.

        Raises:
            EnvironmentBuildError: it cannot be built.
        """
        return await environments.for_tool("openhands", _requirements(), PYTHONS)

    async def generate(self, assignment: Assignment, progress: Progress) -> Candidate:
        """Let the agent work for the policy's budget and deliver the test files that it left.

        Raises:
            EngineError: ``docs/openhands.md`` lists the causes.
            EnvironmentBuildError: the SDK cannot be installed.
        """
        chosen = await run_sync(_chosen)
        if isinstance(chosen, Missing):
            raise EngineError("engine-unavailable", f"{chosen.what}; {chosen.remedy}")
        await _check_target(assignment)
        await progress("preparing OpenHands")
        tools = await self._tools(assignment)
        root = assignment.root.resolve()
        before = await run_sync(harvest.look, root)
        async with _relay(chosen, assignment) as (relay, job):
            done, summary = await _converse(assignment, tools, relay, job, progress)
        files = await run_sync(harvest.harvest, root, before)
        attempt = outcomes.Attempt(summary, relay.stop, relay.refused, relay.trouble, done)
        if not files or outcomes.discards(attempt):
            raise outcomes.failure_of(attempt)
        await progress(_told(relay, "tests written"), tests=sum(text.count(b"def test") for text in files.values()))
        return Candidate(
            files=files,
            usage=relay.ledger.usage(relay.model or chosen.models[0], done.wall_s),
            log=done.stdout + b"\n" + done.stderr,
            isolation=done.isolation,
        )

    async def _tools(self, assignment: Assignment) -> "_Tools":
        agent = await self.install(assignment.environments)
        overlay = await assignment.environments.overlay("verification", PINS, like=assignment.environment)
        return _Tools(agent, overlay)


@dataclass(frozen=True, slots=True)
class _Tools:
    """The environment of the agent, and the folder with what it runs tests with."""

    agent: Environment
    overlay: Path


@dataclass(frozen=True, slots=True)
class _Job:
    """What the driver is told besides the assignment."""

    socket: Path
    token: str
    choice: Choice


def _chosen() -> Choice | Missing:
    try:
        return choose(settings.model(), has_key=settings.model_key() is not None)
    except SettingError as error:
        return Missing(str(error), f"unset {error.name}")


def _requirements() -> tuple[str, ...]:
    text = resources.files("testwright.engines.openhands").joinpath("requirements.txt").read_text("utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


async def _check_target(assignment: Assignment) -> None:
    tree = await read_target(assignment)
    if not public_names(tree):
        raise EngineError("nothing-to-test", f"{assignment.target.module} defines no public name")
    await check_import(assignment)


@asynccontextmanager
async def _relay(choice: Choice, assignment: Assignment) -> AsyncGenerator[tuple[Relay, _Job]]:
    """Run the relay of one attempt for as long as the body runs."""
    said = settings.model()
    name = f"{assignment.target.module}.jsonl"
    root = assignment.root.resolve()
    async with AsyncExitStack() as stack:
        upstream: Upstream
        if said.replay:
            upstream = await replay(said.replay / name, root)
        else:
            upstream = await stack.enter_async_context(server(choice.base_url, settings.model_key() or ""))
        if said.record:
            upstream = Recording(upstream, said.record / name, root)
        token = secrets.token_urlsafe(24)
        relay = Relay(upstream, Lanes(choice.models), Ledger(choice.prices, choice.max_cost_usd), token)
        yield relay, _Job(await stack.enter_async_context(listening(relay)), token, choice)


async def _converse(
    assignment: Assignment, tools: _Tools, relay: Relay, job: _Job, progress: Progress
) -> tuple[Completed, outcomes.Summary | None]:
    summary: outcomes.Summary | None = None
    workspace = str(assignment.root.resolve())

    async def on_line(line: str) -> None:
        nonlocal summary
        match outcomes.decode(line):
            case outcomes.Action() as action:
                await progress(_told(relay, outcomes.described(action, workspace)))
            case outcomes.Summary() as told:
                summary = told
            case None:
                pass

    done = await assignment.sandbox.run(await _command(assignment, tools, job), on_line)
    return done, summary


def _told(relay: Relay, what: str) -> str:
    spent = relay.ledger.tokens
    cost = relay.ledger.cost_usd
    dollars = "" if cost is None else f", ${cost:.3f}"
    return f"{what} ({(spent.input + spent.output) / 1000:.1f}k tokens{dollars})"


async def _command(assignment: Assignment, tools: _Tools, job: _Job) -> Command:
    policy, root = assignment.policy, assignment.root.resolve()
    fields = {
        "model": job.choice.models[0],
        "socket": str(job.socket),
        "token": job.token,
        "prompt": prompt(await _task(assignment)),
        "workspace": str(root),
        "time_limit_s": policy.budget_s,
        "call_limit_s": CALL_S,
        "iterations": job.choice.max_iterations,
        "tries": TRIES,
        "most_output": protocol.MOST_OUTPUT,
    }
    project = assignment.environment
    return Command(
        # Isolated mode: the paths below are for what the agent runs, not for the driver.
        argv=[str(tools.agent.python), "-I", "-B", str(_DRIVER)],
        cwd=root,
        env={
            "PATH": f"{project.python.parent}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": f"{import_root(assignment)}:{tools.overlay}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "COVERAGE_FILE": str(assignment.scratch / "coverage"),
            "OPENHANDS_SUPPRESS_BANNER": "1",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_TELEMETRY": "False",
            "LOG_LEVEL": "ERROR",
        },
        readable=[*tools.agent.prefixes, *project.prefixes, tools.overlay, _DRIVER, job.socket.parent],
        writable=[root, assignment.scratch],
        stdin=msgspec.json.encode(fields),
        limits=Limits(wall_s=min(policy.budget_s + START_S, policy.timeout_s), memory_mb=8192),
    )


async def _task(assignment: Assignment) -> Task:
    target, root = assignment.target, assignment.root.resolve()
    return Task(
        module=target.module,
        source=target.path,
        import_root=target.import_root,
        workspace=str(root),
        save_as=f"tests/generated/test_{target.module.replace('.', '_')}.py",
        coverage=assignment.policy.coverage,
        minutes=max(1.0, assignment.policy.budget_s / 60),
        example=await run_sync(harvest.example, root, target.module),
    )

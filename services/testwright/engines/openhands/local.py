"""An attempt whose agent runs here: the SDK in the sandbox, with a relay as its only way out."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import msgspec
from anyio.to_thread import run_sync

from testwright.engines import Assignment, Progress
from testwright.engines._returned import DISK_MB
from testwright.engines._target import import_root
from testwright.engines.openhands import harvest, outcomes, protocol
from testwright.engines.openhands.attempts import (
    CALL_S,
    TRIES,
    Ended,
    Plan,
    Relayed,
    accepted,
    relaying,
    task,
    told,
)
from testwright.engines.openhands.prompt import prompt
from testwright.engines.openhands.relay import listening
from testwright.environments import Environment, Environments
from testwright.sandbox import Command, Completed, Limits

PYTHONS = ("3.12", "3.13")
"""What the SDK runs on; it is another interpreter than the project's where that is older."""

PINS = ("pytest==9.2.0", "coverage==7.17.3")
"""What the agent runs its tests with: the same as verification does."""

START_S = 60.0
"""Seconds beyond the budget: the SDK takes five to start, and an interrupted conversation some to end."""

_DRIVER = Path(__file__).with_name("driver.py")


async def install(environments: Environments) -> Environment:
    """Build the agent's environment (about 750 MB), or return the one there is.

    Raises:
        EnvironmentBuildError: it cannot be built.
    """
    return await environments.for_tool("openhands", requirements(), PYTHONS)


def requirements() -> tuple[str, ...]:
    """Return the lines of the lock."""
    text = resources.files("testwright.engines.openhands").joinpath("requirements.txt").read_text("utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


async def attempt(assignment: Assignment, plan: Plan, progress: Progress) -> Ended:
    """Let the agent work for the policy's budget.

    Raises:
        EngineError: there is no record to replay (``no-record``).
        EnvironmentBuildError: the SDK cannot be installed.
    """
    await progress("preparing OpenHands")
    agent = await install(assignment.environments)
    overlay = await assignment.environments.overlay("verification", PINS, like=assignment.environment)
    root = assignment.root.resolve()
    before = await run_sync(harvest.look, root)
    async with relaying(plan, assignment, str(root)) as relayed, listening(relayed.relay) as socket:
        job = _Job(agent, overlay, socket, relayed.token, plan)
        done, summary = await _converse(assignment, job, relayed, progress)
    relay = relayed.relay
    return Ended(
        files=await run_sync(harvest.harvest, root, before, accepted(assignment)),
        attempt=outcomes.Attempt(
            summary,
            relay.stop,
            relay.refused,
            relay.trouble,
            done,
            relay.ledger.usage(relay.model or plan.lanes.preferred, done.wall_s) if relay.ledger.calls else None,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Job:
    """What the driver's command is made of, besides the assignment.

    Attributes:
        agent: its environment.
        overlay: the folder with what it runs tests with.
        socket: of the relay.
        token: for the relay.
        plan: of the attempt.
    """

    agent: Environment
    overlay: Path
    socket: Path
    token: str
    plan: Plan


async def _converse(
    assignment: Assignment, job: _Job, relayed: Relayed, progress: Progress
) -> tuple[Completed, outcomes.Summary | None]:
    summary: outcomes.Summary | None = None
    workspace = str(assignment.root.resolve())

    async def on_line(line: str) -> None:
        nonlocal summary
        match outcomes.decode(line):
            case outcomes.Action() as action:
                relay = relayed.relay
                await progress(told(relay.ledger, outcomes.described(action, workspace), relay.recalled))
            case outcomes.Summary() as said:
                summary = said
            case None:
                pass

    done = await assignment.sandbox.run(await _command(assignment, job), on_line)
    return done, summary


async def _command(assignment: Assignment, job: _Job) -> Command:
    policy, root = assignment.policy, assignment.root.resolve()
    fields = {
        "model": job.plan.choice.models[0],
        "socket": str(job.socket),
        "token": job.token,
        "prompt": prompt(await task(assignment, str(root), path_is_set=True)),
        "workspace": str(root),
        "time_limit_s": policy.budget_s,
        "call_limit_s": CALL_S,
        "iterations": job.plan.choice.max_iterations,
        "tries": TRIES,
        "most_output": protocol.MOST_OUTPUT,
    }
    project = assignment.environment
    return Command(
        # Isolated mode: the paths below are for what the agent runs, not for the driver.
        argv=[str(job.agent.python), "-I", "-B", str(_DRIVER)],
        cwd=root,
        env={
            "PATH": f"{project.python.parent}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": f"{import_root(assignment)}:{job.overlay}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "COVERAGE_FILE": str(assignment.scratch / "coverage"),
            "OPENHANDS_SUPPRESS_BANNER": "1",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_TELEMETRY": "False",
            "LOG_LEVEL": "ERROR",
        },
        readable=[*job.agent.prefixes, *project.prefixes, job.overlay, _DRIVER, job.socket.parent],
        writable=[root],
        private=[assignment.scratch],
        interactive=True,
        stdin=msgspec.json.encode(fields),
        limits=Limits(wall_s=min(policy.budget_s + START_S, policy.timeout_s), memory_mb=8192, disk_mb=2 * DISK_MB),
    )

"""What an attempt needs and what comes of it, wherever its agent runs."""

import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import anyio
from anyio.to_thread import run_sync

from testwright import settings
from testwright.engines import Assignment
from testwright.engines.openhands import harvest, outcomes
from testwright.engines.openhands.briefing import briefing
from testwright.engines.openhands.lanes import Lanes
from testwright.engines.openhands.memory import Memory
from testwright.engines.openhands.models import Choice
from testwright.engines.openhands.prompt import Task
from testwright.engines.openhands.relay import Relay
from testwright.engines.openhands.spending import Ledger
from testwright.engines.openhands.upstream import Recording, Upstream, replay, server
from testwright.errors import EngineError
from testwright_schemas import Policy

CALL_S = 240
"""Longest that a call of the model may take, in seconds."""

TRIES = 2
"""Times that a call is made that meets a failing server; other failures are not tried again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an attempt is made with, besides the assignment."""

    choice: Choice
    lanes: Lanes


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt that is over: the test files that the agent left, and all that is known of how it ended."""

    files: Mapping[str, bytes]
    attempt: outcomes.Attempt


@dataclass(frozen=True, slots=True)
class Relayed:
    """A relay that answers one attempt's calls, and the token that it asks for."""

    relay: Relay
    token: str


@asynccontextmanager
async def relaying(plan: Plan, assignment: Assignment, workspace: str) -> AsyncGenerator[Relayed]:
    """Have a relay for one attempt for as long as the body runs; the body listens for its calls.

    Args:
        plan: of the attempt.
        assignment: of the attempt.
        workspace: folder that the agent works in, as it sees it.
    """
    said = settings.model()
    name = f"{assignment.target.module}.jsonl"
    async with AsyncExitStack() as stack:
        upstream: Upstream
        if said.replay:
            upstream = await replay(said.replay / name, workspace)
        else:
            upstream = await stack.enter_async_context(server(plan.choice.base_url, settings.model_key() or ""))
        if said.record:
            upstream = Recording(upstream, said.record / name, workspace)
        token = secrets.token_urlsafe(24)
        ledger = ledger_of(plan.choice, assignment.policy)
        # A record is of a whole attempt, and asks for the place in it that comes next.
        notes = None if said.record or said.replay else assignment.notes
        memory = Memory(notes, workspace) if notes else None
        yield Relayed(Relay(upstream, plan.lanes, ledger, token, memory), token)


def ledger_of(choice: Choice, policy: Policy) -> Ledger:
    """Return what adds up an attempt's costs, limited by the settings and by what is left of the task's budget.

    Raises:
        EngineError: the task has a limit on money, and prices are not known.
    """
    limits = [limit for limit in (choice.max_cost_usd, policy.max_cost_usd) if limit is not None]
    if limits and choice.prices is None:
        raise EngineError(
            "prices-unknown",
            "a cost limit needs to know prices: "
            "set TESTWRIGHT_LLM_INPUT_PRICE and TESTWRIGHT_LLM_OUTPUT_PRICE (USD of a million tokens)",
        )
    return Ledger(choice.prices, min(limits, default=None), policy.max_tokens)


async def task(assignment: Assignment, workspace: str, *, path_is_set: bool) -> Task:
    """Return what the agent is told.

    Args:
        assignment: of the attempt.
        workspace: folder that the agent works in, as it sees it.
        path_is_set: see ``Task``.
    """
    target, brief = assignment.target, assignment.brief
    left, stem = "", f"test_{target.module.replace('.', '_')}"
    if brief:
        source = await anyio.Path(assignment.root, target.path).read_bytes()
        left = briefing(brief, source.decode(errors="replace"))
    return Task(
        module=target.module,
        source=target.path,
        import_root=target.import_root,
        workspace=workspace,
        save_as=f"tests/generated/{harvest.free(stem, accepted(assignment))}",
        coverage=assignment.policy.coverage,
        minutes=max(1.0, assignment.policy.budget_s / 60),
        example=await run_sync(harvest.example, assignment.root.resolve(), target.module),
        left=left,
        path_is_set=path_is_set,
    )


def accepted(assignment: Assignment) -> frozenset[str]:
    """Return the names of the test files that rounds before have achieved."""
    return frozenset(artifact.name for artifact in assignment.brief.accepted) if assignment.brief else frozenset()


def told(ledger: Ledger, what: str, recalled: int = 0) -> str:
    """Return a line on what the agent does, with what was spent so far, and the calls that were not paid again."""
    spent, cost = ledger.tokens, ledger.cost_usd
    dollars = "" if cost is None else f", ${cost:.3f}"
    again = f", {recalled} calls not paid again" if recalled else ""
    return f"{what} ({(spent.input + spent.output) / 1000:.1f}k tokens{dollars}{again})"

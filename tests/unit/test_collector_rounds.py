"""Rounds, pauses and accepted tests in the life of a task, as decisions on messages."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.tasks import (
    IDS,
    NOW,
    POLICY,
    cancel_requested,
    failed,
    first,
    generated,
    history,
    started,
    submitted,
    verified,
)
from testwright.collector.attempts import MIN_SEARCH_S
from testwright.collector.core import Collected, decide
from testwright.retries import MAX_PAUSE_S, pause_s
from testwright_schemas import (
    Attempt,
    AttemptFailed,
    Brief,
    Effect,
    Failure,
    GenerateSuite,
    Outcome,
    Policy,
    Publish,
    Schedule,
    SuiteGenerated,
    SuiteVerified,
    TaskFinished,
    TaskMessage,
    TimerFired,
    Usage,
)

LATER = NOW + timedelta(minutes=1)
DEADLINE = TimerFired(namespace="default", task_id="task-1", kind="deadline")
BRIEF = Brief(line=50.0, missing_lines=(7, 8))


def told(effects: tuple[Effect, ...]) -> TaskFinished | GenerateSuite:
    """Return the only message among effects."""
    [message] = [effect.message for effect in effects if isinstance(effect, Publish)]
    assert isinstance(message, TaskFinished | GenerateSuite)
    return message


def offered(attempt: Attempt, wall_s: float = 20.0) -> SuiteGenerated:
    """Return a candidate of an engine that has use for another round."""
    return replace(generated(attempt), rounds=True, usage=Usage(wall_s=wall_s))


def short(attempt: Attempt, best: Attempt | None = None) -> SuiteVerified:
    """Return verdicts with a kept test that do not reach the coverage."""
    event = verified(attempt, "kept", line=50.0)
    return replace(event, judgement=replace(event.judgement, brief=BRIEF), best=best, spent=Usage(wall_s=20.0))


def after(*events: TaskMessage, policy: Policy = POLICY, at_last: Collected | None = None) -> tuple[Effect, ...]:
    """Return what the last of these events leads to, or what ``at_last`` does behind them."""
    last = at_last or events[-1]
    assert isinstance(last, Collected)
    return decide(history(submitted(policy), *events), last, LATER)


def test_a_suite_that_falls_short_gets_another_round_of_its_engine_with_what_is_left_to_do():
    item = told(after(started(), offered(first()), short(first())))

    assert isinstance(item, GenerateSuite)
    assert item.attempt == replace(first(2), round=2, searched_s=20.0)
    assert (item.brief, item.spent) == (BRIEF, Usage(wall_s=20.0))
    assert item.policy.budget_s == POLICY.budget_s - 20.0


def test_the_rounds_of_an_engine_share_one_budget():
    second = replace(first(2), round=2, searched_s=20.0)

    item = told(after(started(second), offered(second, 25.0), short(second)))

    assert isinstance(item, GenerateSuite)
    assert (item.attempt.round, item.attempt.searched_s, item.policy.budget_s) == (3, 45.0, POLICY.budget_s - 45.0)


@pytest.mark.parametrize(
    ("last", "wall_s", "rounds", "gained", "why"),
    [
        (first(), POLICY.budget_s - MIN_SEARCH_S + 0.1, True, True, "the budget is spent"),
        (replace(first(), round=POLICY.rounds), 1.0, True, True, "it has had its rounds"),
        (first(), 1.0, False, True, "it would only say the same again"),
        (first(), 1.0, True, False, "the last round has gained nothing"),
    ],
)
def test_the_next_engine_gets_what_an_engine_leaves_to_do(
    last: Attempt, wall_s: float, *, rounds: bool, gained: bool, why: str
):
    candidate = replace(offered(last, wall_s), rounds=rounds)

    item = told(after(started(last), candidate, short(last, None if gained else first())))

    assert isinstance(item, GenerateSuite), why
    assert item.attempt == first(2, engine_index=1)
    assert (item.brief, item.policy) == (BRIEF, POLICY)


def test_without_another_engine_the_task_is_completed_with_what_there_is():
    last = first(2, engine_index=1)

    end = told(after(started(last), generated(last), short(last, first())))

    assert isinstance(end, TaskFinished)
    assert (end.outcome, end.threshold_met, end.error) == ("completed", False, None)
    assert end.engine == "echo", "whose judgement it is"


def test_a_retry_in_a_later_round_is_of_that_round():
    second = replace(first(2), round=2, searched_s=20.0)
    timer = TimerFired(namespace="default", task_id="task-1", kind="retry", attempt=2)

    item = told(after(short(first()), started(second), failed(second), at_last=timer))

    assert isinstance(item, GenerateSuite)
    assert item.attempt == replace(second, number=3, engine_try=2)
    assert (item.brief, item.policy.budget_s) == (BRIEF, POLICY.budget_s - 20.0)


@pytest.mark.parametrize(
    ("end", "outcome", "cause"),
    [
        (failed(first(3, engine_index=1), retryable=False), "completed", "engine-crashed"),
        (replace(failed(first(3, engine_index=1), retryable=False), phase="verify"), "completed", "engine-crashed"),
        (DEADLINE, "completed", "deadline-exceeded"),
        (cancel_requested(), "cancelled", "cancelled"),
    ],
)
def test_whatever_ends_a_later_round_delivers_what_was_accepted(end: Collected, outcome: Outcome, cause: str):
    news = (end,) if isinstance(end, TaskMessage) else ()

    result = told(after(started(), short(first()), started(first(3, engine_index=1)), *news, at_last=end))

    assert isinstance(result, TaskFinished)
    assert (result.outcome, result.threshold_met, result.rounds) == (outcome, False, 1)
    assert result.error is not None
    assert result.error.cause == cause
    assert [case.verdict for case in result.tests] == ["kept"]
    assert result.coverage == short(first()).judgement.coverage


def test_a_failure_of_the_same_attempt_that_came_first_leaves_one_path_to_the_end():
    end = told(after(started(), offered(first()), failed(), short(first())))

    assert isinstance(end, TaskFinished)
    assert end.outcome == "completed"


def rate_limited(attempt: Attempt, for_s: float) -> AttemptFailed:
    failure = Failure(cause="rate-limited", message="slow down", retryable=True, retry_after_s=for_s)
    return AttemptFailed(**IDS, attempt=attempt, phase="generate", failure=failure)


def test_an_attempt_that_a_provider_gives_back_waits_as_long_as_it_says_and_costs_no_try():
    last_try = first(4, engine_try=POLICY.retry.max_attempts)
    event = rate_limited(last_try, 600.0)
    timer = TimerFired(namespace="default", task_id="task-1", kind="retry", attempt=4)

    [schedule] = after(started(last_try), event)
    item = told(after(started(last_try), event, at_last=timer))

    assert isinstance(schedule, Schedule)
    assert schedule.timer == timer
    assert isinstance(schedule.at, datetime)
    assert 600.0 <= (schedule.at - LATER).total_seconds() <= 661.0
    assert isinstance(item, GenerateSuite)
    assert item.attempt == replace(last_try, number=5)


@given(st.floats(0, 1e300), st.text(max_size=20))
def test_a_provider_is_never_asked_before_its_time(for_s: float, seed: str):
    waited_s = pause_s(for_s, seed)

    assert min(for_s, MAX_PAUSE_S) <= waited_s
    assert waited_s >= 1.0
    timedelta(seconds=waited_s)


def test_what_all_attempts_have_used_is_in_the_result():
    spent = Usage(model="m", input_tokens=100, cost_usd=None, wall_s=70.0)
    last = replace(failed(first(2, engine_index=1), retryable=False), spent=spent)

    end = told(after(started(), short(first()), last))

    assert isinstance(end, TaskFinished)
    assert end.usage == spent


@pytest.mark.parametrize(
    ("one", "other", "cost"),
    [
        (Usage(model="m", cost_usd=0.5), Usage(model="n", cost_usd=0.25), 0.75),
        (Usage(model="m", cost_usd=0.5), Usage(model="n"), None),
        (Usage(model="m", cost_usd=0.5), Usage(wall_s=3.0), 0.5),
        (Usage(), Usage(wall_s=3.0), None),
    ],
)
def test_a_cost_that_is_not_known_is_never_taken_for_none(one: Usage, other: Usage, cost: float | None):
    assert one.plus(other).cost_usd == cost
    assert other.plus(one).cost_usd == cost

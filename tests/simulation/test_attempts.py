"""The whole system under faults, in virtual time: attempts, what they may say, and what becomes of it."""

from collections import Counter
from collections.abc import Sequence

import pytest

from tests.simulation.runs import SEVERAL_CALM, report_of
from tests.support.reports import Report, histories
from testwright.history import fold
from testwright.verifier.merging import worth
from testwright_schemas import (
    AttemptFailed,
    AttemptStarted,
    Judgement,
    Policy,
    SuiteGenerated,
    SuiteVerified,
    TaskCancelRequested,
    TaskFinished,
    TaskMessage,
    TaskProgressed,
    TaskSubmitted,
)

pytestmark = pytest.mark.xdist_group("simulation")  # what is asked about a run needs it once, in one process


def cause_of(told: Sequence[tuple[int, TaskMessage]]) -> int:
    """Return the sequence of what has led to the end: that may meet verdicts that nobody knows of yet.

    It is a cancel request, or the failure of an attempt whose candidate another verifier had as well, and judged later.
    """
    requested = [sequence for sequence, event in told if isinstance(event, TaskCancelRequested)]
    [(finished, end)] = [(sequence, event) for sequence, event in told if isinstance(event, TaskFinished)]
    if end.outcome == "cancelled":
        # The first one may have been acted on after others were made, and those that came later say nothing new.
        return requested[0]
    failures = [(sequence, event) for sequence, event in told if isinstance(event, AttemptFailed)]
    if end.error and failures and failures[-1][1].failure.cause == end.error.cause:
        return min(failures[-1][0], finished)
    return finished


def test_what_an_attempt_says_counts_only_until_a_newer_one_has_begun(report: Report):
    for told in histories(report).values():
        newest = announced = 0
        for index, (_, event) in enumerate(told, start=1):
            match event:
                case AttemptStarted():
                    assert event.attempt.number > announced
                    announced = event.attempt.number
                    # Of an item that was delivered once more after its attempt had said all: nothing comes of it.
                    newest = newest if fold(told[:index]).in_vain else announced
                case SuiteGenerated() | AttemptFailed():
                    assert event.attempt.number >= newest
                case _:
                    pass


def test_verdicts_never_fall_behind_those_before_and_the_end_delivers_the_best(report: Report):
    for told in histories(report).values():
        verified = [event for _, event in told if isinstance(event, SuiteVerified)]
        worths = [worth(event.judgement) for event in verified]
        assert worths == sorted(worths)
        assert len({event.attempt.number for event in verified}) == len(verified)
        end = fold(told).finished
        assert end is not None
        before = [event for sequence, event in told if isinstance(event, SuiteVerified) and sequence < cause_of(told)]
        if before and before[-1].judgement.kept:
            assert end.outcome != "failed"
            assert worth(Judgement(cases=end.tests, coverage=end.coverage)) >= worths[len(before) - 1]
            assert end.files


def test_an_engine_has_as_many_tries_and_rounds_as_the_policy_says_and_pauses_cost_none(report: Report):
    for told in histories(report).values():
        policy = told[0][1].policy if isinstance(told[0][1], TaskSubmitted) else Policy()
        rounds: dict[tuple[int, int], Counter[int]] = {}
        for _, event in told:
            match event:
                case AttemptStarted(attempt=attempt) | SuiteGenerated(attempt=attempt) | SuiteVerified(attempt=attempt):
                    assert attempt.engine_try <= policy.retry.max_attempts
                    assert attempt.round <= policy.rounds
                    assert attempt.searched_s < policy.budget_s
                case AttemptFailed(attempt=attempt, failure=failure):
                    tries = rounds.setdefault((attempt.engine_index, attempt.round), Counter())
                    # Each try before has failed once and for good; this one may have been given back any time.
                    assert attempt.engine_try == 1 + len(tries) - (attempt.engine_try in tries)
                    if failure.retry_after_s is None:
                        tries[attempt.engine_try] += 1
                case _:
                    pass


def test_an_attempt_on_a_paused_lane_is_given_back_without_its_engine():
    causes = Counter[str]()
    for seed in SEVERAL_CALM:
        for told in histories(report_of(seed)).values():
            at_work = {event.attempt for _, event in told if isinstance(event, TaskProgressed)}
            failed = [event for _, event in told if isinstance(event, AttemptFailed)]
            causes.update(event.failure.cause for event in failed)
            paused = {event.attempt.number for event in failed if event.failure.cause == "lane-paused"}
            assert not paused & at_work

    assert causes["rate-limited"] > 0
    assert causes["lane-paused"] > 0


def test_where_nothing_goes_wrong_each_attempt_begins_and_is_concluded_once(calm: Report):
    for told in histories(calm).values():
        started = [event.attempt.number for _, event in told if isinstance(event, AttemptStarted)]
        concluded = [event.attempt.number for _, event in told if isinstance(event, SuiteVerified | AttemptFailed)]
        assert started == list(range(1, len(started) + 1))
        assert concluded == started[: len(concluded)]


def test_where_nothing_goes_wrong_the_end_sums_up_what_every_attempt_has_used(calm: Report):
    for told in histories(calm).values():
        used = [event.usage for _, event in told if isinstance(event, SuiteGenerated)]
        used += [event.usage for _, event in told if isinstance(event, AttemptFailed) and event.phase != "verify"]
        end = fold(told).finished
        assert end is not None
        asked = [usage.input_tokens for usage in used if usage.model is not None]
        known = [tokens for tokens in asked if tokens is not None]
        assert end.usage.input_tokens == (sum(known) if known and len(known) == len(asked) else None)
        assert end.usage.wall_s == pytest.approx(sum(usage.wall_s for usage in used))
        assert end.rounds == len({event.attempt.number for _, event in told if isinstance(event, SuiteVerified)})


def test_what_nobody_foresaw_fails_an_attempt_and_not_a_worker():
    reports = [report_of(seed) for seed in SEVERAL_CALM]

    told = [event for report in reports for events in histories(report).values() for _, event in events]
    failures = [event.failure for event in told if isinstance(event, AttemptFailed)]
    assert "internal-error" in {failure.cause for failure in failures}
    assert "worker-lost" not in {failure.cause for failure in failures}

"""Which candidates are still worth judging."""

from tests.support import tasks
from testwright.history import TaskHistory
from testwright.verifier.core import MAX_CASES_BYTES, fitting, obsolete, verified
from testwright_schemas import CaseVerdict, Expect, Judgement, SuiteVerified, Verdict, envelope, subjects


def test_the_candidate_of_the_newest_attempt_is_judged():
    assert obsolete(tasks.history(tasks.submitted(), tasks.started(), tasks.generated()), tasks.to_verify()) is None


def test_the_candidate_of_a_replaced_attempt_is_not_judged():
    history = tasks.history(tasks.submitted(), tasks.started(), tasks.generated(), tasks.started(tasks.first(2)))

    assert obsolete(history, tasks.to_verify()) == "attempt 2 has replaced attempt 1"


def test_a_candidate_is_not_judged_twice():
    history = tasks.history(tasks.submitted(), tasks.started(), tasks.generated(), tasks.verified())

    assert obsolete(history, tasks.to_verify()) == "attempt 1 is verified"


def test_a_candidate_that_could_not_be_judged_is_not_judged_again():
    history = tasks.history(tasks.submitted(), tasks.started(), tasks.generated(), tasks.failed())

    assert obsolete(history, tasks.to_verify()) == "attempt 1 has failed"


def test_a_candidate_newer_than_what_was_read_is_judged():
    assert obsolete(tasks.history(tasks.submitted()), tasks.to_verify(fence=9)) is None


def cases(number: int, verdict: Verdict) -> tuple[CaseVerdict, ...]:
    return tuple(CaseVerdict(id=f"test_it.py::{verdict}_{n}", verdict=verdict, reason="so" * 50) for n in range(number))


def test_thousands_of_verdicts_fit_into_a_message_and_those_on_kept_tests_come_first():
    message = verified(tasks.to_verify(), Judgement(cases=(*cases(9000, "failing"), *cases(1000, "kept"))), TaskHistory()).message

    assert isinstance(message, SuiteVerified)
    assert len(envelope.encode(message)) < MAX_CASES_BYTES + 5000
    assert message.judgement.kept == 1000
    assert message.judgement.omitted + len(message.judgement.cases) == 10_000
    assert message.judgement.cases[0].verdict == "failing"


def test_verdicts_that_fit_are_left_as_they_are():
    judgement = Judgement(cases=cases(10, "kept"))

    assert fitting(judgement) is judgement


def test_the_candidate_of_an_ended_task_is_not_judged():
    history = tasks.history(tasks.submitted(), tasks.started(), tasks.finished("cancelled"))

    assert obsolete(history, tasks.to_verify()) == "the task is cancelled"


def test_verdicts_are_said_only_if_they_build_on_the_last_ones():
    first, second = tasks.first(1), tasks.first(2)
    history = tasks.history(tasks.submitted(), tasks.started(first), tasks.verified(first), tasks.started(second))

    publish = verified(tasks.to_verify(second, fence=4), Judgement(), history)

    assert publish.expect == Expect(subject=subjects.task_event("default", "task-1", "verified"), sequence=3)

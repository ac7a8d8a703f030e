"""Which candidates are still worth judging."""

from tests.support import tasks
from testwright.verifier.core import obsolete, verified
from testwright_schemas import Expect, Judgement, subjects


def test_the_candidate_of_the_newest_attempt_is_judged():
    assert obsolete(tasks.history(tasks.submitted(), tasks.started(), tasks.generated()), tasks.to_verify()) is None


def test_the_candidate_of_a_replaced_attempt_is_not_judged():
    history = tasks.history(tasks.submitted(), tasks.started(), tasks.generated(), tasks.started(tasks.first(2)))

    assert obsolete(history, tasks.to_verify()) == "attempt 2 has replaced attempt 1"


def test_a_candidate_is_not_judged_twice():
    history = tasks.history(tasks.submitted(), tasks.started(), tasks.generated(), tasks.verified())

    assert obsolete(history, tasks.to_verify()) == "attempt 1 is verified"


def test_the_candidate_of_an_ended_task_is_not_judged():
    history = tasks.history(tasks.submitted(), tasks.started(), tasks.finished("cancelled"))

    assert obsolete(history, tasks.to_verify()) == "the task is cancelled"


def test_verdicts_are_said_only_while_their_attempt_is_the_newest():
    publish = verified(tasks.to_verify(fence=2), Judgement())

    assert publish.expect == Expect(subject=subjects.task_event("default", "task-1", "started"), sequence=2)

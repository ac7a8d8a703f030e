"""Which candidates are still worth judging."""

import pytest
from msgspec.structs import replace

from tests.support import tasks
from testwright.history import TaskHistory
from testwright.verifier.core import MAX_CASES_BYTES, current, fitting, obsolete, verified
from testwright.verifier.merging import merged, united
from testwright_schemas import (
    Brief,
    CaseVerdict,
    Coverage,
    Expect,
    Judgement,
    Mutation,
    SuiteVerified,
    Usage,
    Verdict,
    envelope,
    subjects,
)


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
    judgement = Judgement(cases=(*cases(9000, "failing"), *cases(1000, "kept")))

    message = verified(tasks.to_verify(), judgement, TaskHistory()).message

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


SECOND = tasks.first(2)


def judged(line: float, *, kept: int = 1, rejected: str = "", score: float | None = None) -> Judgement:
    """Return a judgement of a suite that covers so much, with the brief that goes with it."""
    brief = Brief(line=line, rejected=(CaseVerdict(id=rejected, verdict="failing"),) if rejected else ())
    return Judgement(
        cases=cases(kept, "kept"), coverage=Coverage(line=line), mutation=Mutation(score=score), brief=brief
    )


def said(judgement: Judgement, earlier: Judgement) -> SuiteVerified:
    """Return what is said of the second attempt after verdicts on the first."""
    before = replace(tasks.verified(), judgement=earlier, judged="e" * 64, requirements=("hypothesis==6",))
    history = tasks.history(tasks.submitted(), tasks.started(), before, tasks.started(SECOND))
    item = replace(tasks.to_verify(SECOND, fence=4), requirements=("attrs==25",), spent=Usage(wall_s=3.0))
    message = verified(item, judgement, history).message
    assert isinstance(message, SuiteVerified)
    assert (message.attempt, message.rounds, message.spent) == (SECOND, 2, Usage(wall_s=3.0))
    return message


@pytest.mark.parametrize(
    ("judgement", "earlier"),
    [
        (judged(50.0, rejected="news"), judged(60.0)),
        (judged(60.0, rejected="news"), judged(60.0)),
        (judged(99.0, kept=0, rejected="news"), judged(60.0)),
        (judged(60.0, rejected="news", score=50.0), judged(60.0, score=51.0)),
    ],
)
def test_a_judgement_that_adds_nothing_leaves_the_earlier_one_with_what_can_be_learned(
    judgement: Judgement, earlier: Judgement
):
    message = said(judgement, earlier)

    assert (message.best, message.judged, message.requirements) == (tasks.first(), "e" * 64, ("hypothesis==6",))
    assert message.judgement == replace(earlier, brief=message.judgement.brief)
    assert message.judgement.brief is not None
    assert message.judgement.brief.line == 60.0
    assert [case.id for case in message.judgement.brief.rejected] == ["news"]


@pytest.mark.parametrize(
    ("judgement", "earlier"),
    [
        (judged(61.0), judged(60.0, score=99.0)),
        (judged(60.0, score=52.0), judged(60.0, score=51.0)),
        (judged(10.0), judged(60.0, kept=0)),
    ],
)
def test_a_better_judgement_takes_the_place_of_the_earlier_one(judgement: Judgement, earlier: Judgement):
    message = said(judgement, earlier)

    assert (message.best, message.judgement, message.requirements) == (None, judgement, ("attrs==25",))


def test_accepted_files_stand_beside_a_candidate_that_uses_the_same_names():
    accepted = {"shop/test_it.py": b"accepted"}
    candidate = {"shop/test_it.py": b"new", "accepted/shop/test_it.py": b"odd"}

    together = merged(accepted, candidate)

    assert sorted(together.values()) == [b"accepted", b"new", b"odd"]
    assert candidate.items() <= together.items()
    assert merged({}, candidate) == candidate


def test_requirements_of_both_are_met_once():
    assert united(("a==1", "b==2"), ("b==2", "c==3")) == ("a==1", "b==2", "c==3")


def test_a_candidate_is_judged_although_another_worker_began_its_item_again_in_vain():
    told = tasks.history(
        tasks.submitted(), tasks.started(item=1), tasks.generated(), tasks.started(tasks.first(2), item=1)
    )

    assert obsolete(told, tasks.to_verify(fence=2)) is None
    assert current(tasks.to_verify(fence=2), told).fence == 4

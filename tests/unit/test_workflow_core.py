"""The life of a run, as decisions on what is known."""

from datetime import UTC, datetime, timedelta
from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from testwright.workflow.core import Abort, Begin, Decision, Followed, Run, decide, evolve, job_id
from testwright.workflow.definition import check
from testwright_schemas import (
    CancelTasks,
    CollectSuites,
    JobFinished,
    JobRejected,
    NoWork,
    OutcomeCounts,
    Plan,
    Publish,
    RunCommand,
    StageFinished,
    StageOutcome,
    StageSpec,
    StageStarted,
    SubmitModules,
    WorkflowCancelRequested,
    WorkflowClaimed,
    WorkflowFinished,
    WorkflowStarted,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Ids(TypedDict):
    """The fields that every event of a run has."""

    namespace: str
    run_id: str


IDS = Ids(namespace="default", run_id="run-1")
JOB = job_id("default", "run-1", "generate")


def command(name: str, *needs: str, repeatable: bool = True, optional: bool = False) -> StageSpec:
    work = RunCommand(argv=("true",), repeatable=repeatable)
    return StageSpec(name=name, work=work, needs=needs, optional=optional)


def started(*stages: StageSpec, **options: str) -> WorkflowStarted:
    plan = check(Plan(stages=stages, **options))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  on_failure
    return WorkflowStarted(**IDS, plan=plan, root="/project", started_at=NOW)


def begun(stage: str, attempt: int = 1) -> StageStarted:
    return StageStarted(**IDS, stage=stage, attempt=attempt, claim_id="c", started_at=NOW)


def ended(stage: str, outcome: StageOutcome = "completed") -> StageFinished:
    at = None if outcome in {"skipped", "cancelled"} else NOW
    return StageFinished(**IDS, stage=stage, outcome=outcome, started_at=at, completed_at=NOW)


def cancel(reason: str = "enough") -> WorkflowCancelRequested:
    return WorkflowCancelRequested(**IDS, command_id="c", reason=reason)


def after(*events: Followed) -> Run:
    run = Run()
    for event in events:
        run = evolve(run, event, NOW)
    return run


def begins(decisions: tuple[Decision, ...]) -> list[str]:
    return [decision.stage.name for decision in decisions if isinstance(decision, Begin)]


def ends(decisions: tuple[Decision, ...]) -> dict[str, tuple[str, str]]:
    said = [each.message for each in decisions if isinstance(each, Publish)]
    return {each.stage: (each.outcome, each.message) for each in said if isinstance(each, StageFinished)}


def end(decisions: tuple[Decision, ...]) -> WorkflowFinished:
    last = decisions[-1]
    assert isinstance(last, Publish)
    assert last.once
    assert isinstance(last.message, WorkflowFinished)
    return last.message


OVERLAP = (
    command("specify"),
    StageSpec(name="generate", work=SubmitModules(paths=("src",)), needs=("specify",)),
    command("tidy", "specify"),
    StageSpec(name="collect", work=CollectSuites(stage="generate"), needs=("tidy",)),
    command("ship", "collect"),
)


def test_nothing_is_decided_of_a_run_that_has_not_begun() -> None:
    assert decide(Run(), (), NOW) == ()


def test_stages_begin_side_by_side_as_soon_as_what_they_need_has_ended() -> None:
    run = after(started(*OVERLAP), ended("specify"))

    assert sorted(begins(decide(run, (), NOW))) == ["generate", "tidy"]
    assert begins(decide(run, {"generate"}, NOW)) == ["tidy"]
    assert begins(decide(evolve(run, ended("generate"), NOW), {"tidy"}, NOW)) == []


def test_a_stage_that_has_ended_is_never_begun_again() -> None:
    run = after(started(command("a"), command("b", "a")), begun("a"), ended("a"))

    assert begins(decide(run, (), NOW)) == ["b"]


def test_a_stage_that_another_process_had_begun_begins_again() -> None:
    run = after(started(command("a")), begun("a", 2))

    [decision] = decide(run, (), NOW)

    assert isinstance(decision, Begin)
    assert decision.attempt == 3


def test_a_command_that_may_not_be_repeated_has_failed_if_its_process_ended() -> None:
    run = after(started(command("deploy", repeatable=False)), begun("deploy"))

    outcome, message = ends(decide(run, (), NOW))["deploy"]

    assert outcome == "failed"
    assert "may not be repeated" in message
    assert decide(run, {"deploy"}, NOW) == ()


def test_a_stage_without_work_is_skipped_and_lets_others_go_on() -> None:
    run = after(started(StageSpec(name="stage", work=NoWork(reason="no server")), command("ship", "stage")))

    assert ends(decide(run, (), NOW)) == {"stage": ("skipped", "no server")}
    assert begins(decide(evolve(run, ended("stage", "skipped"), NOW), (), NOW)) == ["ship"]


def test_a_failed_stage_ends_what_needs_it_and_leaves_the_others_alone() -> None:
    run = after(started(command("a"), command("b"), command("c", "a"), command("d", "c")), ended("a", "failed"))

    first = decide(run, {"b"}, NOW)
    second = decide(evolve(run, ended("c", "cancelled"), NOW), {"b"}, NOW)

    assert ends(first) == {"c": ("cancelled", "stage 'a' has failed")}
    assert Abort("b") not in first
    assert ends(second) == {"d": ("cancelled", "stage 'c' has been cancelled")}


def test_a_failed_stage_ends_everything_where_the_plan_says_so() -> None:
    run = after(started(command("a"), command("b"), command("c"), on_failure="cancel"), ended("a", "failed"))

    decisions = decide(run, {"b"}, NOW)

    assert Abort("b") in decisions
    assert ends(decisions) == {"c": ("cancelled", "stage 'a' has failed")}


def test_an_optional_stage_may_fail() -> None:
    run = after(started(command("a", optional=True), command("b", "a"), on_failure="cancel"), ended("a", "failed"))

    assert begins(decide(run, (), NOW)) == ["b"]
    last = end(decide(evolve(run, ended("b"), NOW), (), NOW))
    assert (last.outcome, last.message) == ("completed", "a (optional)")


def test_nothing_is_collected_where_nothing_was_submitted() -> None:
    submit = StageSpec(name="generate", work=SubmitModules(paths=("src",)), optional=True)
    collect = StageSpec(name="collect", work=CollectSuites(stage="generate"), optional=True)
    run = after(started(submit, collect), ended("generate", "failed"))

    assert ends(decide(run, (), NOW)) == {"collect": ("cancelled", "stage 'generate' has submitted nothing")}


def test_a_cancelled_run_ends_what_is_under_way_and_begins_nothing() -> None:
    run = after(started(command("a"), command("b"), command("c", "a")), cancel())

    decisions = decide(run, {"a"}, NOW)

    assert Abort("a") in decisions
    assert ends(decisions) == {"b": ("cancelled", "enough"), "c": ("cancelled", "enough")}
    done = after(started(command("a")), cancel(), ended("a", "cancelled"))
    assert (end(decide(done, (), NOW)).outcome, end(decide(done, (), NOW)).message) == ("cancelled", "enough")


def test_a_run_that_has_failed_withdraws_what_nobody_will_collect() -> None:
    run = after(
        started(*OVERLAP),
        *(ended("specify"), ended("generate"), ended("tidy", "failed")),
        *(ended("collect", "cancelled"), ended("ship", "cancelled")),
    )

    withdrawal, _ = decide(run, (), NOW)

    assert isinstance(withdrawal, Publish)
    assert isinstance(withdrawal.message, CancelTasks)
    assert withdrawal.message.job_ids == (JOB,)
    assert end(decide(run, (), NOW)).outcome == "failed"
    assert end(decide(run, (), NOW)).message == "tidy"


def test_what_a_process_that_died_may_have_submitted_is_withdrawn_when_the_run_is_cancelled() -> None:
    run = after(started(*OVERLAP), ended("specify"), begun("generate"), ended("tidy"), cancel())
    run = evolve(run, ended("collect", "cancelled"), NOW)
    [said] = [each.message for each in decide(run, ["ship"], NOW) if isinstance(each, Publish)]
    assert isinstance(said, StageFinished)
    assert (said.stage, said.outcome, said.started_at) == ("generate", "cancelled", None)

    run = evolve(evolve(run, said, NOW), ended("ship", "cancelled"), NOW)

    assert end(decide(run, (), NOW)).withdrawn == (JOB,)


@pytest.mark.parametrize(("attempts", "job", "withdrawn"), [(1, None, ()), (1, JOB, (JOB,)), (2, None, (JOB,))])
def test_a_stage_that_has_failed_before_it_submitted_leaves_nothing_to_withdraw(
    attempts: int, job: str | None, withdrawn: tuple[str, ...]
) -> None:
    failed = replace(ended("generate", "failed"), job_id=job)
    begins = (begun("generate", attempt) for attempt in range(1, attempts + 1))
    rest = (ended("tidy"), ended("collect", "cancelled"), ended("ship", "cancelled"))
    run = after(started(*OVERLAP), ended("specify"), *begins, failed, *rest)

    assert end(decide(run, (), NOW)).withdrawn == withdrawn


@pytest.mark.parametrize("over", ["job", "nothing-submitted"])
def test_nothing_is_withdrawn_where_nothing_goes_on(over: str) -> None:
    job = JobFinished(namespace="default", job_id=JOB, total=1, counts=OutcomeCounts(completed=1))
    submission = ended("generate", "completed" if over == "job" else "cancelled")
    rest = (ended("specify", "failed"), submission, ended("tidy", "cancelled"), ended("collect", "cancelled"))
    run = after(started(*OVERLAP), *rest, ended("ship", "cancelled"), *([job] if over == "job" else []))

    assert len(decide(run, (), NOW)) == 1


def test_a_run_that_has_ended_well_keeps_what_it_submitted_on_purpose() -> None:
    run = after(started(StageSpec(name="generate", work=SubmitModules(paths=("src",)))), ended("generate"))

    assert len(decide(run, (), NOW)) == 1
    assert end(decide(run, (), NOW)).outcome == "completed"


def test_nothing_follows_the_end() -> None:
    run = after(started(command("a")), ended("a"))
    finished = end(decide(run, (), NOW))

    assert decide(evolve(run, finished, NOW), (), NOW) == ()


def test_the_end_of_a_refused_job_says_why() -> None:
    rejected = JobRejected(namespace="default", job_id=JOB, field="policy", reason="no engine")

    assert after(started(*OVERLAP), rejected).jobs[JOB].refused == "the submission was refused: policy: no engine"


OUTCOMES = st.sampled_from(["completed", "partial", "failed", "skipped", "cancelled"])


@given(
    edges=st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5))),
    outcomes=st.lists(OUTCOMES, min_size=6, max_size=6),
    policy=st.sampled_from(["finish", "cancel"]),
    optional=st.sets(st.integers(0, 5)),
    cancelled=st.integers(0, 12),
)
def test_every_run_ends_once_and_nothing_begins_before_what_it_needs(
    edges: set[tuple[int, int]], outcomes: list[StageOutcome], policy: str, optional: set[int], cancelled: int
) -> None:
    stages = [
        command(f"s{i}", *(f"s{a}" for a, b in edges if b == i and a < b), optional=i in optional) for i in range(6)
    ]
    run = after(started(*stages, on_failure=policy), WorkflowClaimed(**IDS, claim_id="c", worker="w"))
    busy: list[str] = []
    for step in range(60):
        if step == cancelled:
            run = evolve(run, cancel(), NOW)
        decisions = decide(run, busy, NOW)
        assert decide(run, busy, NOW) == decisions
        for decision in decisions:
            run = carried_out(run, decision, busy)
        if run.finished:
            break
        if busy:
            name = busy.pop(0)
            run = evolve(run, ended(name, outcomes[int(name[1])]), NOW + timedelta(seconds=step))
    assert run.finished is not None
    assert len(run.ended) == 6


def carried_out(run: Run, decision: Decision, busy: list[str]) -> Run:
    """Do what was decided as a driver would, and hold it to the rules."""
    match decision:
        case Begin(stage=stage):
            assert all(need in run.ended for need in stage.needs)
            assert run.cancel_requested is None
            assert stage.name not in busy
            busy.append(stage.name)
            return run
        case Abort(stage=name):
            busy.remove(name)
            return evolve(run, ended(name, "cancelled"), NOW)
        case Publish(message=StageFinished() | WorkflowFinished() as message):
            return evolve(run, message, NOW)
        case _:
            raise AssertionError(decision)

"""What a run's figures say."""

from datetime import UTC, datetime, timedelta

from testwright.workflow.definition import check
from testwright.workflow.timing import timing
from testwright_schemas import CollectSuites, Plan, RunCommand, StageFinished, StageSpec, SubmitModules

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def stage(name: str, *needs: str) -> StageSpec:
    return StageSpec(name=name, work=RunCommand(argv=("true",)), needs=needs)


def ended(name: str, begun: float | None, done: float, ready: float | None = None) -> StageFinished:
    return StageFinished(
        namespace="default",
        run_id="run-1",
        stage=name,
        outcome="completed",
        started_at=None if begun is None else at(begun),
        completed_at=at(done),
        ready_at=None if ready is None else at(ready),
    )


def test_a_job_counts_while_it_runs_and_waiting_for_it_counts_once() -> None:
    plan = check(
        Plan(
            stages=(
                StageSpec(name="generate", work=SubmitModules(paths=("src",))),
                stage("tidy"),
                StageSpec(name="collect", work=CollectSuites(stage="generate"), needs=("tidy",)),
            )
        )
    )
    ends = {
        "generate": ended("generate", 0, 1),
        "tidy": ended("tidy", 0, 6),
        "collect": ended("collect", 6, 12, ready=10),
    }

    told = timing(plan, ends, at(0), at(12))

    assert (told.wall_s, told.sequential_s, told.parallel_execution_savings_ms) == (12, 18, 6000)
    assert (told.critical_path, told.critical_path_s) == (("generate", "collect"), 12)


def test_stages_one_after_the_other_save_nothing() -> None:
    plan = check(Plan(stages=(stage("a"), stage("b", "a"))))

    told = timing(plan, {"a": ended("a", 0, 2), "b": ended("b", 2.5, 4)}, at(0), at(4))

    assert (told.wall_s, told.sequential_s, told.parallel_execution_savings_ms) == (4, 3.5, 0)
    assert told.critical_path == ("a", "b")


def test_stages_that_never_began_took_no_time() -> None:
    plan = check(Plan(stages=(stage("a"), stage("b", "a"))))

    told = timing(plan, {"a": ended("a", 0, 2), "b": ended("b", None, 2)}, at(0), at(2))

    assert (told.sequential_s, told.critical_path) == (2, ("a",))

"""What commands lead to."""

import re
from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.support.tasks import NOW, POLICY, SNAPSHOT, TARGET, finished, history, submitted
from testwright.history import JobHistory
from testwright.submitter import asking, core
from testwright_schemas import (
    CancelTasks,
    ContentClaimed,
    Effect,
    Expect,
    JobRejected,
    JobSubmitted,
    LimitsSet,
    ModuleTaken,
    Policy,
    Publish,
    RetrySpec,
    RetryTasks,
    SubmitJob,
    TaskCancelRequested,
    TaskError,
    TaskFinished,
    TaskJoined,
    TaskSpec,
    TaskSubmitted,
    subjects,
)

FREE = core.Claims()
LATER = NOW + timedelta(hours=1)
"""When the server stored the command; the client's clock is an hour slow."""


def accepted(*ids: str) -> core.Claims:
    job = JobSubmitted(namespace="default", job_id="job-1", task_ids=ids, created_at=NOW)
    return core.Claims(job=JobHistory(submitted=job))


def refusal(effects: tuple[Effect, ...]) -> JobRejected:
    [effect] = effects
    assert isinstance(effect, Publish)
    assert isinstance(effect.message, JobRejected)
    return effect.message


def submission(*ids: str, engines: tuple[str, ...] = ("echo",)) -> SubmitJob:
    return SubmitJob(
        namespace="default",
        job_id="job-1",
        tasks=tuple(TaskSpec(task_id=id_, target=TARGET) for id_ in ids),
        snapshot=SNAPSHOT,
        policy=Policy(engines=engines),
        submitted_at=NOW,
        join=True,
    )


def test_a_submission_becomes_its_job_and_then_its_tasks_each_said_once():
    job, *tasks = core.submit(submission("task-1", "task-2"), FREE, ["echo"], LATER)

    assert isinstance(job, Publish)
    assert job.message == JobSubmitted(
        namespace="default", job_id="job-1", task_ids=("task-1", "task-2"), created_at=LATER
    )
    accepted = [effect.message for effect in tasks if isinstance(effect, Publish)]
    assert [task.task_id for task in accepted if isinstance(task, TaskSubmitted)] == ["task-1", "task-2"]
    assert all(isinstance(effect, Publish) and effect.once for effect in tasks)


def test_an_engine_that_nobody_serves_is_refused_with_its_field_and_what_there_is():
    [effect] = core.submit(submission("task-1", engines=("echo", "magic")), FREE, ["echo", "pynguin"], LATER)

    assert isinstance(effect, Publish)
    assert effect.message == JobRejected(
        namespace="default",
        job_id="job-1",
        field="policy.engines[1]",
        reason="no engine 'magic' here: there are echo, pynguin",
    )


def test_two_tasks_with_one_id_are_refused():
    [effect] = core.submit(submission("task-1", "task-1"), FREE, ["echo"], LATER)

    assert isinstance(effect, Publish)
    assert isinstance(effect.message, JobRejected)
    assert effect.message.field == "tasks[1].task_id"


def test_a_task_begins_when_the_server_got_its_submission_whatever_the_clock_of_the_client_says():
    _, task = core.submit(submission("task-1"), FREE, ["echo"], LATER)

    assert isinstance(task, Publish)
    assert isinstance(task.message, TaskSubmitted)
    assert task.message.created_at == LATER


def test_a_task_id_of_another_job_is_refused_and_not_taken_for_said():
    claims = core.Claims(owners={"task-1": "job-7"})

    assert refusal(core.submit(submission("task-1"), claims, ["echo"], LATER)).field == "tasks[0].task_id"


@pytest.mark.parametrize("engine", ["echo", "nobody"])
def test_a_submission_is_answered_on_the_condition_that_nobody_has_answered_it(engine: str):
    first = core.submit(submission("task-1", engines=(engine,)), FREE, ("echo",), LATER)[0]

    assert isinstance(first, Publish)
    assert first.expect == Expect(subject=subjects.job_event("default", "job-1"), sequence=0)


def test_an_accepted_submission_stays_accepted_when_it_comes_again():
    effects = core.submit(submission("task-1", engines=("gone",)), accepted("task-1"), ["echo"], LATER)

    assert [type(effect.message) for effect in effects if isinstance(effect, Publish)] == [JobSubmitted, TaskSubmitted]


def test_a_refused_submission_stays_refused_when_it_comes_again():
    said = JobRejected(namespace="default", job_id="job-1", field="policy", reason="no")
    claims = core.Claims(job=JobHistory(rejected=said))

    assert core.submit(submission("task-1"), claims, ["echo"], LATER) == ()


def test_a_job_id_used_for_other_tasks_starts_nothing():
    assert core.submit(submission("task-2"), accepted("task-1"), ["echo"], LATER) == ()


def test_a_cancel_that_overtakes_its_submission_is_not_lost():
    tasks = {"task-1": history(submitted()), "task-2": history()}
    command = CancelTasks(namespace="default", command_id="cancel-1", task_ids=("task-1", "task-2"))

    assert core.unheard_of(command, {}, tasks) == "task-2"
    assert core.unheard_of(command, {"job-1": JobHistory()}, tasks) == "job-1"
    assert core.unheard_of(command, {"job-1": accepted("task-1").job}, {**tasks, "task-2": tasks["task-1"]}) is None


def test_a_cancel_of_a_refused_job_waits_for_nothing():
    said = JobRejected(namespace="default", job_id="job-1", field="policy", reason="no")
    command = CancelTasks(namespace="default", command_id="cancel-1", job_ids=("job-1",))

    assert core.unheard_of(command, {"job-1": JobHistory(rejected=said)}, {}) is None


def test_a_cancel_reaches_tasks_by_id_and_by_job_but_not_ended_ones():
    command = CancelTasks(
        namespace="default", command_id="cancel-1", task_ids=("task-1",), job_ids=("job-1",), reason="enough"
    )
    job = JobHistory(
        submitted=JobSubmitted(
            namespace="default", job_id="job-1", task_ids=("task-1", "task-2", "task-3"), created_at=NOW
        )
    )
    tasks = {
        "task-1": history(submitted()),
        "task-2": history(submitted(), finished()),
        "task-3": history(submitted()),
    }

    requests = [effect.message for effect in core.cancel(command, {"job-1": job}, tasks) if isinstance(effect, Publish)]

    assert [r.task_id for r in requests if isinstance(r, TaskCancelRequested)] == ["task-1", "task-3"]


def test_a_retry_is_a_new_task_that_names_the_old_one():
    command = RetryTasks(
        namespace="default",
        job_id="job-2",
        tasks=(RetrySpec(task_id="task-9", retry_of="task-1"),),
        submitted_at=NOW,
    )

    _, again = core.retry(command, FREE, {"task-1": history(submitted(), finished("failed"))}, POLICY.engines, LATER)

    assert isinstance(again, Publish)
    assert isinstance(again.message, TaskSubmitted)
    assert (again.message.task_id, again.message.retry_of, again.message.job_id) == ("task-9", "task-1", "job-2")
    assert again.message.target == TARGET


def test_a_task_that_goes_on_cannot_be_retried():
    command = RetryTasks(
        namespace="default",
        job_id="job-2",
        tasks=(RetrySpec(task_id="task-9", retry_of="task-1"),),
        submitted_at=NOW,
    )

    [effect] = core.retry(command, FREE, {"task-1": history(submitted())}, POLICY.engines, LATER)

    assert isinstance(effect, Publish)
    assert isinstance(effect.message, JobRejected)
    assert "has not ended" in effect.message.reason


def test_a_retry_under_one_id_twice_is_refused():
    specs = (RetrySpec(task_id="task-9", retry_of="task-1"), RetrySpec(task_id="task-9", retry_of="task-1"))
    command = RetryTasks(namespace="default", job_id="job-2", tasks=specs, submitted_at=NOW)
    old = {"task-1": history(submitted(), finished("failed"))}

    assert refusal(core.retry(command, FREE, old, POLICY.engines, LATER)).field == "tasks[1].task_id"


@pytest.mark.parametrize(
    ("engines", "limits", "reason"),
    [
        (("echo",), None, "'task-1': no engine 'ghostwriter' here"),
        (POLICY.engines, LimitsSet(namespace="default", max_cost_usd=5, set_at=NOW), "'task-1': .* has a budget"),
    ],
)
def test_a_retry_is_held_to_the_engines_and_limits_of_now(
    engines: tuple[str, ...], limits: LimitsSet | None, reason: str
):
    specs = (RetrySpec(task_id="task-9", retry_of="task-1"),)
    command = RetryTasks(namespace="default", job_id="job-2", tasks=specs, submitted_at=NOW)
    old = {"task-1": history(submitted(), finished("failed"))}

    refused = refusal(core.retry(command, core.Claims(limits=limits), old, engines, LATER))

    assert refused.field == "tasks"
    assert re.search(reason, refused.reason)


def entries(effects: tuple[Effect, ...]) -> list[object]:
    return [effect.message for effect in effects if isinstance(effect, Publish)]


def test_a_task_that_joins_is_found_by_the_one_that_it_has_joined_once_it_is_submitted():
    command = submission("task-1")

    said = entries(core.submit(command, FREE, ["echo"], LATER, {"task-1": "task-0"}))

    assert said[2] == TaskJoined(namespace="default", task_id="task-1", source_id="task-0")
    assert isinstance(said[1], TaskSubmitted)
    assert said[1].joined_to == "task-0"
    assert len(said) == 3


def test_fresh_work_claims_its_content_and_a_project_s_module_is_told_of_its_task():
    command = replace(submission("task-1"), join=False, project="shop", supersede=True, concurrency=3)

    job, _, claim, taken = entries(core.submit(command, FREE, ["echo"], LATER))

    assert isinstance(job, JobSubmitted)
    assert job.concurrency == 3
    assert isinstance(claim, ContentClaimed)
    assert isinstance(taken, ModuleTaken)
    assert taken.supersede


def test_what_is_refused_claims_nothing():
    [said] = entries(core.submit(replace(submission("task-1"), project="shop"), FREE, ["magic"], LATER))

    assert isinstance(said, JobRejected)


def test_a_job_with_a_limit_on_its_cost_gives_each_task_an_equal_share():
    asked = submission("task-1", "task-2")
    own = replace(asked, max_cost_usd=3.0, policy=replace(asked.policy, max_cost_usd=2.0))

    assert asking.priced(replace(asked, max_cost_usd=3.0)).policy.max_cost_usd == 1.5
    assert asking.priced(own) == own
    assert asking.priced(asked) == asked


@pytest.mark.parametrize(
    ("price", "of_job", "limits", "field", "reason"),
    [
        (2.0, 1.0, None, "policy.max_cost_usd", "all together 1 USD"),
        (None, None, LimitsSet(namespace="default", max_cost_usd=5, set_at=NOW), "policy.max_cost_usd", "has a budget"),
        (None, None, LimitsSet(namespace="default", tasks=10, set_at=NOW), "tasks", "9 of at most 10 tasks"),
    ],
)
def test_what_is_beyond_limits_is_refused_with_field_and_reason(
    price: float | None, of_job: float | None, limits: LimitsSet | None, field: str, reason: str
):
    asked = submission("task-1", "task-2")
    asked = replace(asked, max_cost_usd=of_job, policy=replace(asked.policy, max_cost_usd=price))

    answer = refusal(core.submit(asked, core.Claims(limits=limits, open_tasks=9), ["echo"], LATER))

    assert answer.field == field
    assert reason in answer.reason


def test_a_job_that_was_accepted_is_not_refused_for_limits_when_it_comes_again():
    full = LimitsSet(namespace="default", tasks=1, set_at=NOW)
    claims = replace(accepted("task-1"), limits=full, open_tasks=5)

    assert core.is_acceptance(core.submit(submission("task-1"), claims, ["echo"], LATER))


def test_a_submission_that_is_given_up_before_anything_was_said_of_it_is_refused():
    effects = core.give_up(submission("task-1"), FREE, "it failed again and again", LATER)

    assert (refusal(effects).field, refusal(effects).reason) == ("body", "it failed again and again")


def test_the_tasks_that_a_submission_given_up_halfway_has_not_come_to_end_as_failed():
    claims = replace(accepted("task-1", "task-2"), owners={"task-1": "job-1"})

    [effect] = core.give_up(submission("task-1", "task-2"), claims, "it failed again and again", LATER)

    assert isinstance(effect, Publish)
    assert effect.once
    end = effect.message
    assert isinstance(end, TaskFinished)
    assert (end.task_id, end.module, end.outcome) == ("task-2", TARGET.module, "failed")
    assert end.error == TaskError(cause="dead-lettered", message="it failed again and again")


def test_a_retry_that_is_given_up_halfway_ends_what_it_has_not_come_to():
    specs = (RetrySpec(task_id="task-1", retry_of="old-1"),)
    again = RetryTasks(namespace="default", job_id="job-1", tasks=specs, submitted_at=NOW)

    [effect] = core.give_up(again, accepted("task-1"), "it failed", LATER)

    assert isinstance(effect, Publish)
    assert isinstance(effect.message, TaskFinished)


def test_giving_up_a_submission_under_the_id_of_another_ends_nothing_of_that():
    assert core.give_up(submission("task-9"), accepted("task-1"), "it failed", LATER) == ()


def test_a_submission_that_was_refused_is_given_up_without_a_word():
    job = JobRejected(namespace="default", job_id="job-1", field="tasks", reason="too many")

    assert core.give_up(submission("task-1"), core.Claims(job=JobHistory(rejected=job)), "it failed", LATER) == ()

"""Subjects and message ids: what is said twice has one id, what is not the same has another."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from testwright_schemas import (
    AttemptStarted,
    GenerateSuite,
    JobFinished,
    JobProgressed,
    JobSubmitted,
    Message,
    RetryTasks,
    StageStarted,
    SubmitJob,
    SuiteGenerated,
    TaskCancelRequested,
    TaskFinished,
    TaskProgressed,
    TaskSubmitted,
    TimerFired,
    VerifySuite,
    WorkflowFinished,
    envelope,
    subjects,
)
from testwright_schemas.publication import Publish

M = TypeVar("M", bound=Message)
GOLDEN = Path(__file__).parents[1] / "golden" / "messages" / "v1"
Sent = Publish.__annotations__["message"]
replace: Callable[..., Any] = msgspec.structs.replace


def golden(type_: type[M]) -> M:
    return envelope.decode((GOLDEN / f"{type_.__struct_config__.tag}.json").read_bytes(), type_)


def everything_sent() -> list[Any]:
    files = [file for file in sorted(GOLDEN.glob("*.json")) if file.stem not in {"timer-fired", "schedule-due"}]
    return [msgspec.json.decode(file.read_bytes(), type=Sent) for file in files]


def test_no_two_messages_about_things_of_the_same_name_share_an_id() -> None:
    same_name = ("job_id", "task_id", "run_id", "command_id", "letter_id", "schedule_id", "source_id")
    messages = [
        replace(message, **{name: "x" for name in same_name if hasattr(message, name)})
        for message in everything_sent()
        if not isinstance(message, RetryTasks)
    ]

    ids = [subjects.message_id(message) for message in messages]

    assert len(set(ids)) == len(ids)


def test_the_same_name_in_two_namespaces_makes_two_ids() -> None:
    for message in everything_sent():
        elsewhere = replace(message, namespace="elsewhere")

        assert subjects.message_id(message) != subjects.message_id(elsewhere)


def test_a_message_said_twice_has_one_id() -> None:
    again = everything_sent()

    assert [subjects.message_id(message) for message in everything_sent()] == list(map(subjects.message_id, again))


def test_a_job_is_submitted_once_whether_new_or_as_a_retry() -> None:
    assert subjects.message_id(golden(SubmitJob)) == subjects.message_id(golden(RetryTasks))


@pytest.mark.parametrize(
    ("type_", "change"),
    [
        (AttemptStarted, {"worker": "other"}),
        (AttemptStarted, {"turn": 99}),
        (TaskProgressed, {"phase": "verify"}),
        (TaskProgressed, {"elapsed_s": 99.0}),
        (TaskProgressed, {"attempt": 9}),
        (TaskCancelRequested, {"command_id": "other"}),
        (JobProgressed, {"task_id": "other"}),
        (StageStarted, {"stage": "other"}),
    ],
)
def test_what_differs_in_its_occasion_differs_in_its_id(type_: type[Message], change: dict[str, Any]) -> None:
    message: Any = golden(type_)

    assert subjects.message_id(message) != subjects.message_id(replace(message, **change))


@pytest.mark.parametrize("type_", [AttemptStarted, SuiteGenerated, GenerateSuite, VerifySuite])
def test_another_attempt_makes_another_id(type_: type[Message]) -> None:
    message: Any = golden(type_)
    later = replace(message, attempt=replace(message.attempt, number=message.attempt.number + 1))

    assert subjects.message_id(message) != subjects.message_id(later)


@pytest.mark.parametrize(("type_", "change"), [(TaskFinished, {"outcome": "failed"}), (JobFinished, {"total": 9})])
def test_an_end_has_one_id_whatever_it_says(type_: type[Message], change: dict[str, Any]) -> None:
    message: Any = golden(type_)

    assert subjects.message_id(message) == subjects.message_id(replace(message, **change))


def test_subjects_read_as_documented() -> None:
    assert subjects.command(golden(SubmitJob)) == "testwright.command.default.submit"
    assert subjects.work(golden(GenerateSuite)) == "testwright.work.generate.ghostwriter.normal.default.task-01.2"
    assert subjects.work(golden(VerifySuite)) == "testwright.work.verify.ghostwriter.normal.default.task-01.2"
    assert subjects.event(golden(TaskSubmitted)) == "testwright.event.default.task.task-01.submitted"
    assert subjects.event(golden(JobSubmitted)) == "testwright.event.default.job.job-7f3a.submitted"
    assert subjects.event(golden(WorkflowFinished)) == "testwright.event.default.workflow.run-42.finished"
    assert subjects.timer(golden(TimerFired)) == (
        "testwright.timer.set.default.task-01.retry-2",
        "testwright.timer.due.default.task-01.retry-2",
    )


def test_namespace_and_task_are_read_back_from_every_subject() -> None:
    item, event = golden(GenerateSuite), golden(TaskFinished)
    spoken = [subjects.work(item), subjects.event(event), *subjects.timer(golden(TimerFired))]

    assert {subjects.namespace_of(subject) for subject in spoken} == {"default"}
    assert {subjects.task_of(subject) for subject in spoken} == {"task-01"}
    assert subjects.task_of(subjects.event(golden(JobFinished))) is None
    assert subjects.task_of("something.else") is None
    assert subjects.namespace_of("something.else") == "default"
    assert subjects.namespace_of("nothing") == "default"


def test_each_attempt_has_a_retry_of_its_own_so_that_a_late_one_cannot_replace_the_next() -> None:
    retry = golden(TimerFired)

    assert subjects.timer(retry) != subjects.timer(replace(retry, attempt=retry.attempt + 1))


@pytest.mark.parametrize("odd", ["$weird", "a b", "*", "-", "ns\n", "é", "x" * 65, ""])
def test_what_could_be_no_name_in_a_subject_is_not_read_back_from_it(odd: str) -> None:
    assert subjects.namespace_of(f"testwright.command.{odd}.submit") == "default"
    assert subjects.task_of(f"testwright.event.default.task.{odd}.finished") is None

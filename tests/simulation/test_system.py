"""The whole system under faults, in virtual time: tasks and jobs end once, and who hears of it and when."""

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec
import pytest

from tests.support.reports import LATE_S, Report, ends, histories, job_events
from tests.support.tasks import NOW
from testwright.collector.core import Collected, decide
from testwright.history import fold
from testwright_schemas import (
    JobFinished,
    JobProgressed,
    JobSubmitted,
    MessageDeadLettered,
    OutcomeCounts,
    TaskMessage,
    envelope,
    subjects,
)

pytestmark = pytest.mark.xdist_group("simulation")  # what is asked about a run needs it once, in one process

Told = Sequence[tuple[int, TaskMessage]]


def oldest_first(told: Told) -> Told:
    """Return all that was told, in its order."""
    return told


def newest_of_each_kind_shuffled(told: Told) -> Told:
    """Return what a read of the last event of each kind finds, in any order."""
    newest = list({type(event): (sequence, event) for sequence, event in told}.values())
    random.Random(len(told)).shuffle(newest)
    return newest


def decisions(told: Told, reading: Callable[[Told], Told]) -> str:
    """Return a fingerprint of what a collector decides that reads a history in a certain way at each event."""
    digest = hashlib.sha256()
    for index, (_, event) in enumerate(told, start=1):
        if isinstance(event, Collected):
            for effect in decide(fold(reading(told[:index])), event, NOW):
                digest.update(msgspec.json.encode(effect))
    return digest.hexdigest()


def test_every_task_ends_once_as_what_was_submitted_and_nothing_is_left(report: Report):
    submitted = sorted((task.id, task.module, job.id) for job in report.every for task in job.tasks)
    assert sorted((end.task_id, end.module, end.job_id) for end in ends(report)) == submitted
    letters = [event for event in report.events if event.subject.endswith(".lettered")]
    assert [envelope.decode(e.data, MessageDeadLettered).reason for e in letters] == []
    assert report.queued == 0
    for told in histories(report).values():
        history = fold(told)
        assert history.submitted is not None
        assert history.finished is not None
        assert history.finished.outcome != "completed" or history.verified is not None
        # Nothing here takes a day: what ends by its deadline was forgotten by everybody else.
        assert history.finished.error is None or history.finished.error.cause != "deadline-exceeded"


def test_no_timer_of_an_ended_task_is_left_but_the_deadline_of_one_that_ended_minutes_after_its_submission(
    report: Report,
):
    said = {event.subject: event.time for event in report.events}
    for _, task_id, kind in (subject.rsplit(".", 2) for subject in report.timers):
        [submitted] = [at for subject, at in said.items() if subject.endswith(f"task.{task_id}.submitted")]
        [ended] = [at for subject, at in said.items() if subject.endswith(f"task.{task_id}.finished")]
        # It may be set, or set once more, after whoever met the end has taken back what was there.
        assert kind == "deadline-0"
        assert ended - submitted < timedelta(seconds=LATE_S)


def test_where_nothing_goes_wrong_no_timer_of_an_ended_task_is_left(calm: Report):
    assert calm.timers == []


def test_every_job_counts_each_of_its_tasks_once_and_as_what_it_ended(report: Report):
    outcomes = {job.id: Counter[str]() for job in report.every}
    for end in ends(report):
        outcomes[end.job_id][end.outcome] += 1
    finished = {event.job_id: event for event in job_events(report) if isinstance(event, JobFinished)}
    counted = {id_: OutcomeCounts(**counts) for id_, counts in outcomes.items()}
    assert {id_: end.counts for id_, end in finished.items()} == counted
    assert {id_: end.total for id_, end in finished.items()} == {job.id: len(job.tasks) for job in report.every}
    steps = [(event.job_id, event.task_id) for event in job_events(report) if isinstance(event, JobProgressed)]
    every = {(job.id, task.id) for job in report.every for task in job.tasks}
    assert len(steps) == len(set(steps))
    # The last one is the end of its job.
    assert Counter(job_id for job_id, _ in every - set(steps)) == {job.id: 1 for job in report.every}
    assert sum(isinstance(event, JobFinished | JobSubmitted) for event in job_events(report)) == 2 * len(report.every)


def test_two_collectors_that_saw_the_same_events_decide_the_same(report: Report):
    for told in histories(report).values():
        assert decisions(told, oldest_first) == decisions(told, newest_of_each_kind_shuffled)


def test_a_worker_says_nothing_of_a_task_any_more_once_it_can_know_of_its_end(report: Report):
    ended: dict[str, datetime] = {}
    for event in report.events:
        task_id = subjects.task_of(event.subject)
        if task_id and event.subject.endswith(".finished"):
            ended[task_id] = event.time
        elif task_id in ended and not event.subject.endswith((".cancel-requested", ".submitted")):
            assert event.time - ended[task_id] < timedelta(seconds=LATE_S)

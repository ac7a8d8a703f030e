"""What becomes of schedules, as functions from what was asked and what is known to effects.

A schedule is accepted or rejected once. One that happens once submits the job that it was given; one that recurs makes
a new job each time, whose ids come from the schedule's and the time, so that being told twice makes one job. Both work
on the sources as they were when the schedule was made, and only as long as those are kept.
"""

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from testwright import timetable
from testwright.scheduled import Known
from testwright.submitter import asking
from testwright_schemas import (
    CancelSchedule,
    Effect,
    JobScheduled,
    Publish,
    Schedule,
    ScheduleCancelled,
    ScheduleDue,
    ScheduleFired,
    ScheduleJob,
    ScheduleRejected,
    SubmitJob,
    Unschedule,
)

MAX_AHEAD = timedelta(days=29)
"""How long a schedule can submit: snapshots and events are kept for a day longer."""


def schedule(command: ScheduleJob, known: Known, engines: Collection[str], at: datetime) -> tuple[Effect, ...]:
    """Return the events of a schedule, and its timer.

    Args:
        command: what was asked for.
        known: of the schedule.
        engines: names of the engines that this bus has queues for.
        at: when the command was stored (UTC).
    """
    once = command.timetable.at is not None
    if known.rejected or known.cancelled or (once and known.fired):
        return ()
    refusal = _fault(command, at) or asking.unserved(command.submission.policy, engines)
    if refusal and not known.set:
        field, reason = refusal
        names = {"namespace": command.namespace, "schedule_id": command.schedule_id}
        return (Publish(message=ScheduleRejected(**names, field=field, reason=reason), once=True),)
    accepted = JobScheduled(
        namespace=command.namespace,
        schedule_id=command.schedule_id,
        submission=command.submission,
        timetable=command.timetable,
        created_at=at,
        until=at + MAX_AHEAD,
    )
    return (Publish(message=accepted, once=True), Schedule(timer=_timer(command), at=command.timetable))


def _fault(command: ScheduleJob, at: datetime) -> asking.Refusal | None:
    if command.submission.namespace != command.namespace:
        return "submission.namespace", f"must be {command.namespace!r}, as that of the schedule"
    if fault := timetable.fault(command.timetable):
        return fault
    due = timetable.next_after(command.timetable, at, at)
    if due and due > at + MAX_AHEAD:
        return "timetable", f"must be due within {MAX_AHEAD.days} days: the sources are not kept for longer"
    return None


def cancel(command: CancelSchedule) -> tuple[Effect, ...]:
    """Return the end of a schedule."""
    ended = ScheduleCancelled(namespace=command.namespace, schedule_id=command.schedule_id, reason=command.reason)
    return (Publish(message=ended, once=True), Unschedule(timer=_timer(command)))


def submission(due: ScheduleDue, known: Known, at: datetime) -> SubmitJob | None:
    """Return what a schedule that is due submits, ``None`` where there is no such schedule.

    Args:
        due: the reminder.
        known: of the schedule.
        at: when the reminder was stored, which tells one time from the next.
    """
    found = known.set
    if found is None:
        return None
    if found.timetable.at is not None:
        return found.submission
    name = f"{due.namespace}/{due.schedule_id}/{at.isoformat()}"
    tasks = tuple(
        replace(spec, task_id=_id("task", f"{name}/{index}")) for index, spec in enumerate(found.submission.tasks)
    )
    # The same sources are meant to be worked on again: joining the last time would give its result for ever.
    return replace(found.submission, job_id=_id("job", name), tasks=tasks, submitted_at=at, join=False)


def is_over(known: Known, at: datetime) -> bool:
    """Return whether a schedule that is due at a time begins nothing any more."""
    return known.set is None or known.cancelled is not None or at > known.set.until


def fired(due: ScheduleDue, job: SubmitJob, at: datetime) -> Publish:
    """Return the event of a schedule that has come due."""
    happened = ScheduleFired(namespace=due.namespace, schedule_id=due.schedule_id, job_id=job.job_id, due_at=at)
    return Publish(message=happened)


def was_last(known: Known, at: datetime) -> bool:
    """Return whether a schedule that recurs will not be due again while its sources are kept."""
    found = known.set
    if found is None or found.timetable.at is not None:
        return False
    following = timetable.next_after(found.timetable, at, found.created_at)
    return following is None or following > found.until


def stop(due: ScheduleDue, known: Known) -> Sequence[Effect]:
    """Return the end of a schedule that must not come due any more."""
    if known.set is None or known.cancelled:
        return (Unschedule(timer=due),)
    reason = f"its sources are kept until {known.set.until:%Y-%m-%d %H:%M} UTC only: submit it again"
    ended = ScheduleCancelled(namespace=due.namespace, schedule_id=due.schedule_id, reason=reason)
    return (Publish(message=ended, once=True), Unschedule(timer=due))


def _timer(command: ScheduleJob | CancelSchedule) -> ScheduleDue:
    return ScheduleDue(namespace=command.namespace, schedule_id=command.schedule_id)


def _id(kind: str, name: str) -> str:
    return f"{kind}-{hashlib.sha256(name.encode()).hexdigest()[:26]}"

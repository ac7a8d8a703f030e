"""Streams, consumers and buckets as data: the only place that says how the bus is laid out."""

from collections.abc import Mapping, Sequence
from typing import Literal

from testwright_schemas import PRIORITIES, Record, subjects

DAY_S = 86_400.0

MAX_PENDING = 10_000
"""Deliveries of one consumer that may be unanswered at a time, unless it says otherwise."""


class Stream(Record, frozen=True, kw_only=True):
    """A stream.

    Attributes:
        name: of the stream.
        subjects: what it stores.
        retention: ``work`` hands each message to one consumer and forgets it when acked; ``limits`` keeps it.
        max_age_s: seconds that a message is kept; ``None`` for ever.
        max_per_subject: messages kept for one subject; -1 for no limit.
        refuse_when_full: whether a publish beyond ``max_per_subject`` is refused instead of dropping the oldest.
        schedules: whether messages may be scheduled on it.
        duplicate_window_s: seconds in which a message id is remembered.
    """

    name: str
    subjects: tuple[str, ...]
    retention: Literal["work", "limits"]
    max_age_s: float | None = None
    max_per_subject: int = -1
    refuse_when_full: bool = False
    schedules: bool = False
    duplicate_window_s: float = 120.0


class Consumer(Record, frozen=True, kw_only=True):
    """A durable pull consumer with explicit acks; redelivery has no limit, actors count for themselves."""

    stream: str
    name: str
    filters: tuple[str, ...]
    ack_wait_s: float = 30.0
    max_ack_pending: int = MAX_PENDING


class Bucket(Record, frozen=True, kw_only=True):
    """An object-store bucket whose content is named by digest."""

    name: str
    max_age_s: float = 30 * DAY_S


class Topology(Record, frozen=True, kw_only=True):
    """Everything that must exist before an actor binds to it."""

    streams: tuple[Stream, ...]
    consumers: tuple[Consumer, ...]
    buckets: tuple[Bucket, ...]
    replicas: int = 1


STREAMS = (
    Stream(name=subjects.COMMANDS, subjects=(subjects.COMMANDS_ALL,), retention="work"),
    Stream(
        name=subjects.WORK,
        subjects=(subjects.WORK_ALL,),
        retention="work",
        # No task may take more than a week. A server that is killed may forget that it took an answered item away.
        max_age_s=30 * DAY_S,
        max_per_subject=1,
        refuse_when_full=True,
    ),
    Stream(
        name=subjects.EVENTS,
        subjects=(subjects.EVENTS_ALL,),
        retention="limits",
        max_age_s=30 * DAY_S,
        max_per_subject=64,
    ),
    Stream(
        name=subjects.TIMERS,
        subjects=(subjects.TIMERS_SET_ALL, subjects.TIMERS_DUE_ALL, subjects.TIMERS_SUBMIT_ALL),
        retention="work",
        schedules=True,
    ),
    # Taken away when the work item is answered; no task may take more than a week.
    Stream(
        name=subjects.NOTES, subjects=(subjects.note(),), retention="limits", max_age_s=7 * DAY_S, max_per_subject=1
    ),
)

QUEUES = (subjects.COMMANDS, subjects.WORK, subjects.EVENTS, subjects.TIMERS)
"""Streams that durable consumers take from."""

_SUBMITTED = ("submit", "cancel", "retry")
_SCHEDULED = ("schedule", "cancel-schedule")

COLLECTED_KINDS = ("submitted", "cancel-requested", "generated", "verified", "attempt-failed", "finished")
"""Task events that the collector acts on."""


def declare(engines: Sequence[str], at_a_time: Mapping[str, int] | None = None) -> Topology:
    """Return the topology for these engines: one queue for each engine and priority.

    Args:
        engines: their names.
        at_a_time: attempts of an engine that the server hands out at a time, for each priority; by default 10,000.
    """
    limits = at_a_time or {}
    generate = tuple(
        Consumer(
            stream=subjects.WORK,
            name=subjects.generate_consumer(engine, priority),
            filters=(subjects.generate_filter(engine, priority),),
            max_ack_pending=limits.get(engine, MAX_PENDING),
        )
        for engine in engines
        for priority in PRIORITIES
    )
    verify = tuple(
        Consumer(
            stream=subjects.WORK,
            name=subjects.verify_consumer(priority),
            filters=(subjects.verify_filter(priority),),
        )
        for priority in PRIORITIES
    )
    collected = tuple(subjects.task_event(kind=kind) for kind in COLLECTED_KINDS)
    return Topology(
        streams=STREAMS,
        consumers=(
            Consumer(
                stream=subjects.COMMANDS,
                name=subjects.SUBMITTER_CONSUMER,
                filters=tuple(map(subjects.command_filter, (*_SUBMITTED, *_SCHEDULED))),
            ),
            Consumer(
                stream=subjects.EVENTS,
                name=subjects.JOINS_CONSUMER,
                filters=(subjects.task_event(kind="finished"), subjects.joined_event(), subjects.taken_event()),
            ),
            Consumer(
                stream=subjects.TIMERS,
                name=subjects.SCHEDULES_CONSUMER,
                filters=(subjects.TIMERS_SUBMIT_ALL,),
            ),
            Consumer(
                stream=subjects.COMMANDS,
                name=subjects.WORKFLOW_CONSUMER,
                filters=(subjects.command_filter("run-workflow"),),
            ),
            Consumer(
                stream=subjects.COMMANDS,
                name=subjects.WORKFLOW_CANCEL_CONSUMER,
                filters=(subjects.command_filter("cancel-workflow"),),
            ),
            *generate,
            *verify,
            Consumer(
                stream=subjects.EVENTS,
                name=subjects.COLLECTOR_CONSUMER,
                filters=(*collected, subjects.dead_event(), subjects.gate_event(), subjects.limits_event()),
            ),
            Consumer(
                stream=subjects.TIMERS,
                name=subjects.TIMERS_CONSUMER,
                filters=(subjects.TIMERS_DUE_ALL,),
            ),
        ),
        buckets=(Bucket(name=subjects.SNAPSHOTS), Bucket(name=subjects.ARTIFACTS)),
    )

"""What is measured: the only place that names a metric, and that says what a message means for one. Pure.

Each figure is counted where it is said first, by the one process whose publish the server has stored. So counters of
all processes add up, and nobody has to follow the stream to know them.
"""

from collections.abc import Iterator
from itertools import product
from typing import Literal, get_args

from testwright_schemas import (
    AttemptFailed,
    LanePaused,
    MessageDeadLettered,
    Outcome,
    Record,
    SuiteGenerated,
    SuiteVerified,
    TaskFinished,
    Usage,
    subjects,
)

Kind = Literal["counter", "gauge", "histogram"]

_SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
_LONG = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0)
_SHARE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)


class Metric(Record, frozen=True, kw_only=True):
    """A metric, by the name that Prometheus knows it by.

    Attributes:
        name: with its unit, and ``_total`` for a counter.
        kind: what it is.
        labels: names of what its values are told apart by.
        help: one sentence.
        buckets: upper bounds, of a histogram.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()


class Sample(Record, frozen=True):
    """A value to count, set or observe: name of the metric, value, labels in the metric's order."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


def _counter(name: str, labels: tuple[str, ...], help_: str) -> Metric:
    return Metric(name=f"testwright_{name}_total", kind="counter", labels=labels, help=help_)


def _gauge(name: str, labels: tuple[str, ...], help_: str) -> Metric:
    return Metric(name=f"testwright_{name}", kind="gauge", labels=labels, help=help_)


def _histogram(name: str, labels: tuple[str, ...], buckets: tuple[float, ...], help_: str) -> Metric:
    return Metric(name=f"testwright_{name}", kind="histogram", labels=labels, help=help_, buckets=buckets)


METRICS = (
    _counter("deliveries", ("consumer", "answer"), "Deliveries by how they were answered."),
    _counter("redeliveries", ("consumer",), "Deliveries of a message that had been delivered before."),
    _gauge("in_hand", ("consumer",), "Deliveries that are being handled."),
    _gauge("slots_waiting", ("actor",), "Slots that ask for no work, as memory is short."),
    _histogram("wait_seconds", ("consumer",), _LONG, "From the storing of a message to its first delivery."),
    _histogram("handling_seconds", ("consumer",), _LONG, "From a delivery to its answer."),
    _histogram(
        "recovery_seconds", ("consumer",), _SHORT, "From the last sign of life of lost work to its next holder."
    ),
    _histogram("step_seconds", ("step",), _LONG, "Steps of the work: environments, engines, judging, sandboxed runs."),
    _counter("published", ("type",), "Messages stored, by their type."),
    _counter("attempts", ("engine", "result"), "Attempts: verified, or the cause of their failure."),
    _histogram("attempt_seconds", ("engine", "phase"), _LONG, "Seconds that engine and verification have taken."),
    _counter("tokens", ("engine", "model", "direction"), "Tokens that models have taken in and given out."),
    _counter("cost_usd", ("engine", "model"), "Dollars spent on models, as far as prices are known."),
    _counter("tasks", ("outcome",), "Tasks that have ended."),
    _histogram("task_seconds", ("outcome",), _LONG, "From the submission of a task to its end."),
    _counter("verdicts", ("engine", "verdict"), "Verdicts on tests, in results of tasks."),
    _histogram("kept_ratio", ("engine",), _SHARE, "Share of a task's tests that were kept."),
    _histogram("coverage_ratio", ("engine",), _SHARE, "Line coverage that a task's suite has reached."),
    _counter("lane_pauses", ("engine",), "Times that a provider asked to be left alone."),
    _counter("dead_letters", ("stream",), "Messages that nobody could handle."),
    _gauge("connected", ("actor",), "Whether an actor is connected to the server."),
    _counter("disconnects", ("actor",), "Connections lost."),
    _histogram("outage_seconds", ("actor",), _SHORT, "From the loss of a connection to its return."),
    _gauge("queue_pending", ("stream", "consumer"), "Messages that wait for their first delivery."),
    _gauge("queue_unanswered", ("stream", "consumer"), "Messages delivered and not answered yet."),
    _gauge("queue_redelivered", ("stream", "consumer"), "Unanswered messages delivered more than once."),
)
"""Every metric that there is."""

ADDED = frozenset({"testwright_in_hand"})
"""Gauges that are added to; all others are set."""

_VALUES: dict[str, tuple[str, ...]] = {
    "outcome": get_args(Outcome),
    "stream": (subjects.COMMANDS, subjects.WORK, subjects.EVENTS, subjects.TIMERS),
}
"""What labels can say, as far as that is known before anything happens."""

BY_NAME = {metric.name: metric for metric in METRICS}

Told = SuiteGenerated | SuiteVerified | AttemptFailed | TaskFinished | LanePaused | MessageDeadLettered
"""Messages that mean something beyond their number."""


def samples(message: Told) -> Iterator[Sample]:
    """Yield what a message means, the first time that it is stored."""
    match message:
        case SuiteGenerated(attempt=attempt, usage=usage):
            yield from _used(attempt.engine, usage)
            yield Sample("testwright_attempt_seconds", usage.wall_s, (attempt.engine, "generate"))
        case SuiteVerified(attempt=attempt, judgement=judgement):
            yield Sample("testwright_attempts_total", 1, (attempt.engine, "verified"))
            yield Sample("testwright_attempt_seconds", judgement.wall_s, (attempt.engine, "verify"))
        case AttemptFailed(attempt=attempt, failure=failure):
            yield Sample("testwright_attempts_total", 1, (attempt.engine, failure.cause))
            if message.phase != "verify":
                # What a candidate has cost was told with it.
                yield from _used(attempt.engine, message.usage)
        case TaskFinished():
            yield from _ended(message)
        case LanePaused(lane=lane):
            yield Sample("testwright_lane_pauses_total", 1, (lane,))
        case MessageDeadLettered():
            yield from _lettered(message)


def expected(metric: Metric) -> Iterator[tuple[str, ...]]:
    """Yield labels that a metric will have, so that it can be 0 first: who looks for growth misses what begins at 1."""
    if metric.kind != "gauge" and metric.labels and _VALUES.keys() >= set(metric.labels):
        yield from product(*(_VALUES[label] for label in metric.labels))


def template(subject: str) -> str:
    """Return a subject with ``*`` for all that is a name: few enough to group by."""
    match subject.split("."):
        case [_, "command", _, verb]:
            return subjects.command_filter(verb)
        case [head, "work", verb, engine, priority, *ids]:
            return ".".join((head, "work", verb, engine, priority, *("*" for _ in ids)))
        case [head, "event", _, noun, _, what, *more]:
            return ".".join((head, "event", "*", noun, "*", what, *("*" for _ in more)))
        case [head, "timer", verb, *ids]:
            return ".".join((head, "timer", verb, *("*" for _ in ids)))
        case _:
            return subject


def is_sign_of_life(subject: str, *kinds: str) -> bool:
    """Return whether an event on a subject shows that a worker was at a task: of these kinds, or of any."""
    kind = subject.rpartition(".")[2]
    return subjects.task_of(subject) is not None and kind in (kinds or ("started", "progressed"))


def _used(engine: str, usage: Usage) -> Iterator[Sample]:
    if usage.model is None:
        return
    for direction, tokens in (("input", usage.input_tokens), ("output", usage.output_tokens)):
        if tokens is not None:
            yield Sample("testwright_tokens_total", tokens, (engine, usage.model, direction))
    if usage.cost_usd is not None:
        yield Sample("testwright_cost_usd_total", usage.cost_usd, (engine, usage.model))


def _lettered(letter: MessageDeadLettered) -> Iterator[Sample]:
    # One that was sent again is told of a second time.
    if letter.resent_at is None:
        yield Sample("testwright_dead_letters_total", 1, (letter.stream,))


def _ended(task: TaskFinished) -> Iterator[Sample]:
    taken_s = max(0.0, (task.completed_at - task.created_at).total_seconds())
    yield Sample("testwright_tasks_total", 1, (task.outcome,))
    yield Sample("testwright_task_seconds", taken_s, (task.outcome,))
    if task.joined is not None:
        # Its tests are those of another task, where they are counted.
        return
    engine = task.engine or "none"
    for case in task.tests:
        yield Sample("testwright_verdicts_total", 1, (engine, case.verdict))
    if task.tests:
        yield Sample("testwright_kept_ratio", task.kept / len(task.tests), (engine,))
    if task.coverage is not None:
        yield Sample("testwright_coverage_ratio", task.coverage.line / 100, (engine,))

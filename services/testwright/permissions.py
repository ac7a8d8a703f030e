"""Who may do what on the bus: the only place that turns roles into lists of subjects. Pure.

Each role has what its work takes and nothing else. Two things follow from how the server works. Whoever may create a
consumer could also change one that exists, so the names of the durable ones are denied to all but the admin. And what
is scheduled or rolled up is not checked against permissions, so only those who keep the timers may publish there.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

from testwright.bus.topology import declare
from testwright_schemas import PRIORITIES, Record, subjects

Role = Literal[
    "client",
    "submitter",
    "generator",
    "verifier",
    "collector",
    "workflow",
    "gateway",
    "observer",
    "admin",
    "reclaim",
]
ROLES: tuple[Role, ...] = get_args(Role)
"""Every role; ``reclaim`` is what the collector is on the server's system account."""

NARROWED: tuple[Role, ...] = ("client", "observer")
"""Roles that can be held to one namespace."""

DISCOVERED: tuple[Role, ...] = ("submitter", "generator", "verifier", "collector", "workflow")
"""Roles that NATS' tools see as services."""

_API = "$JS.API"
_WHO = "$SYS.REQ.USER.INFO"
_ASKED = ("submit", "cancel", "retry", "schedule", "cancel-schedule")
"""What a client asks for. Runs of workflows are not among it: their stages are programs on the machine of the actor."""
_SCHEDULE = f"{subjects.PREFIX}.timer.set.*.*.schedule"
_RUNS = ("run-workflow", "cancel-workflow")


class Rights(Record, frozen=True, kw_only=True):
    """What one role may do: subjects with wildcards; all that is not named is refused.

    Attributes:
        publish: what it may publish on.
        never: what it may not publish on, although ``publish`` would let it.
        subscribe: what it may listen to, besides its own inbox.
        answers: whether it may answer who asks it something, wherever that is heard.
    """

    publish: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    answers: bool = False

    def __add__(self, other: "Rights") -> "Rights":
        publish = _united(self.publish, other.publish)
        return Rights(
            publish=publish,
            never=tuple(each for each in _united(self.never, other.never) if each not in publish),
            subscribe=_united(self.subscribe, other.subscribe),
            answers=self.answers or other.answers,
        )


def rights(role: Role, engines: Sequence[str], namespace: str = "*") -> Rights:
    """Return what a role may do.

    Args:
        role: which one.
        engines: names of those that there are queues for.
        namespace: what one of ``NARROWED`` is held to; ``*`` for all.
    """
    if role in NARROWED:
        return _client(namespace) if role == "client" else _observer(namespace)
    granted = _generator(engines) if role == "generator" else _RIGHTS[role]()
    return granted + _discovery(role) if role in DISCOVERED else granted


def inbox(name: str) -> str:
    """Return the subject prefix under which a user of this name, and nobody else, listens for answers."""
    return f"_INBOX_{name}"


def as_configured(granted: Rights, prefix: str) -> dict[str, Any]:
    """Return rights as the server's configuration and its tokens have them, with the inbox."""
    never = {"deny": list(granted.never)} if granted.never else {}
    return {
        "publish": {"allow": list(granted.publish), **never},
        "subscribe": {"allow": [f"{prefix}.>", *granted.subscribe]},
        **({"allow_responses": {"max": 1, "expires": "5s"}} if granted.answers else {}),
    }


def _client(namespace: str = "*") -> Rights:
    stored = _upload(subjects.SNAPSHOTS, namespace) + _download(namespace)
    return _commands(_ASKED, namespace) + _following(namespace) + stored


def _gateway() -> Rights:
    return _client() + _queues()


def _observer(namespace: str) -> Rights:
    if namespace == "*":
        return _following(namespace) + Rights(subscribe=(subjects.EVENTS_ALL,)) + _figures()
    return _following(namespace) + Rights(subscribe=(subjects.events_of(namespace),))


def _submitter() -> Rights:
    joins = (subjects.task_event(kind="finished"), subjects.joined_event(), subjects.taken_event())
    return (
        _taking(subjects.COMMANDS, subjects.SUBMITTER_CONSUMER)
        + _taking(subjects.EVENTS, subjects.JOINS_CONSUMER)
        + _taking(subjects.TIMERS, subjects.SCHEDULES_CONSUMER)
        + _saying(
            *(subjects.task_event(kind=kind) for kind in ("submitted", "cancel-requested")),
            *joins,
            *(subjects.job_event(kind=kind) for kind in ("submitted", "rejected")),
            f"{subjects.PREFIX}.event.*.content.*.claimed",
            subjects.schedule_event(),
        )
        + _timing(_SCHEDULE)
        + _following("*")
        + _contents(subjects.ARTIFACTS)
    )


def _collector() -> Rights:
    held = (subjects.COMMANDS, subjects.WORK, subjects.EVENTS, subjects.TIMERS)
    return (
        _taking(subjects.EVENTS, subjects.COLLECTOR_CONSUMER)
        + _taking(subjects.TIMERS, subjects.TIMERS_CONSUMER)
        + _saying(
            subjects.task_event(kind="finished"),
            *(subjects.job_event(kind=kind) for kind in ("progressed", "finished")),
            subjects.gate_event(),
            f"{subjects.PREFIX}.event.*.queue.*.*.*.*",
        )
        + Rights(publish=(subjects.WORK_ALL,), never=(_SCHEDULE,))
        + _timing(f"{subjects.PREFIX}.timer.set.*.*.*")
        + _following("*")
        # What the dead held is handed back in their names; see testwright.bus.reclaim.
        + Rights(publish=(*(f"$JS.ACK.{stream}.>" for stream in held), _WHO), subscribe=(subjects.LEASES,))
        + _queues()
    )


def _generator(engines: Sequence[str]) -> Rights:
    queues = [subjects.generate_consumer(engine, priority) for engine in engines for priority in PRIORITIES]
    kinds = ("started", "progressed", "generated", "attempt-failed")
    return (
        _taking(subjects.WORK, *queues)
        + _saying(*(subjects.task_event(kind=kind) for kind in kinds), subjects.lane_event())
        + _following("*", (f"{subjects.PREFIX}.event.*.task.>", subjects.lane_event()))
        + _download()
        + _upload(subjects.ARTIFACTS)
        + Rights(
            publish=(subjects.note(), f"{_API}.DIRECT.GET.{subjects.NOTES}", f"{_API}.STREAM.PURGE.{subjects.NOTES}")
        )
    )


def _verifier() -> Rights:
    kinds = ("progressed", "verified", "attempt-failed")
    return (
        _taking(subjects.WORK, *map(subjects.verify_consumer, PRIORITIES))
        + _saying(*(subjects.task_event(kind=kind) for kind in kinds))
        + _following("*", (f"{subjects.PREFIX}.event.*.task.>",))
        + _download()
        + _upload(subjects.ARTIFACTS)
    )


def _workflow() -> Rights:
    return (
        _taking(subjects.COMMANDS, subjects.WORKFLOW_CONSUMER, subjects.WORKFLOW_CANCEL_CONSUMER)
        + _commands((*_ASKED, *_RUNS))
        + _saying(subjects.workflow_event())
        + _following("*")
        + _download()
        + _upload()
        + _upload(subjects.ARTIFACTS)
    )


def _admin() -> Rights:
    everything = f"{subjects.PREFIX}.>"
    return Rights(
        publish=(f"{_API}.>", "$JS.FC.>", everything, "$O.>", "$SRV.>"), subscribe=(everything, "$JS.EVENT.>")
    )


def _reclaim() -> Rights:
    return Rights(publish=(_WHO,), subscribe=("$SYS.ACCOUNT.*.DISCONNECT",))


_RIGHTS: dict[Role, Callable[[], Rights]] = {
    "submitter": _submitter,
    "collector": _collector,
    "verifier": _verifier,
    "workflow": _workflow,
    "gateway": _gateway,
    "admin": _admin,
    "reclaim": _reclaim,
}


def _taking(stream: str, *consumers: str) -> Rights:
    elected = (f"$JS.EVENT.ADVISORY.CONSUMER.LEADER_ELECTED.{stream}.{consumer}" for consumer in consumers)
    return Rights(
        publish=(
            *(f"{_API}.CONSUMER.MSG.NEXT.{stream}.{consumer}" for consumer in consumers),
            *(f"$JS.ACK.{stream}.{consumer}.>" for consumer in consumers),
            subjects.LEASES,
        ),
        subscribe=tuple(elected),
    )


def _saying(*events: str) -> Rights:
    # Whoever takes messages off a queue may find one that nobody can handle.
    return Rights(publish=(*events, subjects.dead_event()))


def _discovery(role: Role) -> Rights:
    service = f"testwright-{role}"
    return Rights(subscribe=("$SRV.*", f"$SRV.*.{service}", f"$SRV.*.{service}.*"), answers=True)


def _commands(verbs: Sequence[str], namespace: str = "*") -> Rights:
    return Rights(publish=tuple(subjects.command_filter(verb, namespace) for verb in verbs))


def _timing(setting: str) -> Rights:
    return Rights(publish=(setting, f"{_API}.STREAM.NAMES", f"{_API}.STREAM.PURGE.{subjects.TIMERS}"))


def _following(namespace: str, filters: Sequence[str] = ()) -> Rights:
    """Return the rights to read events, and to follow those that match filters; all of the namespace without any.

    One namespace is read through consumers only: what they deliver is part of the subject that creates them, while the
    other requests tell of everything.
    """
    stream = subjects.EVENTS
    scopes = [f"*.{each}" for each in filters or [subjects.events_of(namespace)]]
    at_large = namespace == "*"
    if at_large and not filters:
        scopes = [">"]
    single = (f"{_API}.DIRECT.GET.{stream}", f"{_API}.STREAM.MSG.GET.{stream}") if at_large else ()
    created = f"{_API}.CONSUMER.CREATE.{stream}"
    durable = [consumer.name for consumer in declare(()).consumers if consumer.stream == stream]
    return Rights(
        publish=(*single, *(f"{created}.{scope}" for scope in scopes), f"$JS.FC.{stream}.>"),
        never=tuple(f"{created}.{name}{rest}" for name in durable for rest in ("", ".>")),
    )


def _download(namespace: str = "*") -> Rights:
    return _contents(subjects.SNAPSHOTS, namespace) + _contents(subjects.ARTIFACTS, namespace)


def _contents(bucket: str, namespace: str = "*") -> Rights:
    """Return the right to read contents; those of one namespace are read through consumers only, as its events are."""
    stream = f"OBJ_{bucket}"
    at_large = (f"DIRECT.GET.{stream}", f"STREAM.MSG.GET.{stream}") if namespace == "*" else ()
    created = (f"CONSUMER.CREATE.{stream}.*.{place}" for place in _places(bucket, namespace))
    return Rights(publish=(*(f"{_API}.{verb}" for verb in (*at_large, *created)), f"$JS.FC.{stream}.>"))


def _upload(bucket: str = subjects.SNAPSHOTS, namespace: str = "*") -> Rights:
    # Whether it is there already is looked up first.
    return _contents(bucket, namespace) + Rights(publish=_places(bucket, namespace))


def _places(bucket: str, namespace: str) -> tuple[str, ...]:
    """Return where chunks and entries are: of one namespace, or of each and those that earlier versions have stored."""
    if namespace == "*":
        return (f"$O.{bucket}.>",)
    return f"$O.{bucket}.C.{namespace}.*", f"$O.{bucket}.M.{namespace}.*"


def _queues() -> Rights:
    """Return the right to know how long queues are, for who serves metrics."""
    streams = (subjects.COMMANDS, subjects.WORK, subjects.EVENTS, subjects.TIMERS)
    return Rights(publish=tuple(f"{_API}.CONSUMER.LIST.{stream}" for stream in streams))


def _figures() -> Rights:
    verbs = ("INFO", "STREAM.NAMES", "STREAM.LIST", "STREAM.INFO.*", "CONSUMER.NAMES.*", "CONSUMER.LIST.*")
    return Rights(
        publish=(*(f"{_API}.{verb}" for verb in (*verbs, "CONSUMER.INFO.*.*")), "$SRV.>"),
        subscribe=("$JS.EVENT.ADVISORY.>",),
    )


def _united(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))

"""Gate: what lets so many tasks of a job, of a key, or of a namespace work at a time, and so much money be spent."""

from typing import Annotated, Literal

import msgspec

from testwright_schemas._base import Count, Id, Message, Time, Token
from testwright_schemas.policy import Priority

GateKind = Literal["job", "key", "namespace"]

Dollars = Annotated[float, msgspec.Meta(ge=0)]


class GateMoved(Message, frozen=True, kw_only=True):
    """A gate's whole state after a move; published on the condition of the one before, at sequence ``after``.

    ``gate`` is the id of a job, a key, or the namespace again. ``cause`` says what the move is about: task ``task_id``
    that ``entered`` or ``left``, or new ``limits``; others may have come and gone in the same move. At most ``places``
    tasks are inside, and all that were ever inside may cost ``max_cost_usd`` in ``period``; ``None`` is no limit.
    ``taken`` are the tasks inside, with the dollars that are reserved for each; ``spent_usd`` is what those that have
    left have cost, or what was reserved where that is not known. This move has ``admitted`` tasks, and ``refused`` some
    that can never be paid for. For each priority, ``heads`` and ``tails`` are the stream sequences up to which queued
    tasks were let in and are known.
    """

    namespace: Token
    kind: GateKind
    gate: Id
    after: Count = 0
    cause: Literal["entered", "left", "limits"] = "entered"
    task_id: str = ""
    places: Count | None = None
    max_cost_usd: Dollars | None = None
    taken: dict[str, float] = msgspec.field(default_factory=dict[str, float])
    spent_usd: float = 0.0
    period: str = ""
    admitted: tuple[Id, ...] = ()
    refused: tuple[Id, ...] = ()
    heads: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    tails: dict[str, int] = msgspec.field(default_factory=dict[str, int])


class TaskQueued(Message, frozen=True, kw_only=True):
    """A task waits at a gate, in the order of these events and of priorities; ``price_usd`` is reserved for it."""

    namespace: Token
    kind: GateKind
    gate: Id
    priority: Priority
    task_id: Id
    price_usd: Dollars = 0.0


class LimitsSet(Message, frozen=True, kw_only=True):
    """An operator has said what a namespace may do, or each that has no limits of its own; ``None`` is no limit.

    ``places`` are tasks at work at a time, ``tasks`` those that have not ended, at work or not: a submission beyond is
    rejected. ``max_cost_usd`` is what all tasks may cost in ``period``, a name: with another one it counts from 0.
    """

    namespace: Token
    everyone: bool = False
    places: Annotated[int, msgspec.Meta(ge=1)] | None = None
    tasks: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_cost_usd: Dollars | None = None
    period: str = ""
    set_at: Time


FlowMessage = GateMoved | TaskQueued | LimitsSet

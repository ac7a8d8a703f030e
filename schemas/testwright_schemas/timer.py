"""Timers: messages that the server delivers when their time has come."""

from typing import Literal

from testwright_schemas._base import Count, Id, Message, Token


class TimerFired(Message, frozen=True, kw_only=True):
    """A deadline or a retry has come due. ``attempt`` is the one to retry after (0 for a deadline)."""

    namespace: Token
    task_id: Id
    kind: Literal["deadline", "retry"]
    attempt: Count = 0

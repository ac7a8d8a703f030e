"""Dead letters: messages that nobody could handle, kept with the reason."""

import msgspec

from testwright_schemas._base import Count, Id, Message, Time, Token


class MessageDeadLettered(Message, frozen=True, kw_only=True):
    """A message was taken off its queue because it cannot be decoded or failed too often.

    ``data`` (base64 in JSON), ``subject`` and ``headers`` are the message as it was, for ``testwright dead retry``;
    ``data`` and ``headers`` are empty where they would not have fitted into this message. Whoever sends that again
    tells of the letter once more, with the time as ``resent_at``.
    """

    namespace: Token
    letter_id: Id
    stream: str
    subject: str
    sequence: Count
    consumer: str
    reason: str
    deliveries: Count
    data: bytes
    headers: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    task_id: Id | None = None
    resent_at: Time | None = None

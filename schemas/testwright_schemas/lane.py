"""Lane: what the attempts of one engine have in common, and a provider may ask to be left alone by."""

from testwright_schemas._base import Message, Time, Token


class LanePaused(Message, frozen=True, kw_only=True):
    """A provider asked to be left alone: no attempt on the lane begins before ``until``.

    Attributes:
        namespace: whose attempts.
        lane: name of the engine.
        until: by the clock of the worker that was told so.
        reason: for people.
    """

    namespace: Token
    lane: Token
    until: Time
    reason: str = ""

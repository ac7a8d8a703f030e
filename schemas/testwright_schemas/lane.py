"""Lane: what the attempts of one engine have in common, and a provider may ask to be left alone by."""

from testwright_schemas._base import Message, Time, Token


class LanePaused(Message, frozen=True, kw_only=True):
    """A provider asked to be left alone, or is ``broken``: no attempt on the lane begins before ``until``.

    ``lane`` is the name of the engine; ``until`` is by the clock of the worker that was told so. For a provider that
    answers with failures again and again only those wait who have no other engine behind this one.
    """

    namespace: Token
    lane: Token
    until: Time
    reason: str = ""
    broken: bool = False

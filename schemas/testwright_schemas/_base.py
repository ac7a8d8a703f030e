"""The only place that says how every message is built, encoded and decoded."""

import re
from datetime import datetime
from typing import Annotated

import msgspec

# A bare ``$`` would let one newline through at the end, into a subject.
_ONE_WORD = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(?!\n)$"

Id = Annotated[str, msgspec.Meta(pattern=_ONE_WORD)]
"""An id made by whoever causes the thing: letters, digits, ``-`` and ``_``, so that it is one subject token."""

Token = Annotated[str, msgspec.Meta(pattern=_ONE_WORD)]
"""A name that appears as one subject token (namespace, engine)."""

Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]
"""SHA-256 of the content, in lower-case hexadecimal."""

Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
"""A share in percent, 0 to 100."""

Count = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]

Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment with its offset, UTC where we make it: one without could not be compared with the others."""


def is_word(text: str) -> bool:
    """Return whether a text is a valid id or name: one subject token that no wildcard is hidden in."""
    return re.fullmatch(_ONE_WORD, text) is not None


MAX_TEXT = 2000
"""Characters of a text for people inside a message: all of it belongs in a log."""


def brief(text: str) -> str:
    """Return a text for people at the length that a message may carry."""
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def kebab(name: str) -> str:
    """Return the wire tag of a class name: ``TaskSubmitted`` becomes ``task-submitted``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A value inside a message. New fields have defaults; a field never changes its type; unknown ones are skipped."""


class Message(Record, frozen=True, kw_only=True, tag=kebab, tag_field="type"):
    """A command, an event or a work item: what travels alone in one bus message, told apart by ``type``."""

"""What an attempt leaves for the one that takes its place, should its worker die."""

from testwright_schemas._base import Record
from testwright_schemas.suite import Usage


class Note(Record, frozen=True, kw_only=True):
    """A step that an attempt has paid for: ``text`` is its engine's and read by no other, ``usage`` what it took."""

    text: str
    usage: Usage = Usage()

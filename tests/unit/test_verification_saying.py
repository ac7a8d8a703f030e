"""What a run says of its tests reaches the host whole, whatever the tests themselves say."""

from collections.abc import Generator
from tempfile import TemporaryFile
from typing import BinaryIO, cast

import pytest

from testwright.verification import events
from testwright.verification._runner.channel import Channel, Say
from testwright.verification._runner.recorder import _end_in  # pyright: ignore[reportPrivateUsage]  what reads

CASE = "test_m.py::test_a"


class Host:
    """The other end of a channel."""

    def __init__(self, file: BinaryIO) -> None:
        self.say: Say = Channel(file.fileno(), "t").say
        self._file = file

    def heard(self) -> list[events.AnyEvent | None]:
        """Return what is understood of each line that was said."""
        self._file.seek(0)
        return [events.decode(line.decode().rstrip("\n"), "t") for line in self._file]


@pytest.fixture
def host() -> Generator[Host]:
    with TemporaryFile() as file:
        yield Host(cast("BinaryIO", file))


@pytest.mark.parametrize(("reason", "shown"), [("a\udc80b", "a?b"), ("naïve 😀\u2028\n", "naïve 😀\u2028\n")])
def test_the_end_of_a_test_is_heard_whatever_text_its_reason_holds(host: Host, reason: str, shown: str) -> None:
    host.say("finished", case=CASE, outcome="failed", reason=reason)

    assert host.heard() == [events.Finished(case=CASE, outcome="failed", reason=shown)]


@pytest.mark.parametrize("fields", [b'"outcome":5', b'"outcome":"passed","touched":7', b'"outcome":"passed","kind":[]'])
def test_a_process_that_says_nothing_readable_of_its_test_has_died(fields: bytes) -> None:
    assert _end_in(b"{" + fields + b"}").outcome == "died"

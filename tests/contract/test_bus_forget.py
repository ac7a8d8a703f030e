"""What every bus promises about messages that are taken away."""

import pytest

from tests.support.buses import World, told
from testwright.bus import Bus
from testwright.errors import StreamNotFoundError
from testwright_schemas import subjects


async def left(bus: Bus) -> list[str]:
    return [stored.subject async for stored in bus.last_per_subject(subjects.NOTES, [subjects.note()])]


async def test_what_matches_is_taken_away_and_nothing_else(world: World, bus: Bus) -> None:
    for task, number in (("t1", "0"), ("t1", "1"), ("t2", "0")):
        await told(bus, subjects.note("default", task, "1", "1", number), b"{}")

    await bus.forget(subjects.NOTES, subjects.note("default", "t1", "1"))
    assert await left(bus) == [subjects.note("default", "t2", "1", "1", "0")]

    await bus.forget(subjects.NOTES, subjects.note("default", "t2", "1", "1", "0"))
    assert await left(bus) == []


async def test_taking_away_what_is_not_there_changes_nothing(world: World, bus: Bus) -> None:
    await told(bus, subjects.note("default", "t1", "1", "1", "0"), b"{}")

    await bus.forget(subjects.NOTES, subjects.note("other", "t1", "1"))

    assert len(await left(bus)) == 1


async def test_where_there_is_no_such_stream_that_is_said(world: World, bus: Bus) -> None:
    with pytest.raises(StreamNotFoundError):
        await bus.forget("NONE", subjects.note())

"""What every bus promises to those who read and follow its streams."""

import anyio
import pytest

from tests.support.buses import World, heard, told
from testwright.bus import Bus, Stored
from testwright.errors import StreamNotFoundError
from testwright_schemas import subjects

FINISHED = subjects.task_event("default", "t1", "finished")
PROGRESSED = subjects.task_event("default", "t1", "progressed")
OTHER = subjects.task_event("default", "t2", "finished")
JOB = subjects.job_event("default", "j1", "finished")


def bodies(found: list[Stored]) -> list[bytes]:
    return [stored.data for stored in found]


async def test_the_last_message_of_a_subject_is_the_newest(bus: Bus) -> None:
    await told(bus, PROGRESSED, b"1", b"2")
    await told(bus, OTHER, b"3")

    stored = await bus.last(subjects.EVENTS, PROGRESSED)

    assert stored is not None
    assert (stored.sequence, stored.data) == (2, b"2")


async def test_a_subject_without_a_message_has_no_last_one(bus: Bus) -> None:
    assert await bus.last(subjects.EVENTS, FINISHED) is None


async def test_a_message_is_found_by_its_sequence(bus: Bus) -> None:
    await told(bus, PROGRESSED, b"1", b"2")

    first = await bus.get(subjects.EVENTS, 1)

    assert first is not None
    assert (first.subject, first.data) == (PROGRESSED, b"1")
    assert await bus.get(subjects.EVENTS, 3) is None


async def test_the_next_message_on_subjects_is_found_behind_a_sequence(bus: Bus) -> None:
    await told(bus, PROGRESSED, b"1")
    await told(bus, FINISHED, b"2")
    await told(bus, PROGRESSED, b"3")
    everything = FINISHED.replace(".finished", ".*")

    found = [await bus.next(subjects.EVENTS, subject, after=1) for subject in (everything, PROGRESSED, FINISHED)]

    assert [each.data for each in found if each] == [b"2", b"3", b"2"]
    assert await bus.next(subjects.EVENTS, FINISHED, after=2) is None
    assert await bus.next(subjects.EVENTS, everything, after=3) is None


@pytest.mark.parametrize("ask", ["last", "get", "next", "last_per_subject", "feed"])
async def test_a_stream_that_does_not_exist_is_named(bus: Bus, ask: str) -> None:
    async def read() -> None:
        match ask:
            case "last":
                await bus.last("NOWHERE", FINISHED)
            case "get":
                await bus.get("NOWHERE", 1)
            case "next":
                await bus.next("NOWHERE", FINISHED, after=0)
            case "last_per_subject":
                await anext(bus.last_per_subject("NOWHERE", [FINISHED]))
            case _:
                async with bus.feed("NOWHERE", [FINISHED]) as feed:
                    await anext(feed)

    with pytest.raises(StreamNotFoundError, match="NOWHERE"), anyio.fail_after(10):
        await read()


async def test_the_last_messages_of_matching_subjects_come_in_stream_order(bus: Bus) -> None:
    await told(bus, PROGRESSED, b"old")
    await told(bus, OTHER, b"other")
    await told(bus, JOB, b"of no interest")
    await told(bus, PROGRESSED, b"new")
    await told(bus, FINISHED, b"done")

    found = [stored async for stored in bus.last_per_subject(subjects.EVENTS, [subjects.task_event()])]

    assert [(stored.subject, stored.data) for stored in found] == [
        (OTHER, b"other"),
        (PROGRESSED, b"new"),
        (FINISHED, b"done"),
    ]


async def test_the_last_messages_may_be_asked_for_by_several_filters_wild_or_literal(bus: Bus) -> None:
    await told(bus, FINISHED, b"t1")
    await told(bus, OTHER, b"t2")
    await told(bus, JOB, b"j1")
    await told(bus, PROGRESSED, b"of no interest")

    filters = [OTHER, subjects.job_event(kind="finished")]
    found = [stored async for stored in bus.last_per_subject(subjects.EVENTS, filters)]

    assert bodies(found) == [b"t2", b"j1"]


async def test_a_rest_wildcard_matches_one_token_or_more(bus: Bus) -> None:
    await told(bus, FINISHED, b"done")

    found = [stored async for stored in bus.last_per_subject(subjects.EVENTS, [subjects.events_of("default")])]
    none = [stored async for stored in bus.last_per_subject(subjects.EVENTS, [f"{FINISHED}.>"])]

    assert bodies(found) == [b"done"]
    assert none == []


async def test_filters_that_nothing_matches_yield_nothing(bus: Bus) -> None:
    assert [stored async for stored in bus.last_per_subject(subjects.EVENTS, [FINISHED])] == []


async def test_nothing_is_found_by_a_server_that_knows_enough(bus: Bus) -> None:
    await told(bus, PROGRESSED, b"1")

    found = [stored async for stored in bus.last_per_subject(subjects.EVENTS, [OTHER], at_least=1)]

    assert found == []


async def test_thousands_of_subjects_are_all_found_in_order(world: World, bus: Bus) -> None:
    count = 2500
    publishers = [bus, *[await world.connect() for _ in range(9)]]

    async def publish(publisher: Bus, first: int) -> None:
        for number in range(first, count, len(publishers)):
            await told(publisher, subjects.task_event("default", f"t{number}", "finished"), str(number).encode())

    async with anyio.create_task_group() as tasks:
        for first, publisher in enumerate(publishers):
            tasks.start_soon(publish, publisher, first)

    found = [stored async for stored in bus.last_per_subject(subjects.EVENTS, [subjects.task_event()])]

    sequences = [stored.sequence for stored in found]
    assert sequences == sorted(sequences)
    assert sorted(int(stored.data) for stored in found) == list(range(count))


async def test_a_feed_from_now_on_skips_what_was_said_before(bus: Bus) -> None:
    await told(bus, PROGRESSED, b"before")

    async with bus.feed(subjects.EVENTS, [subjects.EVENTS_ALL]) as feed:
        await told(bus, PROGRESSED, b"after")
        found = await heard(feed, 1)

    assert bodies(found) == [b"after"]


async def test_a_feed_from_the_start_tells_everything_that_is_kept(bus: Bus) -> None:
    await told(bus, PROGRESSED, b"1", b"2")
    await told(bus, FINISHED, b"3")

    async with bus.feed(subjects.EVENTS, [subjects.EVENTS_ALL], after=0) as feed:
        await told(bus, OTHER, b"4")
        found = await heard(feed, 4)

    assert [(stored.sequence, stored.data) for stored in found] == [(1, b"1"), (2, b"2"), (3, b"3"), (4, b"4")]
    assert found[2].subject == FINISHED
    assert found[2].stream == subjects.EVENTS


async def test_a_feed_from_a_sequence_starts_behind_it(bus: Bus) -> None:
    sequences = await told(bus, PROGRESSED, b"1", b"2", b"3")

    async with bus.feed(subjects.EVENTS, [subjects.EVENTS_ALL], after=sequences[1]) as feed:
        found = await heard(feed, 1)

    assert bodies(found) == [b"3"]


async def test_a_feed_tells_what_matches_any_of_its_filters_once(bus: Bus) -> None:
    async with bus.feed(subjects.EVENTS, [FINISHED, subjects.job_event()], after=0) as feed:
        await told(bus, FINISHED, b"1")
        await told(bus, OTHER, b"of no interest")
        await told(bus, JOB, b"2")
        await told(bus, FINISHED, b"3")
        found = await heard(feed, 3)

    assert bodies(found) == [b"1", b"2", b"3"]


async def test_nothing_that_is_published_right_after_entering_a_feed_is_missed(world: World, bus: Bus) -> None:
    publisher = await world.connect()
    for number in range(20):
        subject = subjects.task_event("default", f"t{number}", "finished")

        async with bus.feed(subjects.EVENTS, [subject]) as feed:
            await told(publisher, subject, b"done")
            assert bodies(await heard(feed, 1)) == [b"done"]


async def test_a_feed_is_in_order_while_others_publish(world: World, bus: Bus) -> None:
    async def publish(publisher: Bus, task: str) -> None:
        await told(publisher, subjects.task_event("default", task, "progressed"), *[b"%d" % n for n in range(50)])

    async with bus.feed(subjects.EVENTS, [subjects.EVENTS_ALL]) as feed, anyio.create_task_group() as tasks:
        for task in ("t1", "t2", "t3", "t4"):
            tasks.start_soon(publish, await world.connect(), task)

        assert [stored.sequence for stored in await heard(feed, 200)] == list(range(1, 201))


async def test_a_message_that_was_dropped_in_the_meantime_is_still_told_to_a_standing_feed(bus: Bus) -> None:
    numbers = [b"%d" % number for number in range(70)]

    async with bus.feed(subjects.EVENTS, [PROGRESSED]) as feed:
        await told(bus, PROGRESSED, *numbers)
        found = await heard(feed, 70)

    assert bodies(found) == numbers


async def test_two_feeds_of_one_connection_are_independent(bus: Bus) -> None:
    async with bus.feed(subjects.EVENTS, [FINISHED]) as one, bus.feed(subjects.EVENTS, [FINISHED]) as two:
        await told(bus, FINISHED, b"done")

        assert bodies(await heard(one, 1)) == bodies(await heard(two, 1)) == [b"done"]

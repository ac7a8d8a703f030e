"""What every bus promises to those who publish."""

import pytest

from tests.support.buses import LOW, World, taken, told, work
from testwright.bus import Bus
from testwright.errors import ConflictError, PayloadTooLargeError, StreamNotFoundError, SubjectFullError
from testwright_schemas import Expect, subjects
from testwright_schemas.envelope import MESSAGE_ID

FINISHED = subjects.task_event("default", "t1", "finished")
CANCEL = subjects.task_event("default", "t1", "cancel-requested")


async def test_a_publish_returns_where_the_message_was_stored(bus: Bus) -> None:
    receipt = await bus.publish(FINISHED, b"done", message_id="t1/finished", headers={"ce-id": "t1/finished"})

    stored = await bus.get(receipt.stream, receipt.sequence)
    assert (receipt.stream, receipt.sequence, receipt.duplicate) == (subjects.EVENTS, 1, False)
    assert stored is not None
    assert (stored.stream, stored.sequence, stored.subject, stored.data) == (subjects.EVENTS, 1, FINISHED, b"done")
    assert stored.headers["ce-id"] == "t1/finished"
    assert stored.headers[MESSAGE_ID] == "t1/finished"


async def test_a_stored_message_bears_the_time_it_was_stored_at(world: World, bus: Bus) -> None:
    before = world.now()
    await told(bus, FINISHED, b"done")

    stored = await bus.last(subjects.EVENTS, FINISHED)

    assert stored is not None
    assert before <= stored.time <= world.now()


async def test_the_same_id_is_stored_once(bus: Bus) -> None:
    first = await bus.publish(FINISHED, b"done", message_id="same")

    second = await bus.publish(FINISHED, b"done again", message_id="same")

    stored = await bus.last(subjects.EVENTS, FINISHED)
    assert (second.sequence, second.duplicate) == (first.sequence, True)
    assert stored is not None
    assert stored.data == b"done"


async def test_the_same_id_on_another_subject_of_the_stream_is_a_duplicate(bus: Bus) -> None:
    await bus.publish(FINISHED, b"done", message_id="same")

    second = await bus.publish(CANCEL, b"cancel", message_id="same")

    assert second.duplicate
    assert await bus.last(subjects.EVENTS, CANCEL) is None


async def test_the_same_id_in_another_stream_is_not_a_duplicate(bus: Bus) -> None:
    await bus.publish(FINISHED, b"done", message_id="same")

    second = await bus.publish(work("t1"), b"do it", message_id="same")

    assert not second.duplicate


async def test_a_publish_may_expect_that_it_is_the_first(bus: Bus) -> None:
    nobody = Expect(subject=FINISHED, sequence=0)
    await bus.publish(FINISHED, b"first", message_id="a", expect=nobody)

    with pytest.raises(ConflictError) as caught:
        await bus.publish(FINISHED, b"second", message_id="b", expect=nobody)

    stored = await bus.last(subjects.EVENTS, FINISHED)
    assert caught.value.subject == FINISHED
    assert stored is not None
    assert stored.data == b"first"


async def test_a_publish_may_expect_a_certain_predecessor(bus: Bus) -> None:
    await told(bus, FINISHED, b"first")

    await bus.publish(FINISHED, b"second", message_id="b", expect=Expect(subject=FINISHED, sequence=1))

    with pytest.raises(ConflictError):
        await bus.publish(FINISHED, b"third", message_id="c", expect=Expect(subject=FINISHED, sequence=1))


async def test_a_publish_may_expect_what_another_subject_holds(bus: Bus) -> None:
    await bus.publish(FINISHED, b"unless cancelled", message_id="a", expect=Expect(subject=CANCEL, sequence=0))
    await told(bus, CANCEL, b"cancel")

    with pytest.raises(ConflictError) as caught:
        await bus.publish(FINISHED, b"too late", message_id="b", expect=Expect(subject=CANCEL, sequence=0))

    stored = await bus.last(subjects.EVENTS, FINISHED)
    assert caught.value.subject == FINISHED
    assert stored is not None
    assert stored.data == b"unless cancelled"


async def test_a_publish_may_expect_what_all_subjects_hold_that_match_a_filter(bus: Bus) -> None:
    anything = subjects.task_event("default", "t1")
    await told(bus, subjects.task_event("default", "t2", "submitted"), b"of another task")
    first = await bus.publish(
        subjects.task_event("default", "t1", "submitted"),
        b"1",
        message_id="a",
        expect=Expect(subject=anything, sequence=0),
    )
    last = Expect(subject=anything, sequence=first.sequence)
    await bus.publish(subjects.task_event("default", "t1", "started"), b"2", message_id="b", expect=last)

    with pytest.raises(ConflictError):
        await bus.publish(FINISHED, b"no longer the last", message_id="c", expect=last)


async def test_an_own_retry_is_a_duplicate_although_the_expectation_no_longer_holds(bus: Bus) -> None:
    nobody = Expect(subject=FINISHED, sequence=0)
    first = await bus.publish(FINISHED, b"done", message_id="mine", expect=nobody)

    again = await bus.publish(FINISHED, b"done", message_id="mine", expect=nobody)

    assert (again.sequence, again.duplicate) == (first.sequence, True)


async def test_a_refused_publish_leaves_its_id_free(bus: Bus) -> None:
    with pytest.raises(ConflictError):
        await bus.publish(FINISHED, b"early", message_id="mine", expect=Expect(subject=CANCEL, sequence=1))
    await told(bus, CANCEL, b"cancel")

    receipt = await bus.publish(FINISHED, b"now", message_id="mine", expect=Expect(subject=CANCEL, sequence=1))

    assert not receipt.duplicate


async def test_a_queue_that_takes_one_message_a_subject_refuses_a_second(bus: Bus) -> None:
    await bus.publish(work("t1"), b"attempt 1", message_id="1")

    with pytest.raises(SubjectFullError) as caught:
        await bus.publish(work("t1"), b"attempt 2", message_id="2")

    assert caught.value.subject == work("t1")


async def test_a_queue_takes_the_next_message_of_a_subject_once_the_first_is_acked(bus: Bus) -> None:
    await bus.publish(work("t1"), b"attempt 1", message_id="1")
    async with bus.slot(subjects.WORK, [LOW]) as slot:
        await (await taken(slot)).ack()

        await bus.publish(work("t1"), b"attempt 2", message_id="2")

        assert (await taken(slot)).message.data == b"attempt 2"


async def test_an_own_retry_on_a_full_subject_is_a_duplicate(bus: Bus) -> None:
    first = await bus.publish(work("t1"), b"attempt 1", message_id="1")

    again = await bus.publish(work("t1"), b"attempt 1", message_id="1")

    assert (again.sequence, again.duplicate) == (first.sequence, True)


async def test_a_message_that_was_acked_is_not_queued_again_under_its_id(bus: Bus) -> None:
    await bus.publish(work("t1"), b"attempt 1", message_id="1")
    async with bus.slot(subjects.WORK, [LOW]) as slot:
        await (await taken(slot)).ack()

    again = await bus.publish(work("t1"), b"attempt 1", message_id="1")

    assert again.duplicate
    assert await bus.last(subjects.WORK, work("t1")) is None


async def test_a_stream_that_keeps_so_many_messages_a_subject_drops_the_oldest(bus: Bus) -> None:
    bodies = [str(number).encode() for number in range(65)]

    sequences = await told(bus, FINISHED, *bodies)

    assert await bus.get(subjects.EVENTS, sequences[0]) is None
    assert await bus.get(subjects.EVENTS, sequences[1]) is not None


async def test_a_subject_that_no_stream_takes_is_refused(bus: Bus) -> None:
    with pytest.raises(StreamNotFoundError):
        await bus.publish("elsewhere.t1", b"", message_id="1")


async def test_a_message_that_is_too_large_is_refused(bus: Bus) -> None:
    with pytest.raises(PayloadTooLargeError) as caught:
        await bus.publish(FINISHED, b"x" * (1024 * 1024 + 1), message_id="1")

    assert (caught.value.subject, caught.value.limit) == (FINISHED, 1024 * 1024)
    assert await bus.last(subjects.EVENTS, FINISHED) is None


async def test_headers_count_towards_the_size_of_a_message(bus: Bus) -> None:
    body = b"x" * (1024 * 1024 - 1000)
    await bus.publish(FINISHED, body, message_id="1")

    with pytest.raises(PayloadTooLargeError):
        await bus.publish(FINISHED, body, message_id="2", headers={"note": "x" * 1000})


async def test_empty_bodies_and_other_bytes_than_text_are_stored_as_they_are(bus: Bus) -> None:
    await bus.publish(FINISHED, b"", message_id="1")
    await bus.publish(CANCEL, bytes(range(256)), message_id="2")

    empty = await bus.last(subjects.EVENTS, FINISHED)
    binary = await bus.last(subjects.EVENTS, CANCEL)

    assert empty is not None
    assert binary is not None
    assert (empty.data, binary.data) == (b"", bytes(range(256)))

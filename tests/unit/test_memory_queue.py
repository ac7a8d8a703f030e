"""A queue in memory, where a message and the end of the waiting meet."""

from datetime import UTC, datetime

import pytest

from tests.support.buses import LOW, TOPOLOGY, work
from testwright.bus._memory_faults import Dice, Faults
from testwright.bus._memory_link import Link
from testwright.bus._memory_queue import Queue, Waiter
from testwright.bus._memory_stream import MemoryStream
from testwright.bus._memory_timers import Timers
from testwright_schemas import subjects

pytestmark = pytest.mark.virtual_time

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DICE = Dice(Faults(), seed=0)


def queue_of_one() -> Queue:
    """Return a queue that holds one message."""
    stream = MemoryStream(next(each for each in TOPOLOGY.streams if each.name == subjects.WORK))
    queue = Queue(next(each for each in TOPOLOGY.consumers if each.name == LOW), stream, Timers(), DICE)
    stream.store(work("t1"), b"do it", {}, time=NOW)
    return queue


async def test_a_message_that_had_arrived_when_the_waiting_ended_goes_to_the_next_at_once() -> None:
    queue = queue_of_one()
    hasty, patient = Waiter(Link("hasty", DICE), [queue]), Waiter(Link("patient", DICE), [queue])
    hasty.arm()
    patient.arm()

    hasty.abandon()

    assert patient.taken().count == 2


async def test_a_message_that_had_arrived_on_a_dead_connection_does_not() -> None:
    queue = queue_of_one()
    dead, patient = Waiter(Link("dead", DICE), [queue]), Waiter(Link("patient", DICE), [queue])
    dead.arm()
    patient.arm()
    dead.link.close()

    dead.abandon()

    assert not patient.arrived.is_set()

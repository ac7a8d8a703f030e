"""How often progress is told."""

import trio
import trio.testing

from tests.support.tasks import to_generate
from testwright.bus.memory import MemoryServer
from testwright.bus.topology import declare
from testwright.pacing import until
from testwright.reporter import BURST, Reporter
from testwright.voice import TASK_EVENTS, Voice
from testwright_schemas import TaskProgressed, subjects


def told_within(seconds: int, a_second: int) -> list[str]:
    """Return what came through of so many reports a second, in virtual time."""

    async def main() -> list[str]:
        async with MemoryServer(declare(["echo"])) as server, server.connect("worker") as bus:
            reporter = Reporter(Voice(bus, "generator", server.now), to_generate(), 1, "generate", {}, worker="worker")
            for count in range(seconds * a_second):
                await reporter(f"report {count}")
                await until(trio.current_time() + 1 / a_second)
            async with bus.feed(subjects.EVENTS, [subjects.EVENTS_ALL], after=0) as events:
                last, told = f"report {seconds * a_second - 1}", list[str]()
                with trio.move_on_after(1):
                    async for stored in events:
                        event = TASK_EVENTS.decode(stored.data)
                        assert isinstance(event, TaskProgressed)
                        told.append(event.message)
                        if event.message == last:
                            break
                return told

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_short_phases_are_all_told() -> None:
    assert told_within(1, BURST) == [f"report {count}" for count in range(BURST)]


def test_a_flood_is_thinned_out_to_about_one_a_second() -> None:
    told = told_within(20, 50)

    assert 20 <= len(told) <= 20 + BURST

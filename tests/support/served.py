"""All actors in the test's own process, on a real server, each on a connection of its own."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

from tests.support.world import Engine
from testwright import clock
from testwright.background import beside
from testwright.bus import Bus
from testwright.bus.nats import connect
from testwright.collector.actor import collector
from testwright.generator.actor import generator
from testwright.submitter.actor import submitter
from testwright.verifier.actor import verifier
from testwright_schemas import JobFinished, OutcomeCounts, envelope, subjects


@asynccontextmanager
async def serving(url: str, engine: Engine) -> AsyncGenerator[None]:
    """Run all actors; ``engine`` answers for the engine ``echo`` and for verification."""
    async with AsyncExitStack() as stack:
        names = ("submitter", "collector", "generator", "verifier")
        one, two, three, four = [await stack.enter_async_context(connect(url, name=name)) for name in names]
        actors = (
            submitter(one, clock.now, ["echo"]),
            collector(two, clock.now),
            generator(three, clock.now, engine.produce, ["echo"], worker="w"),
            verifier(four, clock.now, engine.judge),
        )
        async with beside(*(actor.run for actor in actors)):
            yield


async def ended(bus: Bus) -> list[str]:
    """Return the task of each end on the event stream, sorted."""
    mark = JobFinished(namespace="mark", job_id="mark", total=1, counts=OutcomeCounts())
    last = await bus.publish(subjects.event(mark), envelope.encode(mark), message_id=uuid4().hex)
    found: list[str] = []
    filters = [subjects.task_event(kind="finished"), subjects.event(mark)]
    async with bus.feed(subjects.EVENTS, filters, after=0) as events:
        async for stored in events:
            if stored.sequence == last.sequence:
                break
            if task_id := subjects.task_of(stored.subject):
                found.append(task_id)
    return sorted(found)

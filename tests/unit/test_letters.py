"""Dead letters that are sent again: the message goes back, and the letter says so."""

from typing import Any, cast

import pytest
from msgspec.structs import replace

from tests.support.buses import MemoryWorld
from tests.support.tasks import NOW, submitted
from tests.unit.test_giving_up import say, settled
from testwright import letters
from testwright.background import beside
from testwright.bus import Bus
from testwright.cli.dead import unsent
from testwright.client import Client
from testwright.collector.actor import collector
from testwright.errors import PermissionDeniedError
from testwright.voice import Voice
from testwright_schemas import MessageDeadLettered, subjects

COMMAND = subjects.command_filter("submit", "default")


def letter(letter_id: str = "letter-1", task_id: str | None = None) -> MessageDeadLettered:
    return MessageDeadLettered(
        namespace="default",
        letter_id=letter_id,
        stream=subjects.COMMANDS,
        subject=COMMAND,
        sequence=1,
        consumer="submitter",
        reason="malformed",
        deliveries=1,
        data=b"{",
        task_id=task_id,
    )


async def test_a_letter_that_was_sent_again_says_when_and_is_no_more_among_those_to_be_sent(world: MemoryWorld) -> None:
    await say(world, letter("letter-1"))
    await say(world, letter("letter-2"))
    client = Client(await world.connect("client"), clock=lambda: NOW)

    await client.resend(letter("letter-1"))

    kept = await client.dead_letters()
    assert unsent(kept) == [letter("letter-2")]
    assert [one for one in kept if one.resent_at] == [replace(letter("letter-1"), resent_at=NOW)]
    back = await client.bus.last(subjects.COMMANDS, COMMAND)
    assert back
    assert back.data == b"{"


class _Client:
    """A connection whose credentials let it speak for no actor."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def publish(self, subject: str, data: bytes, **options: Any) -> Any:
        """Publish, or refuse to."""
        if subjects.is_dead(subject):
            raise PermissionDeniedError("publish", subject)
        return await self._bus.publish(subject, data, **options)


async def test_whoever_may_not_tell_of_a_letter_sends_its_message_again_all_the_same(world: MemoryWorld) -> None:
    await say(world, letter())
    bus = cast("Bus", _Client(await world.connect("client")))

    await letters.resend(bus, Voice(bus, "client", world.server.now), letter(), NOW)

    assert await bus.last(subjects.COMMANDS, COMMAND)
    assert await letters.dead_letters(bus, "default") == [letter()]


@pytest.mark.virtual_time
@pytest.mark.parametrize("resent", [False, True])
async def test_a_task_is_ended_by_a_letter_and_not_by_its_being_sent_again(world: MemoryWorld, resent: bool) -> None:
    told = letter(task_id="task-1")
    async with beside(collector(await world.connect("collector"), world.server.now).run):
        await say(world, submitted())
        await say(world, replace(told, resent_at=NOW) if resent else told)
        events = await settled(world, 60)

    finished = subjects.task_event("default", "task-1", "finished")
    assert (finished in {event.subject for event in events}) is not resent

"""Dead letters: messages that nobody could handle, read back and sent again."""

from testwright.bus import Bus, Reader
from testwright.errors import DeadLetterNotFoundError
from testwright.watching import newest
from testwright_schemas import MessageDeadLettered, subjects


async def dead_letters(bus: Reader, namespace: str) -> list[MessageDeadLettered]:
    """Return the dead letters of a namespace that are still kept and can be read, oldest first."""
    found = newest(bus, [subjects.dead_event(namespace)])
    return [event async for _, event in found if isinstance(event, MessageDeadLettered)]


async def resend(bus: Bus, letter: MessageDeadLettered) -> None:
    """Put the message of a dead letter back where it was; see ``testwright.client.Client.resend``."""
    if not letter.data:
        raise DeadLetterNotFoundError(letter.letter_id)
    id_ = f"{letter.letter_id}/resent"
    kept = {name: value for name, value in letter.headers.items() if not name.lower().startswith("nats-")}
    await bus.publish(letter.subject, letter.data, message_id=id_, headers=kept)

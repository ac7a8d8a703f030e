"""Dead letters: messages that nobody could handle, read back and sent again."""

import logging
from datetime import datetime

from msgspec.structs import replace

from testwright.bus import Bus, Reader
from testwright.errors import DeadLetterNotFoundError, PayloadTooLargeError, PermissionDeniedError
from testwright.voice import Voice
from testwright.watching import newest
from testwright_schemas import MessageDeadLettered, Publish, subjects

log = logging.getLogger("testwright.letters")


async def dead_letters(bus: Reader, namespace: str) -> list[MessageDeadLettered]:
    """Return the dead letters of a namespace that are still kept and can be read, oldest first."""
    found = newest(bus, [subjects.dead_event(namespace)])
    return [event async for _, event in found if isinstance(event, MessageDeadLettered)]


async def resend(bus: Bus, voice: Voice, letter: MessageDeadLettered, at: datetime) -> None:
    """Put the message of a dead letter back where it was, and tell; see ``testwright.client.Client.resend``."""
    if not letter.data:
        raise DeadLetterNotFoundError(letter.letter_id)
    id_ = f"{letter.letter_id}/resent"
    kept = {name: value for name, value in letter.headers.items() if not name.lower().startswith("nats-")}
    await bus.publish(letter.subject, letter.data, message_id=id_, headers=kept)
    try:
        await voice.say(Publish(message=replace(letter, resent_at=at)), {})
    except (PermissionDeniedError, PayloadTooLargeError) as error:
        # A client may send its own commands again, and not speak for actors: then the letter stays as it was.
        log.warning("not-told letter=%s error=%s", letter.letter_id, error)

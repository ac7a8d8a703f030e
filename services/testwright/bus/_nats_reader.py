"""Reading single messages, as the stream's leader has them."""

from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from testwright.bus import Stored
from testwright.bus._nats_api import call
from testwright.bus._nats_feed import read_out
from testwright.bus._nats_link import Link
from testwright.bus._nats_wire import parse_headers
from testwright.errors import PermissionDeniedError

_NO_MESSAGE = 10037


async def message_get(link: Link, stream: str, selector: Mapping[str, Any], within_s: float) -> Stored | None:
    """Return the message that ``last_by_subj``, or ``seq`` alone or with ``next_by_subj`` selects; ``None`` for none.

    That request can read all of the stream. Who may not make it finds the last message on a subject through a consumer.
    """
    verb = f"STREAM.MSG.GET.{stream}"
    subject = selector.get("last_by_subj")
    if subject and stream in link.narrow:
        return await _last(link, stream, subject, within_s)
    try:
        answer = await call(link, verb, selector, within_s=within_s, name=f"stream {stream}", expected=(_NO_MESSAGE,))
    except PermissionDeniedError:
        if not subject:
            raise
        link.narrow.add(stream)
        return await _last(link, stream, subject, within_s)
    if "error" in answer:
        return None
    found: dict[str, Any] = answer["message"]
    return Stored(
        stream,
        found["seq"],
        found["subject"],
        b64decode(found.get("data", "")),
        datetime.fromisoformat(found["time"]),
        parse_headers(b64decode(found.get("hdrs", ""))),
    )


async def _last(link: Link, stream: str, subject: str, within_s: float) -> Stored | None:
    found = [stored async for stored in read_out(link, stream, [subject], "last_per_subject", within_s)]
    return found[-1] if found else None

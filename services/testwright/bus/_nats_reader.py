"""Reading single messages, as the stream's leader has them."""

from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from testwright.bus import Stored
from testwright.bus._nats_api import call
from testwright.bus._nats_link import Link
from testwright.bus._nats_wire import parse_headers

_NO_MESSAGE = 10037


async def message_get(link: Link, stream: str, selector: Mapping[str, Any], within_s: float) -> Stored | None:
    """Return the message that ``last_by_subj`` or ``seq`` selects, ``None`` if there is none."""
    verb = f"STREAM.MSG.GET.{stream}"
    answer = await call(link, verb, selector, within_s=within_s, name=f"stream {stream}", expected=(_NO_MESSAGE,))
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

"""Log lines: plain text for people, or a JSON object each for programs; none has a secret in it."""

import logging
import re
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Literal, TextIO

import msgspec

from testwright.observe.current import handled
from testwright_schemas import envelope, subjects

Format = Literal["text", "json"]

LINE = "%(asctime)s %(levelname)s %(name)s %(message)s"

HIDDEN = "[hidden]"

_LOGIN = re.compile(r"(?<=://)[^/\s@'\"]+@")
_BEARER = re.compile(r"(?i)(?<=bearer )[\w.~+/=-]+")

_SHORTEST = 6
"""Characters that a secret has at least: a shorter one would hide half of what is said."""


class Redactor:
    """Hides secrets in text: logins in addresses, bearer tokens, and those that are known.

    Args:
        secrets: what must not be seen.
    """

    def __init__(self, secrets: Collection[str] = ()) -> None:
        known = sorted((secret for secret in secrets if len(secret) >= _SHORTEST), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        text = _BEARER.sub(HIDDEN, _LOGIN.sub(f"{HIDDEN}@", text))
        return self._known.sub(HIDDEN, text) if self._known else text


class TextLines(logging.Formatter):
    """Formats a record as one line, and what was raised below it."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__(LINE)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        return self._redact(super().format(record))


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object: ``time``, ``level``, ``logger``, ``message``, and what it is about.

    ``task``, ``job``, ``namespace`` and ``trace`` are of the message that is being handled, and missing where there is
    none. ``error`` is a traceback.
    """

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        fields: dict[str, str | None] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._redact(record.getMessage()),
            **about(),
            "error": self._redact(self.formatException(record.exc_info)) if record.exc_info else None,
        }
        return msgspec.json.encode({name: value for name, value in fields.items() if value is not None}).decode()


def about() -> dict[str, str | None]:
    """Return what the message that is being handled is about."""
    stored = handled()
    if stored is None:
        return {}
    trace = stored.headers.get(envelope.TRACEPARENT, "").split("-")
    return {
        "namespace": subjects.namespace_of(stored.subject),
        "job": subjects.job_of(stored.subject),
        "task": subjects.task_of(stored.subject),
        "trace": trace[1] if len(trace) == 4 else None,
    }


def start(format_: Format, level: int, secrets: Collection[str] = (), stream: TextIO | None = None) -> None:
    """Have everything logged on standard error.

    Args:
        format_: of each record.
        level: below which nothing is said.
        secrets: what must not be seen.
        stream: another place for it.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    redact = Redactor(secrets)
    handler.setFormatter(JsonLines(redact) if format_ == "json" else TextLines(redact))
    logging.basicConfig(level=level, handlers=[handler], force=True)

"""What the surroundings say of how we are watched, and of what must not be seen: parts of ``settings``. Pure."""

from collections.abc import Callable, Iterator
from typing import Self
from urllib.parse import urlsplit

import msgspec

Look = Callable[[str], str | None]
"""Returns what a variable says, ``None`` where it says nothing."""

_TOKENS = (
    "TESTWRIGHT_LLM_API_KEY",
    "TESTWRIGHT_OPENHANDS_API_KEY",
    "TESTWRIGHT_GATEWAY_TOKEN",
    "TESTWRIGHT_GATEWAY_TOKENS",
)
_HEADERS = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_METRICS_HEADERS")
_ADDRESSES = ("NATS_URL", "TESTWRIGHT_SYSTEM_SERVER")


class Telemetry(msgspec.Struct, frozen=True, kw_only=True):
    """What the surroundings say of how we are watched; what exporters need besides, they read by themselves.

    Attributes:
        traces: name of an exporter (``OTEL_TRACES_EXPORTER``; ``otlp`` where ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set),
            else none.
        metrics: likewise (``OTEL_METRICS_EXPORTER``).
        service: name that traces and metrics show (``OTEL_SERVICE_NAME``).
        health: where health and metrics are served (``TESTWRIGHT_HEALTH``), ``HOST:PORT``.
        log: format of log lines (``TESTWRIGHT_LOG``).
    """

    traces: str | None = None
    metrics: str | None = None
    service: str | None = None
    health: str | None = None
    log: str | None = None

    @classmethod
    def read(cls, look: Look) -> Self:
        """Return what variables say."""
        return cls(
            traces=_exporter("TRACES", look),
            metrics=_exporter("METRICS", look),
            service=look("OTEL_SERVICE_NAME"),
            health=look("TESTWRIGHT_HEALTH"),
            log=look("TESTWRIGHT_LOG"),
        )


def secrets_in(look: Look) -> tuple[str, ...]:
    """Return the keys, tokens and passwords that variables say."""
    return tuple(dict.fromkeys((*_tokens(look), *_values_of_headers(look), *_passwords(look))))


def _exporter(signal: str, look: Look) -> str | None:
    if (look("OTEL_SDK_DISABLED") or "").lower() == "true":
        return None
    endpoint = look("OTEL_EXPORTER_OTLP_ENDPOINT") or look(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    named = look(f"OTEL_{signal}_EXPORTER") or ("otlp" if endpoint else None)
    return None if named == "none" else named


def _tokens(look: Look) -> Iterator[str]:
    for name in _TOKENS:
        # The second word of a line is the namespace that a token is for.
        yield from (words[0] for line in (look(name) or "").splitlines() if (words := line.split()))


def _values_of_headers(look: Look) -> Iterator[str]:
    for name in _HEADERS:
        yield from (pair.partition("=")[2].strip() for pair in (look(name) or "").split(",") if "=" in pair)


def _passwords(look: Look) -> Iterator[str]:
    for name in _ADDRESSES:
        for address in (look(name) or "").split(","):
            try:
                password = urlsplit(address).password
            except ValueError:
                continue
            if password:
                yield password

"""Log lines: for people and for programs, about what is being handled, and without secrets."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from testwright._telemetry import Telemetry, secrets_in
from testwright.bus import Stored
from testwright.observe import logs
from testwright.observe.current import Handling
from testwright.observe.logs import Format
from testwright_schemas import subjects

STORED = Stored(
    stream=subjects.EVENTS,
    sequence=1,
    subject=subjects.task_event("team", "task-1", "finished"),
    data=b"",
    time=datetime(2026, 1, 1, tzinfo=UTC),
    headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"},
)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(format_: Format, text: str, *secrets: str, error: BaseException | None = None) -> str:
    """Return what is written for a line."""
    stream = io.StringIO()
    logs.start(format_, logging.INFO, secrets, stream)
    logging.getLogger("testwright.test").info(text, exc_info=error)
    return stream.getvalue()


def test_a_line_for_programs_says_what_it_is_about() -> None:
    with Handling(STORED):
        found = json.loads(logged("json", "handled"))

    assert datetime.fromisoformat(found.pop("time")).tzinfo is not None
    assert found == {
        "level": "info",
        "logger": "testwright.test",
        "message": "handled",
        "namespace": "team",
        "task": "task-1",
        "trace": "a" * 32,
    }


def test_a_line_about_nothing_names_no_task() -> None:
    assert "task" not in json.loads(logged("json", "started"))


def test_a_line_for_programs_is_one_line_whatever_it_says() -> None:
    written = logged("json", 'two\nlines and a "quote"', error=ValueError("oh\nno"))

    assert written.count("\n") == 1
    assert "oh\nno" in json.loads(written)["error"]


@pytest.mark.parametrize("format_", ["text", "json"])
@pytest.mark.parametrize(
    "text",
    [
        "lost nats://user:hunter22@host:4222",
        "sent Authorization: Bearer hunter22",
        "key is hunter22",
    ],
)
def test_no_secret_is_written(format_: Format, text: str) -> None:
    written = logged(format_, text, "hunter22", error=ValueError(f"because {text}"))

    assert "hunter22" not in written
    assert logs.HIDDEN in written


def test_a_secret_within_another_one_leaves_no_rest() -> None:
    assert "-tail" not in logged("text", "key is hunter22-tail", "hunter22", "hunter22-tail")


def test_secrets_are_found_where_they_are_said() -> None:
    said = {
        "NATS_URL": "nats://one:password1@host,nats://two:password2@host",
        "TESTWRIGHT_GATEWAY_TOKENS": "token-one team\ntoken-two\n",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=token-three, x=token-four",
    }

    found = secrets_in(said.get)

    assert set(found) == {"password1", "password2", "token-one", "token-two", "token-three", "token-four"}


@pytest.mark.parametrize(
    ("said", "traces", "metrics"),
    [
        ({}, None, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://here"}, "otlp", "otlp"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://here"}, "otlp", None),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console", None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://here", "OTEL_METRICS_EXPORTER": "none"}, "otlp", None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://here", "OTEL_SDK_DISABLED": "true"}, None, None),
    ],
)
def test_nothing_is_exported_unless_somebody_asks(
    said: dict[str, str], traces: str | None, metrics: str | None
) -> None:
    found = Telemetry.read(said.get)

    assert (found.traces, found.metrics) == (traces, metrics)

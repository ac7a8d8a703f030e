"""Envelopes: what goes into headers, what a body must be, where a trace goes on."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testwright_schemas import CancelTasks, JobSubmitted, envelope

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
CANCEL = CancelTasks(namespace="default", command_id="c1", task_ids=("t1",))
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def headers(cause: dict[str, str]) -> dict[str, str]:
    return envelope.headers(CANCEL, id_="c1/cancel", source="/testwright/client", subject="s", time=NOW, cause=cause)


def body(**fields: Any) -> bytes:
    valid = {"type": "job-submitted", "namespace": "d", "job_id": "j", "task_ids": ["t"], "created_at": NOW}
    return msgspec.json.encode(valid | fields)


def test_headers_say_what_is_sent_by_whom_and_when() -> None:
    said = headers({})

    assert said["ce-type"] == "testwright.cancel-tasks"
    assert (said["ce-id"], said["ce-source"], said["ce-time"]) == ("c1/cancel", "/testwright/client", NOW.isoformat())


def test_a_message_goes_on_in_the_trace_of_its_cause() -> None:
    parent = f"00-{TRACE}-00f067aa0ba902b7-00"

    child = headers({"traceparent": parent})["traceparent"]

    assert child.split("-")[1] == TRACE
    assert child.split("-")[2] != "00f067aa0ba902b7"
    assert child.endswith("-00")


@pytest.mark.parametrize(
    "parent",
    [
        None,
        "",
        "garbage",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{'z' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-x-01",
    ],
)
def test_without_a_valid_cause_a_trace_begins(parent: str | None) -> None:
    trace = envelope.child_trace(parent, "id")

    assert trace == envelope.child_trace(None, "id")
    assert envelope.child_trace(trace, "next").split("-")[1] == trace.split("-")[1]


@given(st.text(), st.text())
def test_a_trace_is_the_same_for_the_same_message_whatever_its_parent_says(parent: str, id_: str) -> None:
    version, trace, span, flags = envelope.child_trace(parent, id_).split("-")

    assert (len(version), len(trace), len(span), len(flags)) == (2, 32, 16, 2)
    assert envelope.child_trace(parent, id_) == envelope.child_trace(parent, id_)


def test_a_body_decodes_to_what_was_encoded() -> None:
    assert envelope.decode(envelope.encode(CANCEL), CancelTasks) == CANCEL


@given(st.binary())
def test_a_body_that_is_no_message_is_refused_as_undecodable(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        envelope.decode(data, CancelTasks)


@pytest.mark.parametrize("id_", ["", "a b", "a.b", "*", ">", "-a", "a\n", "a" * 65, "ä"])
def test_an_id_that_is_not_one_subject_token_is_refused(id_: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.job_id"):
        envelope.decode(body(job_id=id_), JobSubmitted)


def test_a_time_without_offset_is_refused() -> None:
    assert envelope.decode(body(), JobSubmitted).created_at == NOW
    with pytest.raises(msgspec.ValidationError, match=r"\$\.created_at"):
        envelope.decode(body(created_at="2026-11-22T09:30:00"), JobSubmitted)

"""Each event of a task names the one that led to it, also where something else came between."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

from testwright import chain
from testwright_schemas import (
    Artifact,
    Attempt,
    CancelTasks,
    Message,
    Policy,
    Snapshot,
    SuiteGenerated,
    Target,
    TaskCancelRequested,
    TaskSubmitted,
    TimerFired,
    VerifySuite,
    envelope,
)

ATTEMPT = Attempt(number=1, engine="echo")
CANDIDATE = Artifact(name="candidate.tar.gz", digest="ab" * 32, size=1)
TARGET = Target(module="shop", path="shop.py")
SNAPSHOT = Snapshot(digest="cd" * 32, size=1, files=1)

SUBMITTED = TaskSubmitted(
    namespace="default",
    job_id="j",
    task_id="t",
    target=TARGET,
    snapshot=SNAPSHOT,
    policy=Policy(),
    created_at=datetime(2026, 11, 22, tzinfo=UTC),
)
GENERATED = SuiteGenerated(
    namespace="default", job_id="j", task_id="t", attempt=ATTEMPT, candidate=CANDIDATE, files=("a.py",), fence=1
)
ITEM = VerifySuite(
    namespace="default",
    job_id="j",
    task_id="t",
    attempt=ATTEMPT,
    target=TARGET,
    snapshot=SNAPSHOT,
    policy=Policy(),
    candidate=CANDIDATE,
    fence=1,
)


def _header(message: Message, cause: Mapping[str, str]) -> dict[str, str]:
    return chain.header(message, envelope.encode(message), cause)


def test_an_event_goes_by_the_digest_of_its_body() -> None:
    body = envelope.encode(SUBMITTED)

    assert _header(SUBMITTED, {}) == {chain.HEADER: hashlib.sha256(body).hexdigest()}


def test_an_event_names_the_event_that_led_to_it_through_a_work_item() -> None:
    first = _header(SUBMITTED, {})

    carried = _header(ITEM, first)
    second = chain.linked(GENERATED, carried)

    assert chain.linked(ITEM, first) is ITEM
    assert second.previous == chain.digest(envelope.encode(SUBMITTED))
    assert _header(second, carried) == {chain.HEADER: chain.digest(envelope.encode(second))}


def test_a_timer_carries_the_digest_on() -> None:
    timer = TimerFired(namespace="default", task_id="t", kind="deadline")

    assert _header(timer, _header(SUBMITTED, {})) == _header(SUBMITTED, {})


def test_what_follows_from_a_command_names_nothing() -> None:
    command = CancelTasks(namespace="default", command_id="c1")
    event = TaskCancelRequested(namespace="default", job_id="j", task_id="t", command_id="c1")

    assert _header(command, {}) == {}
    assert chain.linked(event, {}).previous is None

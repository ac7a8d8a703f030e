"""What the server does not check is closed by how streams are laid out."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.buses import told
from tests.support.guarded import Guarded, deployment, guarded
from testwright.bus._nats_link import Link
from testwright.bus._nats_wire import block
from testwright_schemas import subjects

pytestmark = pytest.mark.nats

MINE = subjects.events_of("acme")
CREATE = f"$JS.API.CONSUMER.CREATE.{subjects.EVENTS}"


@pytest.fixture
async def guard(tmp_path: Path) -> AsyncIterator[Guarded]:
    """Run a server with a client of one namespace."""
    async with guarded(tmp_path, "nkeys", deployment("nkeys", ["acme"])) as made:
        await made.apply()
        yield made


async def answer(
    guard: Guarded, title: str, subject: str, body: Any, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return what the server says to a request of a user."""
    link = Link()
    await link.open(guard.url(title), title)
    try:
        said = await link.request(subject, json.dumps(body).encode(), block(headers or {}))
    finally:
        await link.close()
    assert said is not None
    found: dict[str, Any] = json.loads(said.data)
    return found


def consumer(**config: Any) -> dict[str, Any]:
    return {"stream_name": subjects.EVENTS, "config": {"ack_policy": "none", "filter_subject": MINE, **config}}


@pytest.mark.parametrize(
    "target",
    [
        "testwright.command.other.submit",
        "testwright.event.other.task.t1.finished",
        "testwright.timer.set.other.t1.deadline-1",
        "$O.testwright-snapshots.M.other.d1",
        f"$JS.API.STREAM.PURGE.{subjects.EVENTS}",
        f"$JS.API.STREAM.DELETE.{subjects.EVENTS}",
        f"$JS.API.CONSUMER.DELETE.{subjects.EVENTS}.collector",
    ],
)
async def test_a_feed_delivers_to_no_stream_and_not_to_the_server(guard: Guarded, target: str) -> None:
    admin = await guard.connect("admin")
    await told(admin, subjects.task_event("acme", "t1", "finished"), b'{"filter": "testwright.event.other.>"}')

    made = await answer(guard, "client-acme", f"{CREATE}.x.{MINE}", consumer(name="x", deliver_subject=target))

    if "error" not in made:
        found = await answer(guard, "admin", f"$JS.API.CONSUMER.INFO.{subjects.EVENTS}.x", {})
        assert not found.get("push_bound")
        assert found["delivered"]["consumer_seq"] == 0


@pytest.mark.parametrize(
    "config",
    [
        {"filter_subject": subjects.EVENTS_ALL},
        {"filter_subject": "", "filter_subjects": [subjects.EVENTS_ALL]},
        {"durable_name": "collector"},
        {"name": "collector", "durable_name": "collector"},
    ],
)
async def test_a_consumer_is_what_the_subject_says_that_creates_it(guard: Guarded, config: dict[str, Any]) -> None:
    made = await answer(guard, "client-acme", f"{CREATE}.x.{MINE}", consumer(**config))

    assert made["error"]["code"] == 400


@pytest.mark.parametrize("subject", ["testwright.command.acme.submit", "$O.testwright-snapshots.C.acme.n1"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Nats-Rollup": "all"},
        {"Nats-Rollup": "sub"},
        {"Nats-TTL": "1s"},
        {"Nats-Schedule": "@at 2036-01-01T00:00:00Z", "Nats-Schedule-Target": "testwright.command.other.submit"},
    ],
    ids="-".join,
)
async def test_clients_say_things_where_nothing_is_rolled_up_or_scheduled(
    guard: Guarded, subject: str, headers: dict[str, str]
) -> None:
    said = await answer(guard, "client-acme", subject, {}, headers)

    assert "not permitted" in said["error"]["description"] or "disabled" in said["error"]["description"]

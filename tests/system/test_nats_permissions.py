"""What the server does not allow is said at once and by name, and what an actor needs is little."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from tests.support.buses import LOW, heard, taken, told, work
from tests.support.nats_server import World, nats_world
from testwright.bus.nats import connect
from testwright.bus.topology import declare
from testwright.errors import BusClosedError, ConnectError, PermissionDeniedError
from testwright_schemas import subjects

pytestmark = pytest.mark.nats

FINISHED = subjects.task_event("default", "t1", "finished")
AT_ONCE_S = 2.0
"""Well under the time after which a request without an answer is given up."""


def user(name: str, publish: list[str], subscribe: list[str] | None = None) -> dict[str, Any]:
    permissions = {"publish": publish, "subscribe": subscribe or [f"_INBOX_{name}.>"]}
    return {"user": name, "password": name, "permissions": permissions}


NOBODY = user("nobody", ["unused"])
DEAF = user("deaf", [">"], ["unused"])
WORKER = user(
    "worker",
    [f"$JS.API.CONSUMER.MSG.NEXT.{subjects.WORK}.{LOW}", f"$JS.ACK.{subjects.WORK}.{LOW}.>", subjects.EVENTS_ALL],
)
WATCHER = user(
    "watcher",
    [
        f"$JS.API.CONSUMER.CREATE.{subjects.EVENTS}.*.{subjects.events_of('default')}",
        f"$JS.API.STREAM.MSG.GET.{subjects.EVENTS}",
        f"$JS.FC.{subjects.EVENTS}.>",
    ],
)


MUTE = user("mute", [f"$JS.API.CONSUMER.MSG.NEXT.{subjects.EVENTS}.{subjects.COLLECTOR_CONSUMER}"])


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Run a server with the product's topology and users who may do little."""
    async with nats_world([NOBODY, DEAF, WORKER, WATCHER, MUTE]) as server:
        await server.apply(declare(["echo"]))
        yield server


async def connected(world: World, name: str) -> Any:
    return await world.connect(name, url=world.address(name, name), inbox_prefix=f"_INBOX_{name}")


async def test_a_wrong_password_is_refused_at_once(world: World) -> None:
    with anyio.fail_after(AT_ONCE_S), pytest.raises(ConnectError, match="Authorization"):
        async with connect(world.address("nobody", "guess"), name="stranger"):
            pass


async def test_an_error_never_shows_the_password(world: World) -> None:
    with pytest.raises(ConnectError) as caught:
        async with connect(world.address("nobody", "guess"), name="stranger"):
            pass

    assert "guess" not in str(caught.value)
    assert f"127.0.0.1:{world.port}" in str(caught.value)


async def test_a_server_that_is_not_there_is_given_up_soon(world: World) -> None:
    await world.kill()

    with anyio.fail_after(10), pytest.raises(ConnectError, match=str(world.port)):
        async with connect(world.url, name="early"):
            pass


async def test_a_server_that_hangs_is_said_not_to_answer(world: World) -> None:
    world.freeze()

    with anyio.fail_after(10), pytest.raises(ConnectError, match=f"{world.port}: it does not answer"):
        async with connect(world.url, name="early"):
            pass


async def test_a_refused_publish_is_named_at_once(world: World) -> None:
    bus = await connected(world, "nobody")

    with anyio.fail_after(AT_ONCE_S), pytest.raises(PermissionDeniedError) as caught:
        await told(bus, FINISHED, b"done")

    assert (caught.value.operation, caught.value.subject) == ("publish to", FINISHED)


async def test_a_refused_pull_is_named_at_once(world: World) -> None:
    bus = await connected(world, "nobody")

    with anyio.fail_after(AT_ONCE_S), pytest.raises(PermissionDeniedError, match=LOW):
        async with bus.slot(subjects.WORK, [LOW]) as slot:
            await slot.next()


async def test_a_refused_ack_is_named_at_once(world: World) -> None:
    await told(await connected(world, "worker"), subjects.task_event("default", "t1", "finished"), b"done")
    bus = await connected(world, "mute")

    async with bus.slot(subjects.EVENTS, [subjects.COLLECTOR_CONSUMER]) as slot:
        await (await slot.next()).done()
        with anyio.fail_after(AT_ONCE_S), pytest.raises(PermissionDeniedError, match=subjects.COLLECTOR_CONSUMER):
            await slot.next()


async def test_a_refused_feed_is_named_at_once(world: World) -> None:
    bus = await connected(world, "nobody")

    with anyio.fail_after(AT_ONCE_S), pytest.raises(PermissionDeniedError, match=subjects.EVENTS):
        async with bus.feed(subjects.EVENTS, [subjects.EVENTS_ALL]):
            pass


async def test_a_refused_look_up_is_named_at_once(world: World) -> None:
    bus = await connected(world, "nobody")

    with anyio.fail_after(AT_ONCE_S), pytest.raises(PermissionDeniedError, match=subjects.EVENTS):
        await bus.last(subjects.EVENTS, FINISHED)


async def test_who_may_not_listen_for_answers_is_told_when_connecting(world: World) -> None:
    with anyio.fail_after(AT_ONCE_S), pytest.raises(PermissionDeniedError, match="subscribe"):
        async with connect(world.address("deaf", "deaf"), name="deaf"):
            pass


async def test_a_worker_needs_its_queue_its_answers_and_its_events(world: World) -> None:
    admin = await world.connect("admin")
    await told(admin, work("t1"), b"do it")
    bus = await connected(world, "worker")

    async with bus.slot(subjects.WORK, [LOW]) as slot:
        delivery = await taken(slot)
        await told(bus, FINISHED, b"done")
        await delivery.in_progress()
        await delivery.ack()
        with anyio.move_on_after(0.1):
            await slot.next()

    assert await admin.last(subjects.WORK, work("t1")) is None
    assert await admin.last(subjects.EVENTS, FINISHED) is not None


async def test_a_client_may_be_held_to_the_events_of_its_namespace(world: World) -> None:
    admin = await world.connect("admin")
    bus = await connected(world, "watcher")

    async with bus.feed(subjects.EVENTS, [subjects.events_of("default")]) as feed:
        await told(admin, FINISHED, b"done")
        found = await heard(feed, 1)
    with anyio.fail_after(AT_ONCE_S), pytest.raises(PermissionDeniedError):
        async with bus.feed(subjects.EVENTS, [subjects.events_of("other")]):
            pass

    assert [stored.data for stored in found] == [b"done"]
    assert await bus.last(subjects.EVENTS, FINISHED) is not None


@pytest.mark.parametrize("crash", [False, True], ids=["live", "while reconnecting"])
async def test_credentials_that_no_longer_hold_end_everything_that_waits(world: World, crash: bool) -> None:
    states: list[str] = []
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(
            connect(
                world.address("worker", "worker"),
                name="worker",
                inbox_prefix="_INBOX_worker",
                on_state=lambda state, _: states.append(state),
            )
        )
        slot = await stack.enter_async_context(bus.slot(subjects.WORK, [LOW]))
        async with anyio.create_task_group() as tasks:

            async def wait() -> None:
                with anyio.fail_after(10), pytest.raises(BusClosedError, match="closed for good"):
                    await slot.next()

            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            world.users = [{**WORKER, "password": "changed"}]
            if crash:
                await world.restart()
            else:
                world.reload()
        with pytest.raises(BusClosedError):
            await told(bus, FINISHED, b"done")

    assert states[-1] == "closed"

"""Servers whose disk is slow, or full to the last byte because of others: what is said, what is kept, what goes on."""

import contextlib
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from benchmarks._echo import POLICY, bundle
from tests.support.nats_server import World, nats_world
from tests.support.served import serving
from tests.support.world import Engine
from testwright.bus import Bus
from testwright.bus.topology import declare
from testwright.client import Client
from testwright.errors import PublishTimeoutError
from testwright.pacing import until
from testwright_schemas import TaskFinished, subjects

pytestmark = pytest.mark.nats

TOPOLOGY = declare(["echo"])
MIB = 1024 * 1024


def event(number: int) -> str:
    return subjects.task_event("default", f"t{number}", "finished")


async def publish(bus: Bus, confirmed: list[int], times: int = 1000) -> None:
    """Publish again and again, or until that fails; ``confirmed`` gets the sequences."""
    for number in range(len(confirmed), len(confirmed) + times):
        receipt = await bus.publish(event(number), b"x" * 50_000, message_id=f"{number}")
        confirmed.append(receipt.sequence)


@asynccontextmanager
async def small_disk(folder: Path, size: int) -> AsyncGenerator[World]:
    """Run a server whose data is on a disk of its own of so many bytes, which others may fill."""
    await anyio.Path(folder).mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    mounted = await anyio.run_process(mount, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        async with AsyncExitStack() as stack:
            # It believes in more room than there is, as it does where others fill a disk that was empty.
            world = World(folder, stack, {"jetstream": {"max_file_store": 1024 * MIB}})
            await world.start()
            try:
                async with stack:
                    yield world
            finally:
                with anyio.CancelScope(shield=True):
                    await world.kill()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.run_process(["/bin/umount", "-l", str(folder)])


def fill(folder: Path) -> Path:
    """Leave no byte of the disk to anybody; returns what to delete to make room."""
    rest = folder / "rest"
    with rest.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * (4096 if os.statvfs(folder).f_bavail < 100 else 65536))
    return rest


async def test_a_disk_without_a_byte_left_costs_nothing_that_was_confirmed_and_what_waits_is_done_once_there_is_room(
    tmp_path: Path,
) -> None:
    disk = tmp_path / "disk"
    async with small_disk(disk, 24 * MIB) as world:
        await world.apply(TOPOLOGY)
        engine, client = Engine(), Client(await world.connect("client"))
        impatient = await world.connect("impatient", publish_timeout_s=1.0)
        engine.go.set()
        async with serving(world.url, engine), client.following():
            before = await client.submit_bundle(bundle(), POLICY)
            assert (await client.wait(before.tasks[0].id, timeout=60)).outcome == "completed"
            confirmed: list[int] = []
            await publish(impatient, confirmed, times=20)
            rest = fill(disk)
            with pytest.raises(PublishTimeoutError, match="it may be stored"):
                await publish(impatient, confirmed)
            result = await client.results(before.tasks[0].id)
            assert result is not None
            assert result.outcome == "completed"

            rest.unlink()
            # A server that has met the end of its disk once believes in room only when it starts again.
            await world.restart()
            again = await client.submit_bundle(bundle(), POLICY)
            assert (await client.wait(again.tasks[0].id, timeout=60)).outcome == "completed"
            assert await Client(await world.connect("reader")).results(before.tasks[0].id) == result
            assert len(confirmed) >= 20
            for sequence in confirmed:
                stored = await impatient.get(subjects.EVENTS, sequence)
                assert stored is not None
                assert stored.data == b"x" * 50_000


async def test_work_that_is_under_way_when_the_disk_fills_up_is_finished_once_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    async with small_disk(disk, 24 * MIB) as world:
        await world.apply(TOPOLOGY)
        engine, client = Engine(), Client(await world.connect("client"))
        async with serving(world.url, engine), client.following():
            job = await client.submit_bundle(bundle(), POLICY)
            await engine.has_begun(1)
            rest = fill(disk)
            engine.go.set()
            with anyio.move_on_after(3):
                await client.wait(job.tasks[0].id)
            rest.unlink()
            await world.restart()

            assert (await client.wait(job.tasks[0].id, timeout=120)).outcome == "completed"


async def test_a_server_on_a_disk_that_stalls_again_and_again_does_all_work_once() -> None:
    async with nats_world(jetstream={"sync_interval": "always"}) as world:
        await world.apply(TOPOLOGY)
        engine, client = Engine(), Client(await world.connect("client"))
        results: list[TaskFinished] = []
        engine.go.set()

        async def stall() -> None:
            while True:
                await until(anyio.current_time() + 0.2)
                world.freeze()
                await until(anyio.current_time() + 0.6)
                world.thaw()

        async with serving(world.url, engine), client.following(), anyio.create_task_group() as stalling:
            stalling.start_soon(stall)
            jobs = [await client.submit_bundle(bundle(), POLICY) for _ in range(20)]
            results += [await client.wait(job.tasks[0].id, timeout=120) for job in jobs]
            stalling.cancel_scope.cancel()
            world.thaw()

        assert [result.outcome for result in results] == ["completed"] * 20
        assert [result.attempts for result in results] == [1] * 20

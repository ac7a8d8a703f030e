"""What every bus promises about content kept by digest."""

import hashlib

import pytest

from tests.support.buses import World
from testwright.bus import Bus
from testwright.errors import BlobNotFoundError, BlobTooLargeError, StreamNotFoundError
from testwright_schemas import subjects

FIVE_MEGABYTES = bytes(range(256)) * (5 * 1024 * 1024 // 256)


@pytest.mark.parametrize("content", [b"", b"hello", FIVE_MEGABYTES], ids=["empty", "small", "5 MB"])
async def test_content_is_fetched_by_the_digest_it_was_put_under(world: World, bus: Bus, content: bytes) -> None:
    digest = await bus.put(subjects.SNAPSHOTS, "default", content)

    assert digest == hashlib.sha256(content).hexdigest()
    assert await (await world.connect()).fetch(subjects.SNAPSHOTS, "default", digest) == content


async def test_content_that_is_put_again_has_the_same_digest(bus: Bus) -> None:
    first = await bus.put(subjects.SNAPSHOTS, "default", b"hello")

    assert await bus.put(subjects.SNAPSHOTS, "default", b"hello") == first
    assert await bus.fetch(subjects.SNAPSHOTS, "default", first) == b"hello"


@pytest.mark.parametrize("content", [bytes(2001), FIVE_MEGABYTES], ids=["one chunk", "many chunks"])
async def test_content_is_not_taken_beyond_its_limit(bus: Bus, content: bytes) -> None:
    digest = await bus.put(subjects.SNAPSHOTS, "default", content)

    with pytest.raises(BlobTooLargeError, match=f"{digest} of {subjects.SNAPSHOTS} has more than 2000 bytes"):
        await bus.fetch(subjects.SNAPSHOTS, "default", digest, 2000)

    assert await bus.fetch(subjects.SNAPSHOTS, "default", digest, len(content)) == content


async def test_content_of_one_bucket_is_not_in_another(bus: Bus) -> None:
    digest = await bus.put(subjects.SNAPSHOTS, "default", b"hello")

    with pytest.raises(BlobNotFoundError) as caught:
        await bus.fetch(subjects.ARTIFACTS, "default", digest)

    assert (caught.value.bucket, caught.value.digest) == (subjects.ARTIFACTS, digest)


async def test_content_of_one_namespace_is_not_in_another(world: World, bus: Bus) -> None:
    digest = await bus.put(subjects.SNAPSHOTS, "acme", b"hello")

    with pytest.raises(BlobNotFoundError, match=digest):
        await bus.fetch(subjects.SNAPSHOTS, "other", digest)

    assert await bus.put(subjects.SNAPSHOTS, "other", b"hello") == digest
    assert await (await world.connect()).fetch(subjects.SNAPSHOTS, "other", digest) == b"hello"


async def test_content_that_was_never_put_is_not_found(bus: Bus) -> None:
    with pytest.raises(BlobNotFoundError):
        await bus.fetch(subjects.SNAPSHOTS, "default", hashlib.sha256(b"unknown").hexdigest())


@pytest.mark.parametrize("ask", ["put", "fetch"])
async def test_a_bucket_that_does_not_exist_is_named(bus: Bus, ask: str) -> None:
    with pytest.raises(StreamNotFoundError, match="nowhere"):
        await (
            bus.put("nowhere", "default", b"")
            if ask == "put"
            else bus.fetch("nowhere", "default", hashlib.sha256(b"").hexdigest())
        )

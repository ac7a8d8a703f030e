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
    digest = await bus.put(subjects.SNAPSHOTS, content)

    assert digest == hashlib.sha256(content).hexdigest()
    assert await (await world.connect()).fetch(subjects.SNAPSHOTS, digest) == content


async def test_content_that_is_put_again_has_the_same_digest(bus: Bus) -> None:
    first = await bus.put(subjects.SNAPSHOTS, b"hello")

    assert await bus.put(subjects.SNAPSHOTS, b"hello") == first
    assert await bus.fetch(subjects.SNAPSHOTS, first) == b"hello"


@pytest.mark.parametrize("content", [bytes(2001), FIVE_MEGABYTES], ids=["one chunk", "many chunks"])
async def test_content_is_not_taken_beyond_its_limit(bus: Bus, content: bytes) -> None:
    digest = await bus.put(subjects.SNAPSHOTS, content)

    with pytest.raises(BlobTooLargeError, match=f"{digest} of {subjects.SNAPSHOTS} has more than 2000 bytes"):
        await bus.fetch(subjects.SNAPSHOTS, digest, 2000)

    assert await bus.fetch(subjects.SNAPSHOTS, digest, len(content)) == content


async def test_content_of_one_bucket_is_not_in_another(bus: Bus) -> None:
    digest = await bus.put(subjects.SNAPSHOTS, b"hello")

    with pytest.raises(BlobNotFoundError) as caught:
        await bus.fetch(subjects.ARTIFACTS, digest)

    assert (caught.value.bucket, caught.value.digest) == (subjects.ARTIFACTS, digest)


async def test_content_that_was_never_put_is_not_found(bus: Bus) -> None:
    with pytest.raises(BlobNotFoundError):
        await bus.fetch(subjects.SNAPSHOTS, hashlib.sha256(b"unknown").hexdigest())


@pytest.mark.parametrize("ask", ["put", "fetch"])
async def test_a_bucket_that_does_not_exist_is_named(bus: Bus, ask: str) -> None:
    with pytest.raises(StreamNotFoundError, match="nowhere"):
        await (bus.put("nowhere", b"") if ask == "put" else bus.fetch("nowhere", hashlib.sha256(b"").hexdigest()))

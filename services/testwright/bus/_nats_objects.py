"""Content by digest, in the layout of a NATS object store, with the namespace as one more token of its subjects.

The server holds against those subjects what a client of one namespace stores, and what it reads: a consumer's filter is
a part of the subject that creates it. Where a chunk is, is said by the reader's namespace and not by the entry.

nats-py's own class is not used: its ``get`` copies what it has with each chunk and waits for ever for one that is gone,
and concurrent puts of one name leave chunks behind. Here an object's name is its digest, the entry that makes it known
is published last and only by one writer, and a fetch ends when the stream has no more.

Before there was such a token, contents of all namespaces were in one place: it is looked at where a namespace has none.
"""

import asyncio
import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple
from uuid import uuid4

import anyio
import msgspec

from testwright.bus import Stored
from testwright.bus._nats_feed import read_out
from testwright.bus._nats_link import Link
from testwright.bus._nats_multi import first_on
from testwright.bus._nats_publish import Publishing, message_headers, purge
from testwright.bus._nats_reader import message_get
from testwright.errors import (
    BlobCorruptError,
    BlobNotFoundError,
    BlobTooLargeError,
    ConflictError,
    PermissionDeniedError,
    StreamNotFoundError,
)
from testwright_schemas import envelope
from testwright_schemas.publication import Expect

_CHUNK = 512 * 1024
_FEW = 8
"""Chunks that are asked for at once; more are read at the reader's own pace, and so is what a lagging server lacks."""
_ROOM_FOR_HEADERS = 4096
_FRESH = timedelta(days=1)
"""Content put again later than this is stored anew, so that it does not expire under the task it was put for."""
_SURE_S = 60.0
"""Seconds for which the server is not asked again whether it keeps what it confirmed on the same connection."""
_REMEMBERED = 1000
"""Objects of which that is remembered."""
_SMALL = 64 * 1024
"""Bytes whose digest costs less than a thread."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What the object store knows of an object; the field names are those of NATS."""

    name: str
    bucket: str
    nuid: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]+\Z")]
    size: int
    chunks: Annotated[int, msgspec.Meta(ge=0)]
    digest: str


def stream_of(bucket: str) -> str:
    """Return the stream a bucket is kept in."""
    return f"OBJ_{bucket}"


class Place(NamedTuple):
    """Where contents are.

    Attributes:
        bucket: its name.
        namespace: whose; ``None`` for those of all namespaces.
    """

    bucket: str
    namespace: str | None

    def entry(self, name: str) -> str:
        """Return the subject of an object's entry."""
        return self._subject("M", urlsafe_b64encode(name.encode()).decode())

    def chunks(self, nuid: str) -> str:
        """Return the subject of an object's chunks."""
        return self._subject("C", nuid)

    def _subject(self, kind: str, last: str) -> str:
        return ".".join(filter(None, ("$O", self.bucket, kind, self.namespace, last)))


class Objects:
    """The object stores of a server.

    Args:
        link: the connection.
        within_s: how long an operation is tried again while the server does not answer.
        shared: whether to store where contents of all namespaces are, for versions that look nowhere else.
    """

    def __init__(self, link: Link, within_s: float, *, shared: bool = False) -> None:
        self._link = link
        self._within_s = within_s
        self._shared = shared
        self._sure_until: dict[tuple[Place, str, str], float] = {}

    async def put(self, bucket: str, namespace: str, data: bytes) -> str:
        """Store content once and return its SHA-256 in hexadecimal."""
        place = Place(bucket, None if self._shared else namespace)
        digest = await _sha256(data)
        name = digest.hex()
        # A server that was started anew, without what it had, is another connection.
        known_as, loop = (place, name, self._link.identity), asyncio.get_running_loop()
        if self._link.connected and self._sure_until.get(known_as, 0.0) > loop.time():
            return name
        sure_until = loop.time() + _SURE_S
        await self._store(place, digest, data)
        if len(self._sure_until) >= _REMEMBERED:
            self._sure_until.clear()
        self._sure_until[known_as] = sure_until
        return name

    async def fetch(self, bucket: str, namespace: str, digest: str, most: int) -> bytes:
        """Return content of a namespace by digest, checked; not much more than ``most`` bytes of it are read."""
        place = Place(bucket, namespace)
        stored = await self._entry(place, digest)
        if stored is None:
            place = Place(bucket, None)
            # Who is held to one namespace may not look there.
            with suppress(PermissionDeniedError):
                stored = await self._entry(place, digest)
        if stored is None:
            raise BlobNotFoundError(bucket, digest)
        return await self._content(place, stored, digest, most)

    async def _content(self, place: Place, stored: Stored, digest: str, most: int) -> bytes:
        bucket = place.bucket
        try:
            entry = envelope.decode(stored.data, _Entry)
        except msgspec.DecodeError as error:
            raise BlobCorruptError(f"{bucket} says nothing readable about {digest}: {error}") from error
        parts = await self._parts(place, entry, most) if entry.chunks else []
        if sum(map(len, parts)) > most:
            raise BlobTooLargeError(bucket, digest, most)
        if len(parts) < entry.chunks:
            raise BlobNotFoundError(bucket, digest)
        content = b"".join(parts)
        actual = (await _sha256(content)).hex()
        if actual != digest:
            raise BlobCorruptError(
                f"object {digest} of {bucket} has the content of {actual}: delete it and put it again"
            )
        return content

    async def _parts(self, place: Place, entry: _Entry, most: int) -> list[bytes]:
        link, within_s = self._link, self._within_s
        stream, subject = stream_of(place.bucket), place.chunks(entry.nuid)
        if entry.chunks <= _FEW and stream not in link.narrow:
            parts = await first_on(link, stream, subject, entry.chunks, within_s)
            if len(parts) == entry.chunks:
                return parts
        found: list[bytes] = []
        # What an entry says of its size, anybody may have written; what counts is what comes.
        room = most
        async for part in read_out(link, stream, [subject], "resume", within_s):
            found.append(part.data)
            room -= len(part.data)
            if room < 0:
                break
        return found

    async def _store(self, place: Place, digest: bytes, data: bytes) -> None:
        name = digest.hex()
        known = await self._entry(place, name)
        if known is not None and datetime.now(UTC) - known.time < _FRESH:
            return
        nuid = uuid4().hex
        step = min(_CHUNK, self._link.max_payload - _ROOM_FOR_HEADERS)
        chunks = [data[start : start + step] for start in range(0, len(data), step)]
        # One after the other: their order in the stream is their order in the object.
        for number, chunk in enumerate(chunks):
            await self._publish(place.chunks(nuid), chunk, message_headers(f"{nuid}/{number}", None))
        entry = _Entry(
            name=name,
            bucket=place.bucket,
            nuid=nuid,
            size=len(data),
            chunks=len(chunks),
            digest=f"SHA-256={urlsafe_b64encode(digest).decode()}",
        )
        subject = place.entry(name)
        expect = Expect(subject=subject, sequence=0 if known is None else known.sequence)
        try:
            await self._publish(subject, msgspec.json.encode(entry), message_headers(nuid, None, expect))
        except ConflictError:
            # Another writer was first with the same content. Who may not purge leaves the chunks, until they are too
            # old.
            with suppress(PermissionDeniedError):
                await purge(self._link, stream_of(place.bucket), place.chunks(nuid), self._within_s)

    async def _publish(self, subject: str, data: bytes, headers: Mapping[str, str]) -> None:
        await Publishing(self._link, subject, data, headers).run(self._within_s)

    async def _entry(self, place: Place, name: str) -> Stored | None:
        selector = {"last_by_subj": place.entry(name)}
        try:
            return await message_get(self._link, stream_of(place.bucket), selector, self._within_s)
        except StreamNotFoundError:
            raise StreamNotFoundError(f"bucket {place.bucket}") from None


async def _sha256(data: bytes) -> bytes:
    if len(data) <= _SMALL:
        return hashlib.sha256(data).digest()
    return await anyio.to_thread.run_sync(lambda: hashlib.sha256(data).digest())

"""The bus on NATS JetStream.

``connect`` opens a connection and ``apply_topology`` creates what actors bind to; an actor itself creates nothing but
the short-lived consumers of its feeds. How it is done is in the private modules beside this one, which are the only
ones that know asyncio and nats-py.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
from anyio.abc import TaskStatus

from testwright import settings
from testwright.bus import MOST_BYTES, Receipt, Slot, Stored, When
from testwright.bus._nats_feed import feed
from testwright.bus._nats_holding import Holding
from testwright.bus._nats_link import Link
from testwright.bus._nats_multi import last_per_subject
from testwright.bus._nats_objects import Objects
from testwright.bus._nats_publish import Publishing, home, message_headers, purge, schedule_headers
from testwright.bus._nats_reader import message_get
from testwright.bus._nats_slot import open_slot
from testwright.bus._nats_topology import apply, export
from testwright.bus.figures import Depth, depths
from testwright.bus.service import Endpoints, Service, answering
from testwright.bus.topology import QUEUES, Topology
from testwright_schemas.publication import Expect

__all__ = ["NatsBus", "apply_topology", "connect", "export"]


class NatsBus:
    """A connection to a NATS server: the whole ``Bus``.

    Args:
        link: an open connection.
        timeout_s: how long an operation is tried again while the server does not answer.
        leased: whether slots say which deliveries they hold.
        shared: whether contents are stored where those of all namespaces are.
    """

    def __init__(self, link: Link, timeout_s: float, *, leased: bool = False, shared: bool = False) -> None:
        self._link = link
        self._holding = Holding(link) if leased else None
        self._timeout_s = timeout_s
        self._objects = Objects(link, timeout_s, shared=shared)
        self._timers: str | None = None

    async def publish(
        self,
        subject: str,
        data: bytes,
        *,
        message_id: str,
        headers: Mapping[str, str] | None = None,
        expect: Expect | None = None,
    ) -> Receipt:
        """Store a message; retried under the same id until confirmed, so it is stored once."""
        about = message_headers(message_id, headers, expect)
        return await Publishing(self._link, subject, data, about).run(self._timeout_s)

    async def schedule(
        self, subject: str, data: bytes, *, at: When, target: str, headers: Mapping[str, str] | None = None
    ) -> Receipt:
        """Have the server publish ``data`` on ``target`` at a time, or again and again."""
        about = schedule_headers(headers, at, target)
        return await Publishing(self._link, subject, data, about).run(self._timeout_s)

    async def unschedule(self, subject: str) -> None:
        """Take back what is scheduled on ``subject``, if anything."""
        if self._timers is None:
            self._timers = await home(self._link, subject, self._timeout_s)
        await purge(self._link, self._timers, subject, self._timeout_s)

    async def forget(self, stream: str, subject: str) -> None:
        """Remove what a stream keeps on the subjects that match, if anything."""
        await purge(self._link, stream, subject, self._timeout_s)

    async def last(self, stream: str, subject: str) -> Stored | None:
        """Return the last message on a literal subject, as the stream's leader knows it."""
        return await message_get(self._link, stream, {"last_by_subj": subject}, self._timeout_s)

    async def get(self, stream: str, sequence: int) -> Stored | None:
        """Return the message with this sequence, ``None`` if there is none (any more)."""
        return await message_get(self._link, stream, {"seq": sequence}, self._timeout_s)

    async def next(self, stream: str, subject: str, *, after: int) -> Stored | None:
        """Return the first message behind a sequence on a subject, as the stream's leader knows it."""
        wanted = {"seq": after + 1, "next_by_subj": subject}
        return await message_get(self._link, stream, wanted, self._timeout_s)

    def last_per_subject(self, stream: str, filters: Sequence[str], *, at_least: int = 0) -> AsyncIterator[Stored]:
        """Yield the last message of each subject that matches a filter, in stream order.

        A subject that is published on meanwhile may come twice, the newer one later.
        """
        return last_per_subject(self._link, stream, filters, self._timeout_s, at_least)

    def feed(
        self, stream: str, filters: Sequence[str], *, after: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[Stored]]:
        """Follow a stream: every message that matches a filter, once, in order, across reconnects."""
        return feed(self._link, stream, filters, after, self._timeout_s)

    def slot(self, stream: str, consumers: Sequence[str], *, ahead: int = 0) -> AbstractAsyncContextManager[Slot]:
        """Open a slot over durable consumers, highest priority first."""
        return open_slot(self._link, stream, consumers, self._timeout_s, holding=self._holding, ahead=ahead)

    async def put(self, bucket: str, namespace: str, data: bytes) -> str:
        """Store content once and return its SHA-256 in hexadecimal; storing it again costs one look-up at most."""
        return await self._objects.put(bucket, namespace, data)

    async def fetch(self, bucket: str, namespace: str, digest: str, most: int = MOST_BYTES) -> bytes:
        """Return content of a namespace by digest, checked."""
        return await self._objects.fetch(bucket, namespace, digest, most)

    @property
    def connected(self) -> bool:
        """Return whether a message would reach the server now."""
        return self._link.connected

    async def depths(self) -> list[Depth]:
        """Return how long the queues are."""
        return await depths(self._link, QUEUES, self._timeout_s)

    async def answering(
        self, service: Service, endpoints: Endpoints, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Answer as a service of NATS until cancelled; see ``testwright.bus.service``."""
        await answering(self._link, service, endpoints, task_status=task_status)

    async def apply(self, topology: Topology) -> None:
        """Create what is missing of a topology, and change what is configured otherwise."""
        await apply(self._link, topology, self._timeout_s)


@asynccontextmanager
async def connect(
    url: str,
    *,
    name: str,
    inbox_prefix: str | None = None,
    publish_timeout_s: float = 30.0,
    leased: bool = False,
    on_state: Callable[[str, str], None] | None = None,
) -> AsyncGenerator[NatsBus]:
    """Connect to a server; the connection ends with the context.

    Once open it reconnects for ever. When the server closes it for good, because it no longer accepts the credentials,
    no new one is made with the same: everything that waits raises ``BusClosedError``, and so does every later call.

    Args:
        url: ``nats://user:password@host:port``, or ``nats://host:port?credentials=FILE``; several with commas between.
        name: what the server calls the connection in its logs.
        inbox_prefix: subject under which this connection listens for answers, where permissions demand another than the
            credentials file names.
        publish_timeout_s: how long an operation is tried again while the server does not answer.
        leased: whether it says which deliveries it holds, so that they can be handed on at once when it ends; see
            ``testwright.bus.reclaim``.
        on_state: told ``connected``, ``disconnected`` or ``closed``, with a detail.

    Raises:
        ConnectError: no server answers within a few seconds, or it refuses the credentials.
        PermissionDeniedError: the credentials do not allow to listen for answers.
    """
    link = Link(inbox_prefix, on_state)
    try:
        await link.open(url, name)
        yield NatsBus(link, publish_timeout_s, leased=leased, shared=settings.shared_contents())
    finally:
        with anyio.CancelScope(shield=True):
            await link.close()


async def apply_topology(target: str | NatsBus, topology: Topology) -> None:
    """Create what is missing of a topology on a server, given by its URL or by a connection; do no harm twice."""
    if isinstance(target, NatsBus):
        await target.apply(topology)
        return
    async with connect(target, name="testwright topology") as bus:
        await bus.apply(topology)

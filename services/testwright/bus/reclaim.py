"""Hands on what dead workers held: the only place that listens to the server's announcements of lost connections.

A worker that is killed holds its deliveries until the ack wait is over. The server knows at once that its connection
has ended and says so on the system account; whoever may listen there hands back, on behalf of the dead, what they held,
and the next worker has it within milliseconds. A worker that merely lost its connection goes on in vain: its attempt is
replaced, and its late events are refused.
"""

import logging
from typing import TypeVar

import anyio
import msgspec
from anyio.abc import TaskStatus

from testwright.bus._nats_delivery import NAK
from testwright.bus._nats_leases import Leases
from testwright.bus._nats_link import Link, State
from testwright.bus._nats_wire import Handler, Message
from testwright.errors import PermissionDeniedError
from testwright_schemas import Lease, envelope, subjects

_ENDS = "$SYS.ACCOUNT.*.DISCONNECT"
_WHO = "$SYS.REQ.USER.INFO"

T = TypeVar("T")

_log = logging.getLogger("testwright.bus.reclaim")


class _Server(msgspec.Struct):
    id: str


class _Client(msgspec.Struct):
    id: int
    name: str = ""


class _Ended(msgspec.Struct):
    """What the server says of a connection that has ended, as far as it matters here."""

    server: _Server
    client: _Client


class _Reclaimer:
    """Hears of leases on one connection and of ends on another."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._leases = Leases()

    def on_lease(self, message: Message) -> None:
        # What is said of leases is not to be believed further than that: nothing else is answered in another's name.
        if (lease := _read(message, Lease)) and all(ack.startswith("$JS.ACK.") for ack in (lease.ack, *lease.others)):
            self._hand_back(self._leases.note(lease), lease.connection)

    def on_end(self, message: Message) -> None:
        if end := _read(message, _Ended):
            self._hand_back(self._leases.end(f"{end.server.id}/{end.client.id}"), end.client.name)

    def on_state(self, state: State) -> None:
        if state == "disconnected":
            self._leases.clear()

    def _hand_back(self, acks: tuple[str, ...], whose: str) -> None:
        for ack in acks:
            _log.warning("handed-back worker=%s delivery=%s", whose, ack)
            self._link.post(ack, NAK)


def _read(message: Message, type_: type[T]) -> T | None:
    try:
        return envelope.decode(message.data, type_)
    except msgspec.DecodeError as error:
        _log.warning("not understood subject=%s error=%s", message.subject, error)
        return None


async def reclaiming(url: str, system_url: str, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
    """Hand back what dead workers held, until cancelled.

    Args:
        url: of the server, with credentials that may answer deliveries.
        system_url: of the same server, with credentials of its system account.
        task_status: told when it listens.

    Raises:
        ConnectError: the server cannot be reached, or refuses the credentials.
        PermissionDeniedError: the credentials do not allow to listen.
    """
    link, system = Link(), Link()
    reclaimer = _Reclaimer(link)
    try:
        await link.open(url, "testwright-reclaim")
        await system.open(system_url, "testwright-reclaim-system")
        with link.listening(reclaimer.on_state):
            await _listen(link, subjects.LEASES, reclaimer.on_lease)
            await _listen(system, _ENDS, reclaimer.on_end)
            task_status.started()
            await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await link.close()
            await system.close()


async def _listen(link: Link, subject: str, handler: Handler) -> None:
    refused: list[str] = []
    await link.subscribe(subject, handler, lambda: refused.append(subject))
    # The answer comes after a refusal of what was asked for before it.
    await link.request(_WHO, operation="ask who we are on")
    if refused:
        raise PermissionDeniedError("subscribe to", subject)

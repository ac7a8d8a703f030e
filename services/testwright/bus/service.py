"""Discovery: an actor answers ``$SRV.PING``, ``INFO`` and ``STATS`` as a service of NATS, so that its tools see it.

The protocol is that of NATS' ADR-32. An actor takes work from queues and not by request, so its endpoints are the
queues that it takes from: what they count is deliveries.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import anyio
import msgspec
from anyio.abc import TaskStatus

from testwright.bus._nats_link import Link
from testwright.bus._nats_wire import Message
from testwright_schemas import Record

CONTROL = "$SRV"
VERBS = ("PING", "INFO", "STATS")

_ANSWERS_TO = "_INBOX"
"""What a subject to answer on begins with: nobody may have us speak elsewhere."""

log = logging.getLogger("testwright.bus.service")


class Endpoint(Record, frozen=True, kw_only=True):
    """A queue that a service takes from.

    Attributes:
        name: of the consumer.
        subject: what it delivers.
        requests: deliveries so far.
        errors: those of them that were handed back or given up.
        last_error: how the last one of these ended.
        taken_ns: nanoseconds that handling has taken.
    """

    name: str
    subject: str
    requests: int = 0
    errors: int = 0
    last_error: str = ""
    taken_ns: int = 0


class Service(Record, frozen=True, kw_only=True):
    """Who answers.

    Attributes:
        name: of the kind of service, e.g. ``testwright-verifier``.
        id: of this one.
        version: three numbers with dots.
        description: for people.
        metadata: for programs.
        started: when it began.
    """

    name: str
    id: str
    version: str
    description: str
    started: datetime
    metadata: dict[str, str]


Endpoints = Callable[[], Sequence[Endpoint]]


def answer(service: Service, verb: str, endpoints: Sequence[Endpoint]) -> bytes:
    """Return what a service says to one of ``VERBS``."""
    said: dict[str, Any] = {
        "type": f"io.nats.micro.v1.{verb.lower()}_response",
        "name": service.name,
        "id": service.id,
        "version": service.version,
        "metadata": service.metadata,
    }
    match verb:
        case "INFO":
            said["description"] = service.description
            said["endpoints"] = [_info(each) for each in endpoints]
        case "STATS":
            # nats.py reads no time without a fraction.
            said["started"] = f"{service.started:%Y-%m-%dT%H:%M:%S.%fZ}"
            said["endpoints"] = [_stats(each) for each in endpoints]
        case _:
            pass
    return msgspec.json.encode(said)


async def answering(
    link: Link, service: Service, endpoints: Endpoints, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    """Answer until cancelled; quietly not at all where the server does not let us listen."""

    def reply(message: Message) -> None:
        verb = message.subject.split(".")[1]
        if verb in VERBS and message.reply.startswith(_ANSWERS_TO):
            link.post(message.reply, answer(service, verb, endpoints()))

    def refused() -> None:
        log.info("not-discoverable service=%s: the server does not let it listen on %s", service.name, CONTROL)

    retire = [
        await link.subscribe(subject, reply, refused)
        for subject in (
            f"{CONTROL}.*",
            f"{CONTROL}.*.{service.name}",
            f"{CONTROL}.*.{service.name}.{service.id}",
        )
    ]
    task_status.started()
    try:
        await anyio.sleep_forever()
    finally:
        for end in retire:
            end()


def _info(endpoint: Endpoint) -> dict[str, Any]:
    return {"name": endpoint.name, "subject": endpoint.subject, "queue_group": endpoint.name, "metadata": {}}


def _stats(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "name": endpoint.name,
        "subject": endpoint.subject,
        "queue_group": endpoint.name,
        "data": {},
        "num_requests": endpoint.requests,
        "num_errors": endpoint.errors,
        "last_error": endpoint.last_error,
        "processing_time": endpoint.taken_ns,
        "average_processing_time": endpoint.taken_ns // endpoint.requests if endpoint.requests else 0,
    }

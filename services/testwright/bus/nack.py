"""The topology as resources of NACK, the JetStream controller for Kubernetes: the only place with its names. Pure.

Made from the configurations that the server takes, so that nothing is said twice. NACK 0.21 is the first one that knows
message schedules.
"""

import re
from collections.abc import Mapping
from typing import Any

from testwright.bus._nats_wire import NS

VERSION = "jetstream.nats.io/v1beta2"

_STREAM = {
    "name": "name",
    "description": "description",
    "subjects": "subjects",
    "retention": "retention",
    "storage": "storage",
    "num_replicas": "replicas",
    "discard": "discard",
    "discard_new_per_subject": "discardPerSubject",
    "max_msgs_per_subject": "maxMsgsPerSubject",
    "max_age": "maxAge",
    "duplicate_window": "duplicateWindow",
    "allow_direct": "allowDirect",
    "allow_msg_schedules": "allowMsgSchedules",
    "allow_msg_ttl": "allowMsgTtl",
}
_CONSUMER = {
    "durable_name": "durableName",
    "deliver_policy": "deliverPolicy",
    "ack_policy": "ackPolicy",
    "ack_wait": "ackWait",
    "max_ack_pending": "maxAckPending",
    "max_deliver": "maxDeliver",
    "max_waiting": "maxWaiting",
    "filter_subjects": "filterSubjects",
}
_DURATIONS = frozenset({"max_age", "duplicate_window", "ack_wait"})


def resources(exported: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return a Kubernetes list of a Stream for each stream and bucket, and a Consumer for each consumer.

    Buckets are Streams and not ObjectStores, which would let anybody who may store content empty the bucket by a
    rollup. A resource that is deleted leaves its stream or consumer on the server.

    Args:
        exported: as of ``testwright.bus.nats.export``.

    Raises:
        KeyError: the server is to be told something that NACK has no name for.
    """
    streams = [_resource("Stream", each["name"], _spec(each, _STREAM)) for each in exported["streams"]]
    consumers = [_consumer(each["stream_name"], each["config"]) for each in exported["consumers"]]
    return {"apiVersion": "v1", "kind": "List", "items": [*streams, *consumers]}


def _consumer(stream: str, config: Mapping[str, Any]) -> dict[str, Any]:
    # A durable consumer has its name twice; NACK takes it once.
    spec = _spec({key: value for key, value in config.items() if key != "name"}, _CONSUMER)
    return _resource("Consumer", f"{stream}-{config['name']}", {"streamName": stream, **spec})


def _resource(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": re.sub(r"[^a-z0-9.]+", "-", name.lower())}
    return {"apiVersion": VERSION, "kind": kind, "metadata": metadata, "spec": {**spec, "preventDelete": True}}


def _spec(config: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names[key]: _duration(value) if key in _DURATIONS else value for key, value in config.items()}


def _duration(nanoseconds: int) -> str:
    """Return a duration as Go reads it."""
    seconds, rest = divmod(nanoseconds, NS)
    return f"{nanoseconds}ns" if rest else f"{seconds}s"

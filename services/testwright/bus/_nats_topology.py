"""The topology as configurations of the real server: how it is exported and applied."""

from typing import Any

from testwright.bus._nats_api import call
from testwright.bus._nats_link import Link
from testwright.bus._nats_objects import stream_of
from testwright.bus._nats_wire import NS
from testwright.bus.topology import Bucket, Consumer, Stream, Topology

_EXISTS_OTHERWISE = 10058
_MAX_WAITING = 10_000


def export(topology: Topology) -> dict[str, list[dict[str, Any]]]:
    """Return what the server's API takes, as JSON has it.

    ``streams`` are configurations; ``consumers`` are requests with ``stream_name`` and ``config``.
    """
    streams = [_stream(stream, topology.replicas) for stream in topology.streams]
    buckets = [_bucket(bucket, topology.replicas) for bucket in topology.buckets]
    return {"streams": [*streams, *buckets], "consumers": [_consumer(consumer) for consumer in topology.consumers]}


async def apply(link: Link, topology: Topology, within_s: float) -> None:
    """Create what is missing, and change what is configured otherwise."""
    exported = export(topology)
    for stream in exported["streams"]:
        name = stream["name"]
        created = await call(
            link,
            f"STREAM.CREATE.{name}",
            stream,
            within_s=within_s,
            name=f"stream {name}",
            expected=(_EXISTS_OTHERWISE,),
        )
        if "error" in created:
            await call(link, f"STREAM.UPDATE.{name}", stream, within_s=within_s, name=f"stream {name}")
    for consumer in exported["consumers"]:
        stream_name, name = consumer["stream_name"], consumer["config"]["name"]
        verb = f"CONSUMER.CREATE.{stream_name}.{name}"
        await call(link, verb, consumer, within_s=within_s, name=f"consumer {name} of stream {stream_name}")


def _stream(stream: Stream, replicas: int) -> dict[str, Any]:
    return {
        "name": stream.name,
        "subjects": list(stream.subjects),
        "retention": "workqueue" if stream.retention == "work" else "limits",
        "storage": "file",
        "num_replicas": replicas,
        "discard": "new" if stream.refuse_when_full else "old",
        "discard_new_per_subject": stream.refuse_when_full,
        "max_msgs_per_subject": stream.max_per_subject,
        "max_age": int((stream.max_age_s or 0) * NS),
        "duplicate_window": int(stream.duplicate_window_s * NS),
        "allow_direct": True,
        "allow_msg_schedules": stream.schedules,
        "allow_msg_ttl": stream.schedules,
    }


def _bucket(bucket: Bucket, replicas: int) -> dict[str, Any]:
    return {
        "name": stream_of(bucket.name),
        "description": "content by SHA-256, in the layout of an object store",
        "subjects": [f"$O.{bucket.name}.C.>", f"$O.{bucket.name}.M.>"],
        "retention": "limits",
        "storage": "file",
        "num_replicas": replicas,
        "discard": "new",
        "max_age": int(bucket.max_age_s * NS),
        "allow_direct": True,
    }


def _consumer(consumer: Consumer) -> dict[str, Any]:
    config = {
        "name": consumer.name,
        "durable_name": consumer.name,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": int(consumer.ack_wait_s * NS),
        "max_ack_pending": consumer.max_ack_pending,
        "max_deliver": -1,
        "max_waiting": _MAX_WAITING,
        "filter_subjects": list(consumer.filters),
    }
    return {"stream_name": consumer.stream, "config": config}

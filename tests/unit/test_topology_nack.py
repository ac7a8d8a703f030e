"""The topology as NACK's resources: held to the fields of its custom resource definitions, and to the real server's."""

import json
import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from testwright.bus import nack
from testwright.bus.nats import export
from testwright.bus.topology import QUEUES, declare
from testwright.cli.topology import app
from testwright.engines import registry

_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}
_NUMBER = {"type": "integer"}
_DURATION = {"type": "string", "pattern": r"^\d+(s|ns)$"}
_SUBJECTS = {"type": "array", "items": _TEXT, "minItems": 1}

# As the definitions of NACK 0.22 have them (deploy/crds.yml there), as far as we use them; nothing else may be said.
SPECS: dict[str, dict[str, Any]] = {
    "Stream": {
        "name": {"type": "string", "pattern": "^[^.*>]*$"},
        "description": _TEXT,
        "subjects": _SUBJECTS,
        "retention": {"enum": ["limits", "interest", "workqueue"]},
        "storage": {"enum": ["file", "memory"]},
        "replicas": {"type": "integer", "minimum": 1},
        "discard": {"enum": ["old", "new"]},
        "discardPerSubject": _FLAG,
        "maxMsgsPerSubject": _NUMBER,
        "maxAge": _DURATION,
        "duplicateWindow": _DURATION,
        "allowDirect": _FLAG,
        "allowMsgSchedules": _FLAG,
        "allowMsgTtl": _FLAG,
        "preventDelete": _FLAG,
    },
    "Consumer": {
        "durableName": {"type": "string", "pattern": "^[^.*>]+$"},
        "streamName": _TEXT,
        "deliverPolicy": {"enum": ["all", "last", "new", "byStartSequence", "byStartTime", "lastPerSubject"]},
        "ackPolicy": {"enum": ["none", "all", "explicit"]},
        "ackWait": _DURATION,
        "maxDeliver": {"type": "integer", "minimum": -1},
        "maxAckPending": _NUMBER,
        "maxWaiting": _NUMBER,
        "filterSubjects": _SUBJECTS,
        "preventDelete": _FLAG,
    },
}


def made(engines: tuple[str, ...] = ("pynguin",)) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the resources by kind and name on the server."""
    items: list[dict[str, Any]] = nack.resources(export(declare(engines)))["items"]
    return {(each["kind"], each["spec"].get("name") or each["spec"]["durableName"]): each for each in items}


def test_every_field_is_one_that_nack_knows() -> None:
    for (kind, _), resource in made(tuple(registry.names())).items():
        jsonschema.validate(resource["spec"], {"properties": SPECS[kind], "additionalProperties": False})
        assert resource["apiVersion"] == "jetstream.nats.io/v1beta2"


def test_there_is_a_resource_for_everything_that_is_exported() -> None:
    exported = export(declare(("pynguin", "echo")))

    resources = made(("pynguin", "echo"))

    streams = {("Stream", each["name"]) for each in exported["streams"]}
    consumers = {("Consumer", each["config"]["name"]) for each in exported["consumers"]}
    assert set(resources) == streams | consumers


def test_a_stream_of_work_refuses_a_second_message_on_a_subject() -> None:
    spec = made()["Stream", "TESTWRIGHT_WORK"]["spec"]

    assert (spec["retention"], spec["maxMsgsPerSubject"]) == ("workqueue", 1)
    assert (spec["discard"], spec["discardPerSubject"]) == ("new", True)


def test_only_timers_may_be_scheduled() -> None:
    scheduled = {name for (_, name), each in made().items() if each["spec"].get("allowMsgSchedules")}

    assert scheduled == {"TESTWRIGHT_TIMERS"}


def test_streams_of_queues_are_those_that_somebody_takes_from() -> None:
    assert set(QUEUES) == {consumer.stream for consumer in declare(("pynguin",)).consumers}


def test_durations_are_spelled_as_go_does() -> None:
    resources = made()

    assert resources["Stream", "TESTWRIGHT_EVENTS"]["spec"]["maxAge"] == "2592000s"
    assert resources["Consumer", "collector"]["spec"]["ackWait"] == "30s"


@given(st.integers(min_value=0, max_value=2**62))
def test_no_duration_loses_a_nanosecond(nanoseconds: int) -> None:
    exported = {"streams": [{"name": "S", "max_age": nanoseconds}], "consumers": []}

    said = nack.resources(exported)["items"][0]["spec"]["maxAge"]

    number, unit = re.fullmatch(r"(\d+)(s|ns)", said).groups()  # type: ignore[union-attr]  # the shape is the claim
    assert int(number) * {"s": 10**9, "ns": 1}[unit] == nanoseconds


def test_buckets_are_streams_that_nobody_can_roll_up() -> None:
    spec = made()["Stream", "OBJ_testwright-artifacts"]["spec"]

    assert "allowRollup" not in spec
    assert spec["subjects"] == ["$O.testwright-artifacts.C.>", "$O.testwright-artifacts.M.>"]


def test_names_are_what_kubernetes_takes_and_each_is_there_once() -> None:
    items = nack.resources(export(declare(tuple(registry.names()))))["items"]

    names = [(each["kind"], each["metadata"]["name"]) for each in items]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name) and len(name) < 254 for _, name in names)


def test_deleting_a_resource_keeps_what_the_stream_holds() -> None:
    assert all(each["spec"]["preventDelete"] for each in made().values())


def test_what_nack_has_no_name_for_is_not_left_out_in_silence() -> None:
    with pytest.raises(KeyError, match="allow_teleport"):
        nack.resources({"streams": [{"name": "S", "allow_teleport": True}], "consumers": []})


def test_the_command_line_prints_them_as_one_list() -> None:
    result = CliRunner().invoke(app, ["export", "--format", "nack", "--engine", "echo", "--replicas", "3"])

    document = json.loads(result.stdout)
    assert (document["apiVersion"], document["kind"]) == ("v1", "List")
    assert {each["spec"]["replicas"] for each in document["items"] if each["kind"] == "Stream"} == {3}

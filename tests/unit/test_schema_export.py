"""Schemas: what is committed is what the structs say, and valid by the standards' own schemas."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest

from testwright import schema_export
from testwright.bus import topology
from testwright.schema_export import MESSAGES, asyncapi, json_schemas, tag
from testwright_schemas import CancelTasks, Message, TaskMessage, envelope, subjects

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "schemas"
OFFICIAL = ROOT / "tests" / "golden" / "asyncapi" / "3.0.0.json"
STALE = "run `just schemas` and commit what it writes"


def leaves(type_: type[Message]) -> set[type[Message]]:
    children = {child for child in type_.__subclasses__() if child.__module__.startswith("testwright_schemas.")}
    return set[type[Message]]().union(*map(leaves, children)) if children else {type_}


def resolve(document: Any, reference: str) -> Any:
    for step in reference.removeprefix("#/").split("/"):
        document = document[step]
    return document


def test_every_message_struct_travels() -> None:
    assert leaves(Message) == set(MESSAGES)


def test_committed_schemas_are_current(tmp_path: Path) -> None:
    schema_export.write(tmp_path)

    written = {file.relative_to(tmp_path): file.read_text() for file in tmp_path.rglob("*.json")}
    committed = {file.relative_to(COMMITTED): file.read_text() for file in COMMITTED.rglob("*.json")}
    assert written.keys() == committed.keys(), STALE
    assert [str(name) for name in written if written[name] != committed[name]] == [], STALE


@pytest.mark.parametrize("type_", MESSAGES, ids=tag)
def test_a_schema_is_valid_complete_and_described(type_: type[Message]) -> None:
    schema = json_schemas()[tag(type_)]

    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] == type_.__name__
    assert schema["description"]
    assert schema["$id"].endswith(tag(type_))
    assert "\n  " not in schema["description"]
    references = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(schema)))
    assert references == set(schema.get("$defs", {}))


def test_the_asyncapi_document_is_valid_by_the_official_schema() -> None:
    official = json.loads(OFFICIAL.read_bytes())

    errors = jsonschema.Draft7Validator(official).iter_errors(asyncapi())

    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_the_official_schema_refuses_what_is_no_asyncapi_document() -> None:
    official = json.loads(OFFICIAL.read_bytes())
    broken = asyncapi()
    broken["operations"]["client-sends-submit-job"]["action"] = "shout"

    assert not jsonschema.Draft7Validator(official).is_valid(broken)


def test_every_reference_in_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi()

    for reference in set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(document))):
        if reference.startswith("#/"):
            assert resolve(document, reference)
        else:
            assert (COMMITTED / reference).is_file()


def test_every_message_has_a_sender_and_a_receiver() -> None:
    sent = {type_ for types in schema_export.SENDS.values() for type_ in types}
    received = {type_ for types in schema_export.RECEIVES.values() for type_ in types}

    assert sent == received == set(MESSAGES)


def test_addresses_are_the_subjects_that_streams_store() -> None:
    filters = [pattern for stream in topology.STREAMS for pattern in stream.subjects]

    for channel in asyncapi()["channels"].values():
        subject = re.sub(r"{\w+}", "x", channel["address"])
        assert any(matches(pattern, subject) for pattern in filters), subject
        assert set(channel["parameters"]) == set(re.findall(r"{(\w+)}", channel["address"]))


def matches(pattern: str, subject: str) -> bool:
    return bool(re.fullmatch(re.escape(pattern).replace(r"\*", "[^.]+").replace(">", ".+"), subject))


def test_the_collector_receives_the_task_events_its_consumer_asks_for() -> None:
    received = set(schema_export.RECEIVES["collector"]) & set(get_args(TaskMessage))
    channels = asyncapi()["channels"]

    kinds = {channels[tag(type_)]["address"].rsplit(".", 1)[-1] for type_ in received}

    assert kinds == set(topology.COLLECTED_KINDS)


def test_the_headers_we_send_are_the_ones_described() -> None:
    schema = asyncapi()["components"]["schemas"]["headers"]
    message = CancelTasks(namespace="default", command_id="c1")
    headers = envelope.headers(
        message,
        id_=subjects.message_id(message),
        source="/testwright/client",
        subject=subjects.command(message),
        time=datetime(2026, 11, 22, tzinfo=UTC),
        cause={},
    )

    assert set(headers) == set(schema["required"])
    jsonschema.Draft202012Validator(schema).validate(headers)

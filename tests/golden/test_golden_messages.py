"""Every message of version 1 ever released still decodes, and new fields have defaults."""

import json
from pathlib import Path
from typing import TypeAlias, cast

import jsonschema
import msgspec
import pytest

from testwright.schema_export import MESSAGES, json_schemas, tag
from testwright_schemas import Message, envelope

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

FULL = Path(__file__).parent / "messages" / "v1"
MINIMAL = Path(__file__).parent / "messages" / "v1-minimal"  # only what had no default when it was released
MAPPINGS = {"headers", "taken", "heads", "tails"}  # their keys are the sender's, so they have no unknown ones

every_message = pytest.mark.parametrize("type_", MESSAGES, ids=tag)


def golden(type_: type[Message], folder: Path = FULL) -> dict[str, Json]:
    loaded: dict[str, Json] = json.loads((folder / f"{tag(type_)}.json").read_bytes())
    return loaded


def decoded(value: Json, type_: type[Message]) -> Message:
    return envelope.decode(json.dumps(value).encode(), type_)


def with_unknown_fields(value: Json) -> Json:
    """Return what a sender of a later version might write."""
    if isinstance(value, dict):
        future: dict[str, Json] = {"from_the_future": {"n": 1}}
        known = {name: item if name in MAPPINGS else with_unknown_fields(item) for name, item in value.items()}
        return known | future
    if isinstance(value, list):
        return [with_unknown_fields(item) for item in value]
    return value


def as_released(encoded: Json, released: Json) -> Json:
    """Return ``encoded`` without the fields that were added since ``released``."""
    match encoded, released:
        case dict(), dict():
            return {name: as_released(encoded[name], item) for name, item in released.items()}
        case list(), list():
            return [as_released(*pair) for pair in zip(encoded, released, strict=True)]
        case _:
            return encoded


def missing_fields(value: object, released: Json, path: str = "") -> list[str]:
    """Return the paths of fields without a default that ``released`` lacks."""
    if isinstance(value, msgspec.Struct) and isinstance(released, dict):
        fields = msgspec.structs.fields(value)
        absent = [f"{path}.{field.name}" for field in fields if field.required and field.name not in released]
        known = [field.name for field in fields if field.name in released]
        return absent + [
            miss for name in known for miss in missing_fields(getattr(value, name), released[name], f"{path}.{name}")
        ]
    if isinstance(value, tuple) and isinstance(released, list):
        pairs = zip(cast("tuple[object, ...]", value), released, strict=True)
        return [miss for n, pair in enumerate(pairs) for miss in missing_fields(*pair, path=f"{path}[{n}]")]
    return []


def test_every_message_has_a_golden_file_and_every_file_a_message() -> None:
    tags = {tag(type_) for type_ in MESSAGES}

    assert {file.stem for file in FULL.glob("*.json")} == tags
    assert {file.stem for file in MINIMAL.glob("*.json")} == tags


@every_message
def test_a_golden_message_decodes_and_encodes_to_the_same(type_: type[Message]) -> None:
    message = decoded(golden(type_), type_)

    assert type(message) is type_
    assert as_released(json.loads(envelope.encode(message)), golden(type_)) == golden(type_)


@every_message
def test_a_message_of_a_later_version_decodes_without_what_we_do_not_know(type_: type[Message]) -> None:
    assert decoded(with_unknown_fields(golden(type_)), type_) == decoded(golden(type_), type_)


@every_message
def test_a_message_without_its_optional_fields_decodes(type_: type[Message]) -> None:
    message = decoded(golden(type_, MINIMAL), type_)

    assert as_released(json.loads(envelope.encode(message)), golden(type_, MINIMAL)) == golden(type_, MINIMAL)
    jsonschema.Draft202012Validator(json_schemas()[tag(type_)]).validate(golden(type_, MINIMAL))


@every_message
def test_a_field_without_default_was_there_in_version_1(type_: type[Message]) -> None:
    assert missing_fields(decoded(golden(type_), type_), golden(type_)) == []


def test_a_new_field_without_default_breaks_old_messages() -> None:
    class Wider(Message, frozen=True, kw_only=True):
        old: str
        new: str

    assert missing_fields(Wider(old="a", new="b"), {"type": "wider", "old": "a"}) == [".new"]
    with pytest.raises(msgspec.ValidationError, match="`new`"):
        decoded({"type": "wider", "old": "a"}, Wider)


@every_message
def test_a_golden_message_validates_against_its_schema(type_: type[Message]) -> None:
    validator = jsonschema.Draft202012Validator(json_schemas()[tag(type_)])

    assert [error.message for error in validator.iter_errors(golden(type_))] == []


@every_message
def test_a_golden_message_without_its_type_is_refused_by_its_schema(type_: type[Message]) -> None:
    validator = jsonschema.Draft202012Validator(json_schemas()[tag(type_)])

    assert not validator.is_valid({name: item for name, item in golden(type_).items() if name != "type"})

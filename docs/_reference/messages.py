"""The page of channels and messages, from the AsyncAPI document and the JSON Schemas it refers to."""

import json
import re
from pathlib import Path
from typing import Any

from docs._reference.text import GENERATED, table

SCHEMAS = Path(__file__).parents[2] / "schemas"

GROUPS = {
    "testwright.command.": "Commands: publish these",
    "testwright.event.": "Events: react to these",
    "testwright.work.": "Work: between actors",
    "testwright.timer.": "Timers: between actors",
}

HEAD = """# Commands, events and their fields

{description}

This page is [schemas/asyncapi.json](../../schemas/asyncapi.json) (AsyncAPI {asyncapi}, messages version {version})
for people. [Use it from your own service](../how-to/contract.md) has programs in Python, JavaScript and Go that do
so.

Unknown fields are to be skipped, and unknown kinds of messages, too: new ones may come at any time. A field never
changes its type. Where a field has a default it may be left out. How old and new versions get along:
[upgrading](../upgrading.md).

## Headers

A publisher needs none. `Nats-Msg-Id` makes the server forget a repeat; the others are what actors send.

"""


def messages() -> str:
    """Return the page."""
    document = json.loads((SCHEMAS / "asyncapi.json").read_bytes())
    about = document["info"]
    head = HEAD.format(description=about["description"], asyncapi=document["asyncapi"], version=about["version"])
    parts = [GENERATED, head + _headers(document["components"]["schemas"]["headers"])]
    for prefix, title in GROUPS.items():
        parts.append(f"## {title}\n")
        found = {key: each for key, each in document["channels"].items() if each["address"].startswith(prefix)}
        parts += [_channel(key, each, _roles(document, key)) for key, each in found.items()]
    return "\n".join(parts) + "\n" + _shared(document)


def _headers(schema: dict[str, Any]) -> str:
    needed = set(schema["required"])
    rows = [
        [f"`{name}`", "always" if name in needed else "often", each.get("description", each.get("format", ""))]
        for name, each in schema["properties"].items()
    ]
    return table(["header", "sent", ""], rows)


def _roles(document: dict[str, Any], key: str) -> dict[str, list[str]]:
    roles: dict[str, list[str]] = {"send": [], "receive": []}
    for operation in document["operations"].values():
        if operation["channel"]["$ref"] == f"#/channels/{key}":
            roles[operation["action"]] += [tag["name"] for tag in operation["tags"]]
    return roles


def _channel(key: str, channel: dict[str, Any], roles: dict[str, list[str]]) -> str:
    schema = _schema(_names(channel)[0])
    who = f"From {_listed(roles['send'])} to {_listed(roles['receive'])}."
    text = _markdown(schema["description"])
    return f"### {key}\n\n`{channel['address']}`\n\n{text}\n\n{who}\n\n{_fields(schema)}"


def _names(channel: dict[str, Any]) -> list[str]:
    return list(channel["messages"])


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "nobody"


def _schema(key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SCHEMAS / "json" / f"{key}.json").read_bytes())
    return found


def _markdown(text: str) -> str:
    return re.sub(r"``([^`]+)``", r"`\1`", text)


def _fields(schema: dict[str, Any]) -> str:
    required = set(schema.get("required", []))
    rows = [
        [
            f"`{name}`",
            _type(each),
            "required" if name in required else _default(each),
            _markdown(each.get("description", "")),
        ]
        for name, each in schema["properties"].items()
    ]
    return table(["field", "type", "default", ""], rows)


def _default(field: dict[str, Any]) -> str:
    told = json.dumps(field.get("default"))
    return f"`{told}`" if len(told) < 40 else "see below"


def _type(field: Any) -> str:
    match field:
        case {"$ref": reference}:
            name = reference.rsplit("/", 1)[-1]
            return f"[{name}](#{name.lower()})"
        case {"anyOf": choices}:
            return " or ".join(_type(choice) for choice in choices)
        case {"enum": values}:
            return ", ".join(f"`{value}`" for value in values)
        case {"type": "array"}:
            items = field.get("items")
            return f"list of {_type(items)}" if items else "list"
        case {"type": "object"} if field.get("additionalProperties"):
            return f"object of {_type(field['additionalProperties'])}"
        case _:
            return _simple(field)


def _simple(field: dict[str, Any]) -> str:
    words = [field.get("format") or field.get("type", "any")]
    limits = {"minimum": "≥", "maximum": "≤", "maxLength": "length ≤", "minLength": "length ≥"}
    words += [f"{sign} {field[name]}" for name, sign in limits.items() if name in field]
    if "pattern" in field:
        words.append("(64 hex digits)" if "{64}" in field["pattern"] else "(one word)")
    return " ".join(words)


def _shared(document: dict[str, Any]) -> str:
    found: dict[str, dict[str, Any]] = {}
    for channel in document["channels"].values():
        found |= _schema(_names(channel)[0]).get("$defs", {})
    parts = ["## Parts of messages\n"]
    for name in sorted(found):
        each = found[name]
        body = _fields(each) if "properties" in each else f"{_type(each)}\n"
        parts.append(f"### {name}\n\n{_markdown(each.get('description', ''))}\n\n{body}")
    return "\n".join(parts)

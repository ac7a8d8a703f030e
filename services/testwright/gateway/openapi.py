"""The OpenAPI 3.1 document of the HTTP API, made from ``routes``. Pure."""

import re
from collections.abc import Iterator
from typing import Any, cast

import msgspec

from testwright import json_schema
from testwright.gateway.problems import MEDIA_TYPE, Problem, problem_for
from testwright.gateway.routes import OPERATIONS, Operation
from testwright_schemas import Record

VERSION = "1.0.0"
"""Of the API, not of the package: a change that old callers cannot take makes it 2, under another path."""

_REF = "#/components/schemas/{name}"
_EVERYWHERE = (401, 403, 421, 429, 503)


def document() -> dict[str, Any]:
    """Return the document."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "testwright gateway",
            "version": VERSION,
            "summary": "Submit modules, follow and fetch their verified tests, for those without NATS.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "responses": {
                "problem": {"description": "What went wrong.", "content": {MEDIA_TYPE: _content(Problem)}},
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "testwright-session"},
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": list(_parameters(operation)),
        "responses": _responses(operation),
    }
    if operation.takes is not None:
        content = _media(operation.takes)
        found["requestBody"] = {"required": not operation.optional, "content": content}
    return found


def _parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", operation.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    described = "Whose tasks; the token's own, or the gateway's, by default."
    yield {"name": "namespace", "in": "query", "description": described, "schema": {"type": "string"}}
    if operation.query is not None:
        (schema,), definitions = msgspec.json.schema_components((operation.query,), ref_template=_REF)
        own = definitions[schema["$ref"].rpartition("/")[2]]
        for name, described_as in own["properties"].items():
            yield {"name": name, "in": "query", "schema": described_as}
    if operation.gives and isinstance(operation.gives, tuple):
        yield {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}}


def _responses(operation: Operation) -> dict[str, Any]:
    good: dict[str, Any] = {"description": operation.summary}
    if operation.gives is not None:
        good["content"] = _media(operation.gives)
    problems = {str(status): _problem(status) for status in sorted({*_EVERYWHERE, *operation.refusals})}
    return {str(operation.status): good, **problems}


def _problem(status: int) -> dict[str, Any]:
    return {"$ref": "#/components/responses/problem", "description": problem_for(status).title}


def _media(type_: Any) -> dict[str, Any]:
    match type_:
        case str():
            return {type_: {}}
        case (str() as media, None):
            return {media: {"schema": {"type": "string"}}}
        case (str() as media, data):
            # What is in the ``data`` of each frame; 3.1 has no word for it, 3.2 will say ``itemSchema``.
            return {media: {"schema": {"type": "string"}, "x-event-data": _content(data)["schema"]}}
        case _:
            return {"application/json": _content(type_)}


def _content(type_: type[Record]) -> dict[str, Any]:
    return {"schema": {"$ref": _REF.format(name=type_.__name__)}}


def _structs() -> Iterator[Any]:
    yield Problem
    for operation in OPERATIONS:
        for type_ in (operation.takes, operation.gives):
            found: Any = cast("tuple[Any, Any]", type_)[1] if isinstance(type_, tuple) else type_
            if isinstance(found, type):
                yield found


def _schemas() -> dict[str, Any]:
    return dict(sorted(json_schema.definitions(dict.fromkeys(_structs()), _REF).items()))

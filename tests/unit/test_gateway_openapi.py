"""The HTTP API's document, and the page's own laws."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from testwright.gateway import openapi
from testwright.gateway.api import Api
from testwright.gateway.app import STATIC
from testwright.gateway.routes import OPERATIONS

DOCUMENT = openapi.document()
FRONT = sorted(STATIC.iterdir())
PACING = {"pacing.js", "boot.js"}  # the only files that let time pass


def references(value: Any) -> set[str]:
    return set(re.findall(r'"\$ref": "#/components/(\w+/\w+)"', json.dumps(value)))


def test_every_operation_has_its_handler_and_every_handler_its_operation() -> None:
    handlers = {name for name in vars(Api) if not name.startswith("_")}

    assert handlers == {operation.name for operation in OPERATIONS}


def test_what_the_document_refers_to_is_in_it() -> None:
    known = {f"{kind}/{name}" for kind, group in DOCUMENT["components"].items() for name in group}

    assert references(DOCUMENT) <= known
    assert {name for name in known if name.startswith("schemas/")} <= references(DOCUMENT)


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_the_schemas_are_valid(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(DOCUMENT["components"]["schemas"][name])


def test_every_operation_says_its_parameters_and_problems() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            in_path = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert in_path == set(re.findall(r"{(\w+)}", path))
            assert {"401", "429"} <= operation["responses"].keys()
            assert any(status < "300" for status in operation["responses"])


@pytest.mark.parametrize("file", FRONT, ids=lambda file: file.name)
def test_the_page_is_small_loads_nothing_from_elsewhere_and_never_asks_again(file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    assert len(text.splitlines()) <= 300
    assert not re.search(r"setInterval|innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)
    assert file.name in PACING or "setTimeout" not in text
    assert not re.search(r"https?://(?!www\.w3\.org/)", text)
    assert not re.search(r"""\sstyle=|\son\w+=["']|<script>|<style""", text)

"""Which interpreter is taken, and what it says of itself."""

from pathlib import Path

import pytest
from packaging.version import Version

from testwright.environments import interpreters
from testwright.environments.interpreters import Found


def _found(*versions: str) -> list[Found]:
    return [Found(Path(f"/{version}/bin/python"), Version(version)) for version in versions]


def _versions(found: list[Found]) -> list[str]:
    return [str(each.version) for each in found]


def test_what_engines_work_best_on_comes_first() -> None:
    found = _found("3.9.1", "3.14.0", "3.13.0", "3.12.1", "3.10.2", "3.11.2", "3.11.7")

    assert _versions(interpreters.fitting(found, "")) == [
        "3.11.7",
        "3.11.2",
        "3.12.1",
        "3.13.0",
        "3.14.0",
        "3.10.2",
        "3.9.1",
    ]


def test_requires_python_is_honoured() -> None:
    assert _versions(interpreters.fitting(_found("3.11.7", "3.12.1", "3.13.0"), ">=3.12,!=3.12.1")) == ["3.13.0"]


def test_pre_releases_are_not_taken() -> None:
    assert interpreters.fitting(_found("3.15.0a1"), ">=3.14") == []


def test_a_tool_gets_its_minor_versions_in_its_order() -> None:
    found = _found("3.11.2", "3.12.1", "3.11.7", "3.13.0")

    assert _versions(interpreters.of_minors(found, ["3.12", "3.11"])) == ["3.12.1", "3.11.7", "3.11.2"]


def test_only_folders_named_by_a_release_are_interpreters() -> None:
    folders = [Path("/v/3.12.1"), Path("/v/pypy3.9-7.3"), Path("/v/3.13t-dev"), Path("/v/my-env")]

    assert interpreters.from_folders(folders) == [Found(Path("/v/3.12.1/bin/python"), Version("3.12.1"))]


def test_what_uv_lists_is_understood() -> None:
    output = b"""[
        {"version": "3.12.1", "path": "/a/python", "implementation": "cpython", "variant": "default"},
        {"version": "3.13.0", "path": "/b/python", "implementation": "cpython", "variant": "freethreaded"},
        {"version": "3.10.2", "path": "/c/python", "implementation": "pypy", "variant": "default"},
        {"version": "3.14.0", "path": null, "implementation": "cpython", "variant": "default"}
    ]"""

    assert interpreters.parse_uv_list(output) == [Found(Path("/a/python"), Version("3.12.1"))]


@pytest.mark.parametrize("output", [b"", b"\n", b"Welcome!\n", b"{}\n", b'{"version": [2, 7]}'])
def test_what_is_no_interpreter_is_told_by_its_answer(output: bytes) -> None:
    assert interpreters.parse_probe(output) is None

"""The only place that chooses among interpreters and knows what to ask one: pure."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from testwright_schemas import envelope

PREFERRED = ((3, 11), (3, 12))
"""What search-based engines work best on; then upwards, and what is older last."""

PROBE = """
import json, sys, sysconfig
print(json.dumps({
    "version": list(sys.version_info[:3]),
    "executable": sys.executable,
    "base": getattr(sys, "_base_executable", None) or sys.executable,
    "prefixes": [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix],
    "site_packages": sysconfig.get_path("purelib"),
    "path": [entry for entry in sys.path if entry],
}))
"""
"""Program that says what ``Probed`` holds."""


@dataclass(frozen=True, slots=True)
class Found:
    """An interpreter on this machine, not yet seen to run."""

    python: Path
    version: Version


class Probed(msgspec.Struct, frozen=True):
    """What an interpreter says of itself.

    Attributes:
        version: major, minor and micro.
        executable: absolute path it was run by.
        base: the interpreter that its virtual environment was made from; itself where it is in none.
        prefixes: its own and its base's folders.
        site_packages: where its packages lie.
        path: its ``sys.path`` in isolated mode.
    """

    version: tuple[int, int, int]
    executable: str
    base: str
    prefixes: tuple[str, ...]
    site_packages: str
    path: tuple[str, ...]


def parse_probe(output: bytes) -> Probed | None:
    """Return what ``PROBE`` printed, ``None`` where it did not get that far."""
    lines = output.strip().splitlines()
    try:
        return envelope.decode(lines[-1], Probed) if lines else None
    except msgspec.DecodeError:
        return None


def parse_uv_list(output: bytes) -> list[Found]:
    """Return the CPython interpreters of ``uv python list --output-format json``."""
    entries: list[dict[str, Any]] = json.loads(output)
    return [
        Found(Path(entry["path"]), Version(entry["version"]))
        for entry in entries
        if entry["implementation"] == "cpython" and entry.get("variant", "default") == "default" and entry["path"]
    ]


def from_folders(folders: Iterable[Path]) -> list[Found]:
    """Return the interpreters of folders named by version, as pyenv keeps them: ``3.12.1/bin/python``."""
    named = ((folder, re.fullmatch(r"\d+\.\d+\.\d+", folder.name)) for folder in folders)
    return [Found(folder / "bin" / "python", Version(folder.name)) for folder, match in named if match]


def fitting(found: Iterable[Found], requires_python: str) -> list[Found]:
    """Return those that satisfy a version specifier, best first."""
    specifier = SpecifierSet(requires_python)
    fit = [each for each in found if specifier.contains(each.version) and not each.version.is_prerelease]
    return sorted(fit, key=_rank)


def of_minors(found: Iterable[Found], minors: Sequence[str]) -> list[Found]:
    """Return those of the given minor versions (``"3.11"``), in that order, newest patch first."""
    fit = [each for each in found if _minor(each.version) in minors]
    return sorted(fit, key=lambda each: (minors.index(_minor(each.version)), -each.version.micro))


def _minor(version: Version) -> str:
    return f"{version.major}.{version.minor}"


def _rank(found: Found) -> tuple[int, int, int]:
    minor = found.version.release[:2]
    if minor in PREFERRED:
        return 0, PREFERRED.index(minor), -found.version.micro
    newer = minor > PREFERRED[-1]
    return (1, minor[1], -found.version.micro) if newer else (2, -minor[1], -found.version.micro)

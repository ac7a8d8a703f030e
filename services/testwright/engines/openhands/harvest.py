"""Which test files an agent left: new or changed ones in its workspace, read without following anything it laid out."""

import hashlib
import os
from collections.abc import Collection, Container, Iterator, Mapping
from pathlib import Path

from testwright.engines._returned import read_below

MOST_FILES = 50

SKIPPED = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__"})

Seen = Mapping[str, str]
"""Digests of test files by path relative to the workspace."""


def look(workspace: Path) -> Seen:
    """Return the test files that are there now."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in _test_files(workspace)}


def harvest(workspace: Path, before: Seen, taken: Collection[str] = ()) -> dict[str, bytes]:
    """Return the test files that are new or not what they were, by name without folders, each name once.

    Args:
        workspace: folder that the agent worked in.
        before: what was there when it began.
        taken: names that are given to none of them.
    """
    found: dict[str, bytes] = {}
    for name, content in _test_files(workspace):
        if before.get(name) != hashlib.sha256(content).hexdigest() and len(found) < MOST_FILES:
            found[free(Path(name).stem, {*found, *taken})] = content
    return found


def example(workspace: Path, module: str) -> tuple[str, str] | None:
    """Return a test file to show as the project's style: that of the same name as the module, else the first."""
    files = [(name, content) for name, content in _test_files(workspace) if b"def test" in content]
    own = f"test_{module.rpartition('.')[2]}.py"
    chosen = next((one for one in files if Path(one[0]).name == own), files[0] if files else None)
    return (chosen[0], chosen[1].decode(errors="replace")) if chosen else None


def free(stem: str, taken: Container[str]) -> str:
    """Return a file name with this stem, or one like it, that is not taken."""
    name, number = f"{stem}.py", 1
    while name in taken:
        number += 1
        name = f"{stem}_{number}.py"
    return name


def _test_files(workspace: Path) -> Iterator[tuple[str, bytes]]:
    for folder, folders, names in os.walk(workspace):
        folders[:] = sorted(set(folders) - SKIPPED)
        for name in sorted(names):
            if name.startswith("test_") and name.endswith(".py"):
                path = Path(folder, name).relative_to(workspace).as_posix()
                content = read_below(workspace, path)
                if content is not None:
                    yield path, content

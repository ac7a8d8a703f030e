"""The only place that writes verified suites among a user's files, and the only one that could overwrite them.

A Python file of ours ends in a comment with the digest of what stands above it. Whoever edits the file, or writes one
of that name by hand, owns it from then on: a later delivery goes beside it.
"""

import hashlib
import re
import secrets
from collections.abc import Collection, Iterator, Mapping
from itertools import count
from pathlib import Path, PurePath
from typing import TypeVar

from testwright import folders
from testwright.errors import SnapshotError
from testwright.snapshots.archive import unsafe

_P = TypeVar("_P", bound=PurePath)

_MARKED = re.compile(rb"(?P<body>.*)^# testwright: sha256=(?P<digest>[0-9a-f]{64})\r?\n?\Z", re.DOTALL | re.MULTILINE)


def default_output(root: Path) -> Path:
    """Return where the suites of a project go: ``tests/generated``."""
    return root / "tests" / "generated"


def check(output: Path) -> None:
    """Return if suites can be written below a folder, so that nobody waits for tests that have no place to go.

    Raises:
        SnapshotError: they cannot; says what is in the way.
    """
    obstacle = folders.obstacle(output)
    if obstacle:
        raise SnapshotError(
            f"suites cannot be written to {output}: {obstacle} is no folder that you may write to; "
            "name another one with --output"
        )


def deliver(files: Mapping[str, bytes], output: Path) -> list[Path]:
    """Write files below a folder and return where each of them is now, in the order of their names.

    Each file is replaced at once or not at all; one that is there already with the same content is left alone. Where a
    file is in the way that is not ours as we left it, the suite is written beside it as ``<stem>_testwright.py`` (then
    ``_testwright_2`` and so on). Files that are not Python carry no digest and never replace another one.

    Args:
        files: content by name relative to ``output``, with ``/``.
        output: folder; made if need be.

    Raises:
        SnapshotError: a name leaves ``output`` (then nothing is written), or a file cannot be written.
    """
    return write({_target(output, name): files[name] for name in sorted(files)})


def write(files: Mapping[Path, bytes]) -> list[Path]:
    """Write files where ``targets`` has found them to belong, by the rules of ``deliver``.

    Raises:
        SnapshotError: a file cannot be written.
    """
    delivered: list[Path] = []
    for path, content in files.items():
        delivered.append(_deliver(path, content, delivered))
    return delivered


def _target(output: Path, name: str) -> Path:
    reason = unsafe(name)
    if reason:
        raise SnapshotError(f"the file name {name!r} of a suite {reason}")
    path = output / name
    # A folder in between may be a link to elsewhere.
    if not path.parent.resolve().is_relative_to(output.resolve()):
        raise SnapshotError(f"the file {name!r} of a suite would be written outside {output}")
    return path


def _deliver(path: Path, content: bytes, delivered: Collection[Path]) -> Path:
    stamped = finished(path.name, content)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for place in places(path):
            if place in delivered:
                continue
            if _holds(place, stamped):
                return place
            if _is_free(place):
                _replace(place, stamped)
                return place
    except OSError as error:
        raise SnapshotError(f"the suite cannot be written to {path}: {error}") from error
    raise AssertionError("there is always another name")


def targets(files: Mapping[str, bytes], output: Path) -> dict[Path, bytes]:
    """Return what is to be written where, by the rule of submissions.

    A ``.py`` file as ``output`` gives its name to the suite's only file; the files of a larger suite keep theirs and
    go into the same folder.

    Raises:
        SnapshotError: a name leaves the folder.
    """
    if output.suffix != ".py":
        return {_target(output, name): files[name] for name in sorted(files)}
    if len(files) == 1:
        return {output: next(iter(files.values()))}
    return targets(files, output.parent)


def finished(name: str, content: bytes) -> bytes:
    """Return a file as it is delivered: Python with its digest, anything else as it is."""
    return stamp(content) if name.endswith(".py") else content


def places(path: _P) -> Iterator[_P]:
    """Yield the names that a suite may have, best first, without end."""
    yield path
    yield path.with_stem(f"{path.stem}_testwright")
    yield from (path.with_stem(f"{path.stem}_testwright_{n}") for n in count(2))


def stamp(content: bytes) -> bytes:
    """Return content with the digest of it as its last line, so that ``is_untouched`` knows it again."""
    body = content if content.endswith(b"\n") or not content else content + b"\n"
    return body + b"# testwright: sha256=" + hashlib.sha256(body).hexdigest().encode() + b"\n"


def is_untouched(content: bytes) -> bool:
    """Return whether content was stamped and is still what was stamped."""
    match = _MARKED.fullmatch(content)
    return match is not None and hashlib.sha256(match["body"]).hexdigest().encode() == match["digest"]


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _is_free(path: Path) -> bool:
    if not path.exists() and not path.is_symlink():
        return True
    return path.is_file() and not path.is_symlink() and is_untouched(path.read_bytes())


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)

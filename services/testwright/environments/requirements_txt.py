"""The only place that takes requirements files apart: pure, from texts to lines that hold anywhere on the machine."""

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from testwright.errors import EnvironmentBuildError

MOST_NESTED = 100
"""Requirements files that may be included each by the one before."""

_OPTION = re.compile(r"(?P<name>-r|--requirement|-c|--constraint|-e|--editable|-f|--find-links)(?:\s+|=)?(?P<value>.+)")
_COMMENT = re.compile(r"(^|\s)#.*$")


@dataclass(slots=True)
class Flat:
    """A requirements file with those it includes.

    Attributes:
        lines: requirements and options; paths are absolute.
        texts: contents of every file read, for a digest.
    """

    lines: list[str] = field(default_factory=list[str])
    texts: list[str] = field(default_factory=list[str])


def flatten(read: Callable[[str], str | None], name: str, root: str) -> Flat:
    """Return a requirements file with what it includes by ``-r`` put in its place.

    The project itself (``-e .``) is left out, other local projects are installed as they are now rather than editably.

    Raises:
        EnvironmentBuildError: an included file does not exist, or too many include each other (``bad-metadata``).
    """
    flat = Flat()
    _add(read, name, root, flat, seen=set())
    return flat


def _add(
    read: Callable[[str], str | None], name: str, root: str, flat: Flat, seen: set[str], *, depth: int = 0
) -> None:
    if name in seen:
        return
    if depth > MOST_NESTED:
        raise EnvironmentBuildError("bad-metadata", f"{name} is included by more than {MOST_NESTED} files in a row")
    seen.add(name)
    text = read(name)
    if text is None:
        raise EnvironmentBuildError("bad-metadata", f"{name} does not exist, but a requirements file includes it")
    flat.texts.append(text)
    folder = posixpath.dirname(name)
    for line in _logical_lines(text):
        option = _OPTION.fullmatch(line)
        if option and option["name"] in ("-r", "--requirement"):
            _add(read, posixpath.normpath(posixpath.join(folder, option["value"])), root, flat, seen, depth=depth + 1)
        elif option and option["name"] in ("-c", "--constraint"):
            constraints = posixpath.normpath(posixpath.join(folder, option["value"]))
            flat.texts.append(read(constraints) or "")
            flat.lines.append(f"-c {posixpath.join(root, constraints)}")
        else:
            flat.lines += _placed(line, option, root)


def _logical_lines(text: str) -> list[str]:
    lines = (_COMMENT.sub("", line).strip() for line in text.replace("\\\n", " ").splitlines())
    return [line for line in lines if line]


def _placed(line: str, option: re.Match[str] | None, root: str) -> list[str]:
    value = option["value"] if option else line
    if not value.startswith((".", "/")) and "://" in value:
        return [value if option and option["name"] in ("-e", "--editable") else line]
    if option and option["name"] in ("-f", "--find-links"):
        return [f"--find-links {posixpath.join(root, value)}"]
    if not option and not line.startswith((".", "/")):
        return [line]
    # Relative to the root and not to the file: so pip has it.
    path = posixpath.normpath(posixpath.join(root, value.partition("[")[0]))
    return [] if path == posixpath.normpath(root) else [path]

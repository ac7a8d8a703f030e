"""The only place that knows which of a project's files says what a module needs: pure, from texts to requirements."""

import configparser
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from testwright import toml
from testwright.environments import requirements_txt
from testwright.errors import EnvironmentBuildError

Read = Callable[[str], str | None]
"""Returns the text of a file by its path below the root (with ``/``), ``None`` where there is none."""

# The header of a script, as the inline script metadata specification (PEP 723) spells it.
_SCRIPT = re.compile(r"(?m)^# /// script\r?\n(?P<content>(?:^#(?:| .*)\r?\n)+?)^# ///\r?$")


@dataclass(frozen=True, slots=True)
class Needs:
    """What a module needs.

    Attributes:
        source: the file that says so, relative to the root; empty where none does.
        requirements: lines of a requirements file.
        requires_python: a version specifier; empty for any.
        built: whether only a build of ``source``'s project can tell its requirements; ``requirements`` is then empty.
        texts: contents that decide the outcome besides ``requirements``, for the digest.
    """

    source: str = ""
    requirements: tuple[str, ...] = ()
    requires_python: str = ""
    built: bool = False
    texts: tuple[str, ...] = ()


class _Project(msgspec.Struct, rename="kebab"):
    dependencies: list[str] = []
    requires_python: str = ""
    dynamic: list[str] = []


def needs(read: Read, names: Collection[str], target: str, root: str) -> Needs:
    """Return what the module at ``target`` needs.

    The first of these decides, alone: the script header of the module itself (PEP 723); the nearest
    ``pyproject.toml``, ``setup.cfg`` or ``setup.py`` at or above it that describes a project; ``requirements.txt`` at
    the root, or in its absence every ``requirements*.txt`` there. Optional dependencies and dependency groups stay out.

    Args:
        read: gives a file's text.
        names: of the files at the root.
        target: path of the module relative to the root.
        root: absolute path of the root, which paths inside requirements become absolute by.

    Raises:
        EnvironmentBuildError: a file cannot be understood (``bad-metadata``).
    """
    found = _of_script(read(target) or "", target)
    for folder in PurePosixPath(target).parents:
        found = found or _of_pyproject(read, folder) or _of_setup(read, folder)
    return found or _of_requirements(read, names, root)


def _of_script(text: str, name: str) -> Needs | None:
    header = _SCRIPT.search(text)
    if header is None:
        return None
    content = "".join(line[2:] if line.startswith("# ") else line[1:] for line in header["content"].splitlines(True))
    return _static(_project(_toml(content, name), name), text, name)


def _of_pyproject(read: Read, folder: PurePosixPath) -> Needs | None:
    name = str(folder / "pyproject.toml")
    text = read(name)
    if text is None:
        return None
    table = _toml(text, name)
    if "project" not in table:
        return _built(read, folder, name, "") if "dependencies" in toml.table(table, "tool", "poetry") else None
    project = _project(table["project"], name)
    if "dependencies" in project.dynamic or "sources" in toml.table(table, "tool", "uv"):
        return _built(read, folder, name, project.requires_python)
    return _static(project, text, name)


def _of_setup(read: Read, folder: PurePosixPath) -> Needs | None:
    name = str(folder / "setup.cfg")
    text = read(name) or ""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text, name)
    except configparser.Error as error:
        raise _bad(name, " ".join(str(error).split())) from error
    requires = parser.get("options", "install_requires", fallback="").strip()
    python = parser.get("options", "python_requires", fallback="").strip()
    if requires and not requires.startswith("file:"):
        lines = [line.partition(" #")[0].strip() for line in requires.splitlines()]
        return _static(_Project(dependencies=[line for line in lines if line], requires_python=python), text, name)
    if requires or read(str(folder / "setup.py")) is not None:
        return _built(read, folder, str(folder / "setup.py"), python)
    return None


def _of_requirements(read: Read, names: Collection[str], root: str) -> Needs:
    chosen = ["requirements.txt"] if "requirements.txt" in names else sorted(filter(_is_requirements, names))
    lines: list[str] = []
    texts: list[str] = []
    for name in chosen:
        flat = requirements_txt.flatten(read, name, root)
        lines += flat.lines
        texts += flat.texts
    return Needs(" and ".join(chosen), tuple(lines), texts=tuple(texts))


def _is_requirements(name: str) -> bool:
    return name.startswith("requirements") and name.endswith(".txt")


def _static(project: _Project, text: str, name: str) -> Needs:
    try:
        SpecifierSet(project.requires_python)
    except InvalidSpecifier as error:
        raise _bad(f"{name}:{_line_of(text, project.requires_python)}", f"requires-python: {error}") from error
    for requirement in project.dependencies:
        try:
            Requirement(requirement)
        except InvalidRequirement as error:
            where = f"{name}:{_line_of(text, requirement)}"
            raise _bad(where, f"{requirement!r} is not a requirement: {str(error).splitlines()[0]}") from error
    return Needs(name, tuple(project.dependencies), project.requires_python)


def _built(read: Read, folder: PurePosixPath, source: str, python: str) -> Needs:
    # Whatever a build backend usually reads its requirements from.
    names = ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt")
    texts = tuple(read(str(folder / name)) or "" for name in names)
    return Needs(source, requires_python=python, built=True, texts=texts)


def _project(table: object, name: str) -> _Project:
    try:
        return msgspec.convert(table, type=_Project)
    except msgspec.ValidationError as error:
        raise _bad(name, str(error)) from error


def _toml(text: str, name: str) -> dict[str, Any]:
    try:
        return toml.parse(text)
    except ValueError as error:
        raise _bad(name, str(error)) from error


def _line_of(text: str, part: str) -> int:
    return text.count("\n", 0, max(0, text.find(part))) + 1


def _bad(where: str, reason: str) -> EnvironmentBuildError:
    return EnvironmentBuildError("bad-metadata", f"{where}: {reason}; correct it and submit again")

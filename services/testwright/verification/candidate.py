"""The only place that reads candidate files without running them: their tests, and which cannot count. Pure."""

import ast
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from testwright.verification import assertions
from testwright.verification.assertions import Function
from testwright.verification.edits import first_line
from testwright.verification.reaching import reached
from testwright_schemas import CaseVerdict

MOST_BYTES = 1_000_000
"""Longest file that is read: what the parser makes of one takes a hundred times its size."""

_SWITCHED_OFF = frozenset({"xfail", "skip", "expectedFailure"})
_DEF = re.compile(r"^[ \t]*(?:async[ \t]+)?def[ \t]+(test\w*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Case:
    """A test as it stands in the source.

    Attributes:
        id: pytest's node id in the suite folder, without parameters.
        names: of the classes around it and of the function.
        is_property: whether Hypothesis drives it.
        flaw: why it cannot count as a test, whatever it does; empty if it may.
    """

    id: str
    names: tuple[str, ...]
    is_property: bool
    flaw: str


@dataclass(frozen=True, slots=True)
class Source:
    """A candidate file.

    Attributes:
        name: as the engine gave it.
        flat: its name in the suite folder, without folders: pytest would make packages of those.
        text: its content, with one character at each line end.
        tree: its syntax tree.
        cases: its tests, in order.
    """

    name: str
    flat: str
    text: str
    tree: ast.Module
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """All files: those that parse, and verdicts on what the others hold."""

    sources: tuple[Source, ...]
    rejected: tuple[CaseVerdict, ...]

    @property
    def cases(self) -> dict[str, Case]:
        """Every test by its id."""
        return {case.id: case for source in self.sources for case in source.cases}

    def source_of(self, case_id: str) -> str:
        """Return the text of a test, decorators included; empty where there is no such test."""
        for source in self.sources:
            for names, function, _ in _tests(source.tree.body, (), frozenset()):
                if "::".join((source.flat, *names)) == case_id:
                    lines = source.text.split("\n")
                    return "\n".join(lines[first_line(function) - 1 : function.end_lineno])
        return ""


def read(files: Mapping[str, bytes], python: tuple[int, int] | None = None) -> Candidate:
    """Return what the Python files of a candidate hold.

    Args:
        files: content by name.
        python: minor version that they are for, where it may be newer than ours.
    """
    sources: list[Source] = []
    rejected: list[CaseVerdict] = []
    for name, content in sorted(files.items()):
        if PurePosixPath(name).suffix != ".py":
            continue
        flat = _flat(name)
        if len(content) > MOST_BYTES:
            rejected.append(CaseVerdict(id=flat, verdict="not-collected", reason=f"is longer than {MOST_BYTES} bytes"))
            continue
        try:
            text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
            tree = parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            rejected += _unparsable(flat, content, error, _newer(python))
        else:
            sources.append(Source(name, flat, text, tree, tuple(_cases(flat, tree))))
    return Candidate(tuple(sources), tuple(rejected))


def parse(text: str) -> ast.Module:
    """Parse a file; what the compiler has to warn about is not our business."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def _flat(name: str) -> str:
    return "__".join(part for part in PurePosixPath(name).parts if part not in {"/", ".", ".."})


def _newer(python: tuple[int, int] | None) -> str:
    ours = sys.version_info[:2]
    if python is None or python <= ours:
        return ""
    theirs = ".".join(map(str, python))
    return f"; it is read with Python {ours[0]}.{ours[1]}: syntax of {theirs} takes a testwright that runs on {theirs}"


def _unparsable(flat: str, content: bytes, error: Exception, remedy: str) -> list[CaseVerdict]:
    where = f" (line {error.lineno})" if isinstance(error, SyntaxError) and error.lineno else ""
    what = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
    names = dict.fromkeys(_DEF.findall(content.decode(errors="replace")))
    ids = [f"{flat}::{name}" for name in names] or [flat]
    return [
        CaseVerdict(id=id_, verdict="not-collected", reason=f"does not parse: {what}{where}{remedy}") for id_ in ids
    ]


def _cases(flat: str, tree: ast.Module) -> Iterator[Case]:
    helpers = {node.name: node for node in ast.walk(tree) if isinstance(node, Function)}
    off = _marks(_module_marks(tree))
    judge = reached(tree)
    for names, function, inherited in _tests(tree.body, (), off):
        marks = inherited | _marks(function.decorator_list)
        flaw = _flaw(function, helpers, marks & _SWITCHED_OFF)
        flaw = f"its file reaches for what judges it ({judge})" if judge else flaw
        yield Case("::".join((flat, *names)), names, "given" in marks, flaw)


def _tests(
    body: list[ast.stmt], outer: tuple[str, ...], marks: frozenset[str]
) -> Iterator[tuple[tuple[str, ...], Function, frozenset[str]]]:
    for node in body:
        if isinstance(node, Function) and node.name.startswith("test"):
            yield (*outer, node.name), node, marks
        elif isinstance(node, ast.ClassDef) and is_test_class(node):
            yield from _tests(node.body, (*outer, node.name), marks | _marks(node.decorator_list))


def is_test_class(node: ast.ClassDef) -> bool:
    """Return whether pytest would look for tests in a class."""
    return node.name.startswith("Test") or any(assertions.last_name(base).endswith("TestCase") for base in node.bases)


def _flaw(function: Function, helpers: Mapping[str, Function], off: frozenset[str]) -> str:
    if off:
        return f"switched off by {', '.join(sorted(off))}"
    if assertions.is_empty(function):
        return "does nothing"
    if not assertions.can_fail(function, helpers):
        return "asserts nothing that can fail"
    return ""


def _module_marks(tree: ast.Module) -> list[ast.expr]:
    values = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and any(assertions.last_name(target) == "pytestmark" for target in node.targets)
    ]
    return [part for value in values for part in (value.elts if isinstance(value, ast.List | ast.Tuple) else [value])]


def _marks(decorators: list[ast.expr]) -> frozenset[str]:
    return frozenset(assertions.last_name(decorator) for decorator in decorators)

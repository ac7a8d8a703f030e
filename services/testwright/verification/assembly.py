"""The only place that makes one readable test file out of the kept tests of several. Pure: text in, text out."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from testwright.verification import edits, naming, renaming
from testwright.verification.assertions import Function
from testwright.verification.candidate import Source
from testwright.verification.edits import Edit
from testwright.verification.selection import Selection, bound, functions, is_fixture, select

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Assembled:
    """One file, not formatted yet and without a docstring.

    Attributes:
        text: its content.
        origins: for each test in it, by its names, the id it has in the candidate.
    """

    text: str
    origins: Mapping[Names, str]


def file_name(module: str) -> str:
    """Return where the tests of a module are delivered: below its package's path, under a name used only once."""
    *packages, _ = module.split(".")
    return "/".join([*packages, f"test_{module.replace('.', '_')}.py"])


def assemble(sources: Sequence[Source], kept: set[str], module: str) -> Assembled:
    """Return the kept tests in one file.

    Args:
        sources: the candidate's files.
        kept: ids of the tests to keep.
        module: dotted name of the target, for the names of tests that have only a number.
    """
    merger = _Merger(module, _reserved(sources))
    for source in sources:
        own = {case.names: case.id for case in source.cases if case.id in kept}
        if own:
            merger.add(source, own)
    text = "\n".join([*dict.fromkeys(merger.futures), *merger.imports, *merger.bodies])
    return Assembled(text, merger.origins)


def _reserved(sources: Sequence[Source]) -> set[str]:
    """Return every name of the files that a test could collide with."""
    names = {node.id for source in sources for node in ast.walk(source.tree) if isinstance(node, ast.Name)}
    for source in sources:
        names.update(name for statement in source.tree.body for name in bound(statement))
    return names


@dataclass(slots=True)
class _Merger:
    module: str
    taken: set[str]
    futures: list[str] = field(default_factory=list[str])
    imports: list[str] = field(default_factory=list[str])
    bodies: list[str] = field(default_factory=list[str])
    origins: dict[Names, str] = field(default_factory=dict[Names, str])
    known: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, source: Source, own: Mapping[Names, str]) -> None:
        """Add the kept tests of one file, with what they need."""
        selection = select(source.tree, own.keys())
        classes = {names[0] for names in own if len(names) > 1}
        collisions = self._collisions(source, selection, classes)
        changes = [*collisions.changes, *self._tests(source, own, collisions.names)]
        stay = {id(statement) for statement in selection.statements} - collisions.repeated
        leading = _leading_imports(source.tree)
        for statement in source.tree.body:
            if id(statement) not in stay:
                changes.append(_cut(source.text, statement))
            elif statement in leading:
                changes.append(edits.removal(statement))
                self._hoist(source, statement, changes)
        changes += _method_cuts(source, selection)
        self.bodies.append(edits.apply(source.text, changes).strip("\n") + "\n\n")

    def _hoist(self, source: Source, statement: ast.stmt, changes: Sequence[Edit]) -> None:
        """Put an import to the others, with the new names of what it imports."""
        first, last = statement.lineno, statement.end_lineno or statement.lineno
        inside = [edit for edit in changes if first <= edit.line and edit.end_line <= last]
        shifted = [Edit(e.line - first + 1, e.column, e.end_line - first + 1, e.end_column, e.text) for e in inside]
        text = "\n".join(source.text.split("\n")[first - 1 : last])
        future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
        (self.futures if future else self.imports).append(edits.apply(text, shifted))

    def _collisions(self, source: Source, selection: Selection, classes: set[str]) -> "_Collisions":
        """Rename what an earlier file uses the same name for; leave out what is the very same thing."""
        result = _Collisions()
        before = dict(self.known)
        for statement in selection.statements:
            if isinstance(statement, Function) and statement.name.startswith("test"):
                continue
            for name, meaning in _meanings(statement):
                self.known.setdefault(name, meaning)
                if name not in before:
                    continue
                if name in classes or before[name] != meaning:
                    result.rename(source, statement, name, naming.unique(name, self.taken))
                elif not isinstance(statement, ast.Import | ast.ImportFrom):
                    result.repeated.add(id(statement))
        return result

    def _tests(self, source: Source, own: Mapping[Names, str], renamed: Mapping[str, str]) -> Iterator[Edit]:
        """Name the tests: numbered ones by what they test, equal names apart."""
        for names, node in functions(source.tree.body):
            if names not in own:
                continue
            old = names[-1]
            new = self._name(source, names, node)
            edit = None if new == old else renaming.rename_definition(source.text, node, old, new)
            if edit is not None:
                yield edit
            outer = (renamed.get(name, name) for name in names[:-1])
            self.origins[*outer, new if edit is not None else old] = own[names]

    def _name(self, source: Source, names: Names, node: Function) -> str:
        old = names[-1]
        wish = naming.speaking(node, self.module, source.tree) if naming.is_numbered(old) else old
        if len(names) == 1:
            if wish == old and (old,) not in self.origins:
                self.taken.add(old)
                return old
            return naming.unique(wish, self.taken)
        siblings = {function[-1] for function, _ in functions(source.tree.body) if function[:-1] == names[:-1]}
        siblings |= {each[-1] for each in self.origins if each[:-1] == names[:-1]}
        return old if wish == old else naming.unique(wish, siblings)


@dataclass(slots=True)
class _Collisions:
    """What of a file must change because of the files before it."""

    changes: list[Edit] = field(default_factory=list[Edit])
    names: dict[str, str] = field(default_factory=dict[str, str])
    repeated: set[int] = field(default_factory=set[int])

    def rename(self, source: Source, statement: ast.stmt, old: str, new: str) -> None:
        if old in self.names:
            return
        changes = renaming.renames(source.text, source.tree, old, new, fixture=is_fixture(statement))
        if changes is not None:
            self.changes += changes
            self.names[old] = new


def _meanings(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """Yield each name that a statement binds, with something equal for statements that bind it to the same thing."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        origin = f"{statement.level}{statement.module}" if isinstance(statement, ast.ImportFrom) else ""
        for alias in statement.names:
            plain = alias.asname or alias.name.partition(".")[0]
            yield plain, f"import {origin} {alias.name if alias.asname or origin else plain}"
    else:
        for name in sorted(bound(statement)):
            yield name, ast.dump(statement)


def _leading_imports(tree: ast.Module) -> list[ast.stmt]:
    """Return the imports before anything else is done: later ones may depend on it."""
    result: list[ast.stmt] = []
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            result.append(statement)
        elif not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            break
    return result


def _method_cuts(source: Source, selection: Selection) -> Iterator[Edit]:
    """Take dropped methods out of classes that stay; a class that had nothing else keeps a ``pass``."""
    dropped = {id(node) for node in selection.dropped}
    for statement in selection.statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.ClassDef):
                going = [child for child in node.body if id(child) in dropped]
                rest = " " * node.body[0].col_offset + "pass\n" if len(going) == len(node.body) else ""
                for child in going:
                    yield _cut(source.text, child, rest if child is going[-1] else "")


def _cut(text: str, node: ast.stmt, instead: str = "") -> Edit:
    """Return the edit that takes out a statement and the comment lines right above it."""
    lines = text.split("\n")
    first = edits.first_line(node)
    while first > 1 and lines[first - 2].lstrip().startswith("#"):
        first -= 1
    whole = edits.removal(node, instead)
    return Edit(first, 0, whole.end_line, 0, instead)

"""Takes the examples in a module's documentation for calls worth testing. Pure.

Whoever wrote them chose arguments that mean something, which a search comes by only by chance. What an example is said
to print is left out: it is observed what comes of it, like of any other call.
"""

import ast
import builtins
import doctest
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

MOST = 60
"""Tests that are made of examples."""

_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def examples(target: ast.Module, module: str, alias: str) -> list[ast.FunctionDef]:
    """Return tests that do what the documentation shows, and assert nothing.

    Examples that share variables make one test; any other, and one that is shown to raise, makes a test of its own.
    What needs more than the module, its package's names for it and the standard library is left out.

    Args:
        target: the module.
        module: its dotted name.
        alias: what the tests call it.
    """
    world = _World(module, alias, frozenset(_defined(target)))
    bodies = [body for docs in _texts(target) for body in _bodies(docs, world)]
    distinct = {"\n".join(map(ast.unparse, body)): body for body in bodies}
    return [_test(body) for body in list(distinct.values())[:MOST]]


def _texts(target: ast.Module) -> Iterator[str]:
    documented = (node for node in ast.walk(target) if isinstance(node, _DOCUMENTED))
    yield from filter(None, (ast.get_docstring(node) for node in documented))


def _defined(target: ast.Module) -> Iterator[str]:
    """Yield the names at the top of a module."""
    for node in target.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (each.asname or each.name.partition(".")[0] for each in names)
            case _:
                yield from _stored(node)


def _stored(node: ast.AST) -> set[str]:
    """Return the names that a statement gives a value or takes as arguments."""
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    return names | {each.arg for each in ast.walk(node) if isinstance(each, ast.arg)}


@dataclass(frozen=True, slots=True)
class _World:
    """What examples may name: ``names`` of the ``module``, which tests call ``alias``."""

    module: str
    alias: str
    names: frozenset[str]

    def is_module(self, name: str) -> bool:
        """Say whether a name is that of the module or of a package that it is in."""
        return f"{self.module}.".startswith(f"{name}.")


@dataclass(slots=True)
class _Session:
    """One text's examples so far: the names that they have, and those statements that share some."""

    names: set[str] = field(default_factory=set[str])
    shared: list[ast.stmt] = field(default_factory=list[ast.stmt])


def _bodies(docs: str, world: _World) -> Iterator[list[ast.stmt]]:
    session = _Session()
    for statement, raises in _statements(docs):
        match statement:
            case ast.Import() | ast.ImportFrom():
                _take_import(session, statement, world)
            case ast.Assign() | ast.Expr():
                yield from _step(session, statement, world, raises=raises)
            case _:
                # What comes after may depend on it.
                break
    if any(isinstance(each, ast.Expr) for each in session.shared):
        yield session.shared


def _step(
    session: _Session, statement: ast.Assign | ast.Expr, world: _World, *, raises: bool
) -> Iterator[list[ast.stmt]]:
    used = {each.id for each in ast.walk(statement) if isinstance(each, ast.Name)}
    shares = isinstance(statement, ast.Assign) or not used.isdisjoint(session.names)
    plain = _Qualified(world, session.names | _stored(statement)).of(_unprinted(statement))
    if plain is None:
        return
    if raises or not shares:
        yield [*(session.shared if shares else []), plain]
    else:
        session.names |= _stored(statement)
        session.shared.append(plain)


def _statements(docs: str) -> Iterator[tuple[ast.stmt, bool]]:
    """Yield what the examples of a text do, and whether that is shown to raise."""
    try:
        found = doctest.DocTestParser().get_examples(docs)
    except ValueError:
        # It looks like examples and is none.
        return
    for each in found:
        if each.options.get(doctest.SKIP):
            continue
        try:
            body = ast.parse(each.source).body
        except SyntaxError:
            continue
        yield from ((statement, each.exc_msg is not None) for statement in body)


def _take_import(session: _Session, statement: ast.Import | ast.ImportFrom, world: _World) -> None:
    """Note what an import brings; the module itself, and what is in it, is there already."""
    origin = statement.module if isinstance(statement, ast.ImportFrom) else statement.names[0].name
    if origin and not world.is_module(origin) and origin.partition(".")[0] in sys.stdlib_module_names:
        session.names |= {each.asname or each.name.partition(".")[0] for each in statement.names}
        session.shared.append(statement)


def _unprinted(statement: ast.Assign | ast.Expr) -> ast.Assign | ast.Expr:
    """Return the value that is printed instead of the printing of it."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=[printed], keywords=[])):
            return ast.Expr(printed)
        case _:
            return statement


class _Qualified(ast.NodeTransformer):
    """Calls what is in the module by the module's name in the tests."""

    def __init__(self, world: _World, local: Collection[str]) -> None:
        self._world = world
        self._local = local
        self._unknown = False

    def of(self, statement: ast.stmt) -> ast.stmt | None:
        """Return a statement, ``None`` where it names what is not known."""
        result: ast.stmt = self.visit(statement)
        return None if self._unknown or self._world.alias in self._local else result

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Look through the names of packages that the module is in."""
        if node.attr in self._world.names and self._world.is_module(ast.unparse(node.value)):
            return self._inside(node.attr)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Name what is in the module."""
        if node.id in self._local:
            return node
        if node.id in self._world.names:
            return self._inside(node.id)
        self._unknown |= not hasattr(builtins, node.id)
        return node

    def _inside(self, name: str) -> ast.Attribute:
        return ast.Attribute(ast.Name(self._world.alias, ast.Load()), name, ast.Load())


def _test(body: list[ast.stmt]) -> ast.FunctionDef:
    empty = ast.parse("def test_0():\n    pass\n").body[0]
    assert isinstance(empty, ast.FunctionDef)  # noqa: S101  it is written above
    empty.body = body
    return empty

"""Makes a suite that Pynguin wrote fit to be read, without changing what it checks.

The module under test gets one plain import and one name. A test that strings together what has nothing to do with each
other becomes several. Literals, enum members and results that are used once stand where they are used. Assertions on
the module's own state, which Pynguin repeats in every test, are made once, in a test for each name; where the state
differs between tests they stay. Variables are named after what they hold; tests are sorted by what they call and only
numbered, since verification names those that it keeps. Equal tests, unused imports and the tool's header go. The
seeding of ``random`` stays where Pynguin wrote it, which it does for modules that use it, and before the import of the
module, as it must.
"""

import ast
import keyword
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from testwright.engines import _tidy_body as body
from testwright.engines import _tidy_checks as checks
from testwright.engines._tidy_names import RESERVED, dotted, import_of, ordered, rename_variables, snake
from testwright.engines._tidy_parts import parts_of


def tidy(sources: Sequence[str], module: str, *, shadowed: bool = False, stateful: bool = False) -> str:
    """Return one suite, tidied; empty where no test is left.

    Args:
        sources: the files that Pynguin wrote in searches of the same module.
        module: dotted name of the module under test.
        shadowed: whether ``from package import module`` would yield something else than the module.
        stateful: whether calls may depend on earlier ones through the module; tests that are taken apart then stay in
            one piece, too, and verification finds out which of the two is of use.

    Raises:
        SyntaxError: a file is not valid Python.
    """
    suite = _Suite([statement for source in sources for statement in ast.parse(source).body], module)
    alias = suite.choose_alias()
    for test in suite.tests:
        suite.qualify(test, alias)
        body.inline_plain_values(test, alias)
        body.drop_tautologies(test)
        checks.reword(test, module, alias)
    state = _hoist_state(suite.tests, alias)
    taken = suite.imported | {alias, "pytest"}
    tests = list(_taken_apart(suite.tests, alias, stateful=stateful))
    for test in tests:
        body.drop_unused_variables(test)
        checks.drop_what_goes_without_saying(test, alias)
        checks.inline_results(test)
        rename_variables(test, alias, taken)
    tests = [*state, *ordered(_distinct(tests), alias)]
    if not tests:
        return ""
    return _render(suite, tests, import_of(module, alias, shadowed=shadowed))


def _taken_apart(tests: Sequence[ast.FunctionDef], alias: str, *, stateful: bool) -> Iterator[ast.FunctionDef]:
    for test in tests:
        body.drop_unused_variables(test)
        parts = parts_of(test, alias)
        yield from parts
        if stateful and len(parts) > 1:
            yield test


class _Suite:
    """The parts of a file: imports, what else stands at its top level, tests."""

    def __init__(self, statements: Sequence[ast.stmt], module: str) -> None:
        self.module = module
        self.imports: dict[str, ast.stmt] = {}
        self.preamble: list[ast.stmt] = []
        self.tests: list[ast.FunctionDef] = []
        self.aliases: list[str] = []
        self.members: dict[str, str] = {}
        for statement in statements:
            self._sort_in(statement)
        # Each search writes the same.
        self.preamble = list({ast.unparse(each): each for each in self.preamble}.values())

    def _sort_in(self, statement: ast.stmt) -> None:
        match statement:
            case ast.FunctionDef(name=name) if name.startswith("test"):
                self.tests.append(statement)
            case ast.ImportFrom(module=origin, names=names) if origin == self.module:
                self.members |= {each.asname or each.name: each.name for each in names}
            case ast.Import(names=[ast.alias(name=name, asname=asname)]) if name == self.module:
                if asname or "." not in name:
                    self.aliases.append(asname or name)
            case ast.ImportFrom(module=str(package), names=[ast.alias(name=name, asname=asname)]) if (
                f"{package}.{name}" == self.module
            ):
                self.aliases.append(asname or name)
            case ast.Import() | ast.ImportFrom():
                self.imports[ast.unparse(statement)] = statement
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Subscript(value=source)) if dotted(source) == (
                "sys",
                "modules",
            ):
                self.aliases.append(name)
            case _:
                self.preamble.append(statement)

    @property
    def imported(self) -> set[str]:
        """The names that the other imports bind."""
        return {name for statement in self.imports.values() for name in _bound(statement)}

    def choose_alias(self) -> str:
        """Return the last part of the module's name, or Pynguin's alias where that name is taken."""
        last = self.module.rpartition(".")[2]
        names = {node.id for test in self.tests for node in ast.walk(test) if isinstance(node, ast.Name)}
        own = {*self.aliases, *self.members}
        taken = (names - own) | self.imported | RESERVED
        free = last not in taken and not keyword.iskeyword(last)
        return last if free or not self.aliases else self.aliases[-1]

    def qualify(self, test: ast.FunctionDef, alias: str) -> None:
        """Reach the module under test through one name."""
        body.Qualify(set(self.aliases), self.members, alias).visit(test)


def _hoist_state(tests: list[ast.FunctionDef], alias: str) -> list[ast.FunctionDef]:
    """Take the assertions on unchanging state out of the tests; return tests that make them, one for each name."""
    seen: Counter[str] = Counter()
    versions: dict[tuple[str, ...], set[str]] = {}
    for test in tests:
        found = {ast.unparse(each): body.state_of(each, alias) for each in test.body}
        for text, parts in found.items():
            if parts:
                seen[text] += 1
                versions.setdefault(parts, set()).add(text)
    same = {text for texts in versions.values() if len(texts) == 1 for text in texts if seen[text] > 1}
    hoisted: dict[str, dict[str, ast.stmt]] = {}
    for test in tests:
        for each in test.body:
            if (text := ast.unparse(each)) in same:
                hoisted.setdefault(body.state_of(each, alias)[1], {}).setdefault(text, each)
        test.body = [each for each in test.body if ast.unparse(each) not in same]
    return _functions({f"value_of_{snake(name)}": list(hoisted[name].values()) for name in sorted(hoisted)})


def _functions(bodies: Mapping[str, list[ast.stmt]]) -> list[ast.FunctionDef]:
    tree = ast.parse("\n".join(f"def test_{name}():\n    pass" for name in bodies))
    functions = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
    for function, statements in zip(functions, bodies.values(), strict=True):
        function.body = statements
    return functions


def _distinct(tests: Iterable[ast.FunctionDef]) -> list[ast.FunctionDef]:
    """Return the tests that do something, equal ones once."""
    real = [test for test in tests if any(not isinstance(each, ast.Pass) for each in test.body)]
    return list({"\n".join(map(ast.unparse, test.body)): test for test in real}.values())


def _bound(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {each.asname or each.name.partition(".")[0] for each in statement.names}
    return set()


def _render(suite: _Suite, tests: list[ast.FunctionDef], target: list[str]) -> str:
    rest = [*suite.preamble, *tests, *ast.parse("\n".join(target)).body]
    used = {node.id for statement in rest for node in ast.walk(statement) if isinstance(node, ast.Name)}
    imports = [text for text, statement in suite.imports.items() if _bound(statement) & used]
    imports.sort(key=lambda text: (text.startswith("from"), text))
    standard = [text for text in imports if text != "import pytest"]
    groups = ["\n".join(standard), "import pytest" if "import pytest" in imports else ""]
    if suite.preamble:
        groups.append("\n".join(map(ast.unparse, suite.preamble)))
    groups.append("\n".join(target))
    head = "\n\n".join(group for group in groups if group)
    return "\n\n\n".join([head, *(ast.unparse(test) for test in tests)]) + "\n"

"""Changes of a module that its tests should notice."""

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import testwright
from testwright.verification._runner.mutants import compile_mutant, mutants, statement_lines

SOURCES = sorted(Path(testwright.__file__).parent.rglob("*.py"))


def variants(source: str) -> set[str]:
    tree = ast.parse(source)
    result: set[str] = set()
    for mutant in mutants(tree):
        old = mutant.swap(mutant.value)
        result.add(ast.unparse(tree))
        mutant.swap(old)
    return result


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x < y", {"x <= y", "x >= y"}),
        ("x == y", {"x != y"}),
        ("x is y", {"x is not y"}),
        ("x + y", {"x - y"}),
        ("x and y", {"x or y"}),
        ("not x", {"not not x"}),
        ("-x", {"+x"}),
        ("x = True", {"x = False"}),
        ("x = 3", {"x = 4"}),
        ("x = 'a'", {"x = 'XXa'"}),
        ("x = b'a'", {"x = b'XXa'"}),
        ("f()", {"pass"}),
        ("a.b = c", {"pass"}),
        ("del x", {"pass"}),
        ("x if y else z", {"x if True else z", "x if False else z"}),
        ("def f():\n    return x", {"def f():\n    return None"}),
        ("if x:\n    y", {"if True:\n    y", "if False:\n    y"}),
        ("while x:\n    break", {"while False:\n    break", "while x:\n    continue"}),
        ("x += y", {"x -= y", "pass"}),
        ("raise ValueError('text')", {"pass"}),
    ],
)
def test_each_kind_of_change_is_made(source: str, expected: set[str]) -> None:
    assert variants(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""Docstring."""',
        "def f(x: int) -> 'Text':\n    '''Docstring.'''",
        "x: 'A | None'",
        "if TYPE_CHECKING:\n    x = 1",
        "if __name__ == '__main__':\n    main()",
        "__all__ = ['a', 'b']",
        "f'{x:>10} text'",
        "import a",
        "def f():\n    return None",
    ],
)
def test_what_is_no_behaviour_is_left_alone(source: str) -> None:
    assert variants(source) == set()


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(SOURCES), st.integers(min_value=0))
def test_a_mutant_of_real_code_differs_compiles_and_leaves_the_tree_as_it_was(path: Path, choice: int) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    before = ast.dump(tree, include_attributes=True)
    found = list(mutants(tree))
    if not found:
        return
    mutant = found[choice % len(found)]

    old = mutant.swap(mutant.value)
    assert ast.dump(tree) != ast.dump(ast.parse(path.read_text(encoding="utf-8")))
    mutant.swap(old)
    assert compile_mutant(tree, mutant, str(path)).co_filename == str(path)

    assert ast.dump(tree, include_attributes=True) == before


def test_every_line_of_a_statement_counts_as_its_first() -> None:
    source = "x = f(\n    1,\n    2,\n)\nif (\n    x\n    and y\n):\n    z = [\n        1,\n    ]\n"

    assert statement_lines(ast.parse(source)) == {
        1: 1, 2: 1, 3: 1, 4: 1, 5: 5, 6: 5, 7: 5, 8: 5, 9: 9, 10: 9, 11: 9,
    }  # fmt: skip

"""What is left of a module that is ruined on purpose."""

import ast
from typing import Any

import pytest

from testwright.verification._runner import wreck

SOURCE = """
LIMIT = 10


def helper():
    return 1


START = helper()


def add(a, b):
    return a + b


class Box:
    size = 3

    def double(self):
        return 2 * self.size
"""
RAN_ON_IMPORT = {2, 5, 6, 9, 12, 16, 17, 19}


def run(code: Any) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(code, names)
    return names


def test_an_empty_module_has_none_of_the_names() -> None:
    assert "add" not in run(wreck.empty("calc.py"))


def test_functions_of_a_ruined_module_raise_what_no_test_expects() -> None:
    ruined = run(wreck.raising(ast.parse(SOURCE), "calc.py", RAN_ON_IMPORT))

    for call in (lambda: ruined["add"](1, 2), ruined["Box"]().double):
        with pytest.raises(BaseException, match="ruined on purpose") as caught:
            call()
        assert not isinstance(caught.value, Exception)


def test_what_runs_on_import_is_spared_for_the_module_must_be_imported() -> None:
    ruined = run(wreck.raising(ast.parse(SOURCE), "calc.py", RAN_ON_IMPORT))

    assert (ruined["LIMIT"], ruined["START"], ruined["Box"].size) == (10, 1, 3)


def test_the_tree_that_is_ruined_is_a_copy() -> None:
    tree = ast.parse(SOURCE)

    wreck.raising(tree, "calc.py", RAN_ON_IMPORT)

    assert ast.unparse(tree) == ast.unparse(ast.parse(SOURCE))


def test_only_lines_of_ruined_functions_tell_who_calls_them() -> None:
    assert wreck.body_lines(ast.parse(SOURCE), RAN_ON_IMPORT) == {13, 20}

"""Tests that name what judges them."""

import ast

import pytest

from testwright.verification.reaching import reached


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import _pytest.runner", "_pytest"),
        ("from coverage.collector import Collector", "coverage"),
        ("def test_x():\n    import _testwright_runner", "_testwright_runner"),
        ("runner = __import__('_pytest.runner')", "_pytest"),
        ("import importlib\nimportlib.import_module('coverage')", "coverage"),
        ("import sys\nsys.modules['_testwright_runner.judge']", "_testwright_runner"),
        ("import pytest, os", ""),
        ("from . import coverage", ""),
        ("from .coverage import lines", ""),
        ("name = '_pytest'", ""),
        ("", ""),
    ],
)
def test_a_file_that_names_a_part_of_the_runner_is_told_by_it(source: str, name: str) -> None:
    assert reached(ast.parse(source)) == name


def test_a_target_may_have_the_name_of_a_part_of_the_runner() -> None:
    assert reached(ast.parse("import coverage.data"), "coverage.data") == ""
    assert reached(ast.parse("import coverage.data\nimport _pytest"), "coverage.data") == "_pytest"

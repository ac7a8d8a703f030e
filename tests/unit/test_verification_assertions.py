"""Assertions that cannot fail are no assertions."""

import ast

import pytest

from testwright.verification.assertions import Function, can_fail


def fails(body: str) -> bool:
    tree = ast.parse(f"def test_it(self, x, y):\n    {body}\n")
    function = tree.body[0]
    assert isinstance(function, Function)
    return can_fail(function, {})


@pytest.mark.parametrize(
    "body",
    [
        "assert True",
        "assert x == x",
        "assert not (x != x)",
        "assert isinstance(x, object)",
        "assert isinstance(x, (int, object))",
        "assert isinstance(x, int | object)",
        "assert len(x) >= 0",
        "assert 0 <= len(x)",
        "assert len(x) > -1",
        "assert x or not x",
        "assert not x or x",
        "assert (x, 'never empty')",
        "assert lambda: x",
        "self.assertIsInstance(x, object)",
        "self.assertTrue(x is x)",
    ],
)
def test_what_always_holds_does_not_count(body: str) -> None:
    assert not fails(body)


@pytest.mark.parametrize(
    "body",
    [
        "assert x",
        "assert x == y",
        "assert isinstance(x, int)",
        "assert isinstance(x, (int, str))",
        "assert len(x) >= 1",
        "assert len(x) > 0",
        "assert 1 <= len(x)",
        "assert x or not y",
        "assert f(x) == f(x)",
        "assert not (f(x) != f(x))",
        "self.assertIsInstance(x, int)",
    ],
)
def test_what_may_not_hold_counts(body: str) -> None:
    assert fails(body)

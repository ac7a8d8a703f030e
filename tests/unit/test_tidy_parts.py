"""Taking a generated suite apart, and saying what it asserts in the words of a person."""

import ast
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testwright.engines._tidy import tidy
from testwright.engines._tidy_parts import has_state

HEAD = """\
#  This file was automatically generated using Pynguin.

import pytest
import asyncio
import sys
import pkg.shop

shop_ = sys.modules["pkg.shop"]
import asyncio
from pkg.shop import Cart, EmptyError
"""


def tidied(body: str) -> str:
    return tidy([HEAD + dedent(body)], "pkg.shop")


def bodies(text: str) -> dict[str, str]:
    """Return the body of each test by its name."""
    functions = [each for each in ast.parse(text).body if isinstance(each, ast.FunctionDef)]
    return {each.name: "\n".join(map(ast.unparse, each.body)) for each in functions}


def test_calls_that_have_nothing_to_do_with_each_other_become_tests_of_their_own() -> None:
    text = tidied("""
        def test_0():
            var_0 = shop_.Cart(owner="Ann")
            var_1 = shop_.price(pieces=3)
            assert var_1 == 300
            var_2 = var_0.add(pieces=2)
            assert var_2 == 2
            with pytest.raises(EmptyError):
                shop_.close()
    """)

    assert list(bodies(text).values()) == [
        "cart = shop.Cart(owner='Ann')\nassert cart.add(pieces=2) == 2",
        "with pytest.raises(shop.EmptyError):\n    shop.close()",
        "assert shop.price(pieces=3) == 300",
    ]


def test_where_calls_may_depend_on_each_other_the_whole_test_is_tried_too() -> None:
    source = HEAD + dedent("""
        def test_0():
            var_0 = shop_.buy(1)
            assert var_0 == 1
            var_1 = shop_.sold()
            assert var_1 == 1
    """)

    text = tidy([source], "pkg.shop", stateful=True)

    assert sorted(bodies(text).values()) == [
        "assert shop.buy(1) == 1",
        "assert shop.buy(1) == 1\nassert shop.sold() == 1",
        "assert shop.sold() == 1",
    ]


def test_the_suites_of_several_searches_become_one() -> None:
    first = HEAD + "def test_0():\n    var_0 = shop_.price(pieces=3)\n    assert var_0 == 300\n"
    second = first + "def test_1():\n    var_0 = shop_.price(pieces=4)\n    assert var_0 == 400\n"

    text = tidy([first, second], "pkg.shop")

    assert list(bodies(text).values()) == ["assert shop.price(pieces=3) == 300", "assert shop.price(pieces=4) == 400"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("var_1 = var_0.__len__()\nassert var_1 == 0", "assert len(cart) == 0"),
        ("assert len(var_0) == 0\nassert len(var_0) == 0", "assert len(shop.Cart()) == 0"),
        ("assert var_0.sum == pytest.approx(0.5, abs=0.01, rel=0.01)", "assert cart.sum == pytest.approx(0.5)"),
        (
            "assert f'{type(var_0.at).__module__}.{type(var_0.at).__qualname__}' == 'pkg.shop.Till'",
            "assert isinstance(cart.at, shop.Till)",
        ),
        (
            "assert f'{type(var_0.at).__module__}.{type(var_0.at).__qualname__}' == 'builtins.dict'",
            "assert isinstance(cart.at, dict)",
        ),
        (
            "assert f'{type(var_0.at).__module__}.{type(var_0.at).__qualname__}' == 're.Pattern'",
            "assert type(cart.at).__name__ == 'Pattern'",
        ),
        ("17\nlambda: 4\nassert var_0.sum == 0", "assert cart.sum == 0"),
        ("assert isinstance(var_0, shop_.Cart)\nassert var_0.sum == 0", "assert cart.sum == 0"),
        ("assert isinstance(var_0, shop_.Cart)", "assert isinstance(shop.Cart(), shop.Cart)"),
    ],
)
def test_assertions_are_said_in_the_words_of_a_person(body: str, expected: str) -> None:
    indented = "\n".join(f"    {line}" for line in body.split("\n"))

    text = tidied(f"def test_0():\n    var_0 = shop_.Cart()\n{indented}\n")

    assert bodies(text)["test_1"].removeprefix("cart = shop.Cart()\n") == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("RATES = {}\ndef add(k):\n    RATES[k] = 1\n", True),
        ("SEEN = []\ndef see(k):\n    SEEN.append(k)\n", True),
        ("count = 0\ndef step():\n    global count\n    count += 1\n", True),
        ("RATES = {}\ndef rate(k):\n    return RATES[k]\n", False),
        ("def collect():\n    seen = []\n    seen.append(1)\n    return seen\n", False),
    ],
)
def test_a_module_has_state_if_its_functions_change_what_is_its_own(source: str, expected: bool) -> None:
    assert has_state(ast.parse(source)) is expected


NAMES = st.sampled_from(["var_0", "var_1", "var_2"])
VALUES = st.sampled_from(["1", "-2", "'x'", "None", "[]", "shop_.Size.LARGE", "shop_.price(3)", "shop_.Cart()"])
STATEMENTS = st.one_of(
    st.builds("{} = {}".format, NAMES, VALUES),
    st.builds("{} = shop_.price(of={})".format, NAMES, NAMES),
    st.builds("assert {} == {}".format, NAMES, VALUES),
    st.builds("assert isinstance({}, shop_.Cart)".format, NAMES),
    st.builds("{}.add({})".format, NAMES, NAMES),
    st.builds("with pytest.raises(EmptyError):\n        shop_.take({})".format, NAMES),
)


@given(st.lists(st.lists(STATEMENTS, min_size=1, max_size=8), min_size=1, max_size=3))
def test_whatever_is_tidied_is_a_program_whose_tests_read_only_what_they_set(tests: list[list[str]]) -> None:
    start = ["var_0 = shop_.Cart()", "var_1 = shop_.Cart()", "var_2 = shop_.Cart()"]
    source = "\n".join(
        f"def test_{number}():\n" + "\n".join(f"    {line}" for line in [*start, *body])
        for number, body in enumerate(tests)
    )

    tree = ast.parse(tidied(source) or "pass")

    for function in (each for each in tree.body if isinstance(each, ast.FunctionDef)):
        names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
        stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        known = stored | {"shop", "pytest", "isinstance", "len"}
        assert {node.id for node in names if isinstance(node.ctx, ast.Load)} <= known

"""What tidying does to a suite that Pynguin wrote, by example."""

import ast
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testwright.engines._tidy import tidy
from testwright.engines._tidy_names import snake
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


def tidied(body: str, *, shadowed: bool = False) -> str:
    return tidy([HEAD + dedent(body)], "pkg.shop", shadowed=shadowed)


def bodies(text: str) -> dict[str, str]:
    """Return the body of each test by its name."""
    functions = [each for each in ast.parse(text).body if isinstance(each, ast.FunctionDef)]
    return {each.name: "\n".join(map(ast.unparse, each.body)) for each in functions}


def test_a_whole_file_reads_as_if_written_by_hand() -> None:
    text = tidied("""
        def test_0():
            var_0 = shop_.Cart(owner="Ann")
            assert isinstance(var_0, shop_.Cart)
            assert shop_.LIMIT == 9
            var_3 = -2
            assert var_3 == -2
            with pytest.raises(EmptyError):
                var_0.take(pieces=var_3)


        def test_1():
            var_7 = shop_.price(pieces=3)
            assert var_7 == 300
            assert shop_.LIMIT == 9
    """)

    assert text == dedent("""\
        import pytest

        from pkg import shop


        def test_value_of_limit():
            assert shop.LIMIT == 9


        def test_1():
            cart = shop.Cart(owner='Ann')
            with pytest.raises(shop.EmptyError):
                cart.take(pieces=-2)


        def test_2():
            assert shop.price(pieces=3) == 300
    """)


def test_state_that_differs_between_tests_stays_where_it_was_seen() -> None:
    text = tidied("""
        def test_0():
            shop_.buy(1)
            assert shop_.SOLD == 1

        def test_1():
            shop_.buy(2)
            assert shop_.SOLD == 2

        def test_2():
            shop_.give(2)
            assert shop_.SOLD == 2
    """)

    assert list(bodies(text).values()) == [
        "shop.buy(1)\nassert shop.SOLD == 1",
        "shop.buy(2)\nassert shop.SOLD == 2",
        "shop.give(2)\nassert shop.SOLD == 2",
    ]


def test_state_that_was_seen_once_may_be_the_effect_of_that_test_and_stays() -> None:
    text = tidied("""
        def test_0():
            shop_.buy(1)
            assert len(shop_.SALES) == 1
    """)

    assert bodies(text) == {"test_1": "shop.buy(1)\nassert len(shop.SALES) == 1"}


def test_each_piece_of_state_is_a_test_of_its_own_so_that_one_that_varies_does_not_take_the_others_along() -> None:
    text = tidied("""
        def test_0():
            shop_.buy(1)
            assert shop_.STARTED == 17.5
            assert shop_.LIMIT == 9

        def test_1():
            shop_.buy(2)
            assert shop_.STARTED == 17.5
            assert shop_.LIMIT == 9
    """)

    assert {"test_value_of_started", "test_value_of_limit"} <= set(bodies(text))


def test_enum_members_are_inlined_and_comparing_them_with_themselves_is_dropped() -> None:
    text = tidied("""
        def test_0():
            var_1 = shop_.Size.LARGE
            assert var_1 == shop_.Size.LARGE
            var_2 = shop_.price(size=var_1)
            assert var_2 == 5
    """)

    assert bodies(text) == {"test_1": "assert shop.price(size=shop.Size.LARGE) == 5"}


def test_calling_twice_and_comparing_is_no_tautology() -> None:
    text = tidied("def test_0():\n    assert shop_.next() == shop_.next()\n")

    assert "assert shop.next() == shop.next()" in text


def test_what_a_mutable_value_became_is_still_asserted() -> None:
    text = tidied("""
        def test_0():
            var_1 = []
            assert var_1 == []
            var_2 = shop_.fill(into=var_1)
            assert var_1 == [1]
    """)

    assert bodies(text)["test_1"] == "items = []\nassert items == []\nshop.fill(into=items)\nassert items == [1]"


def test_a_variable_that_changes_is_not_inlined() -> None:
    text = tidied("""
        def test_0():
            var_1 = 1
            var_1 = shop_.price(pieces=var_1)
            assert var_1 == 100
    """)

    assert "pieces=value" in text


def test_a_call_whose_result_nobody_reads_is_still_made() -> None:
    text = tidied("""
        def test_0():
            var_1 = shop_.open_till()
            var_2 = shop_.count()
            assert var_2 == 1
    """)

    assert bodies(text) == {"test_1": "shop.open_till()\nassert shop.count() == 1"}


def test_what_is_awaited_is_asserted_where_it_is_called() -> None:
    text = tidied("""
        def test_0():
            var_1 = asyncio.run(shop_.fetch(key="a"))
            assert var_1 == "b"
    """)

    assert bodies(text) == {"test_1": "assert asyncio.run(shop.fetch(key='a')) == 'b'"}
    assert text.count("import asyncio") == 1


def test_equal_tests_are_kept_once_and_tests_without_content_not_at_all() -> None:
    text = tidied("""
        def test_0():
            var_1 = shop_.price(pieces=3)
            assert var_1 == 300

        def test_1():
            var_8 = shop_.price(pieces=3)
            assert var_8 == 300

        def test_empty():
            pass
    """)

    assert bodies(text) == {"test_1": "assert shop.price(pieces=3) == 300"}


def test_a_file_without_a_test_becomes_nothing() -> None:
    assert tidied("def test_empty():\n    pass\n") == ""


def test_a_module_whose_name_its_package_uses_for_something_else_is_taken_from_sys_modules() -> None:
    text = tidied("def test_0():\n    assert shop_.price(1) == 100\n", shadowed=True)

    assert 'import pkg.shop\nshop = sys.modules["pkg.shop"]' in text
    assert "import sys" in text


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("shop", "import shop\n"),
        ("pkg.shop", "from pkg import shop\n"),
        ("pkg.list", "from pkg import list as list_\n"),
        ("pkg.asyncio", "from pkg import asyncio as asyncio_\n"),
    ],
)
def test_the_module_gets_its_own_name_unless_something_else_has_it(module: str, line: str) -> None:
    last = module.rpartition(".")[2]
    source = f"""
import asyncio, sys
import {module}
{last}_ = sys.modules["{module}"]

def test_0():
    assert asyncio.run({last}_.price(1)) == 100
"""

    text = tidy([source], module)

    assert line in text
    compile(text, "test.py", "exec")


def test_a_variable_never_hides_a_builtin_a_keyword_or_the_module() -> None:
    text = tidied("""
        def test_0():
            var_0 = shop_.Shop()
            var_1 = shop_.List(of=var_0)
            var_2 = shop_.Match(of=var_1)
            assert var_2.of == list([shop_.LIMIT])
    """)

    assert "shop_ = shop.Shop()" in text
    assert "list_ = shop.List(of=shop_)" in text
    assert "match_ = shop.Match(of=list_)" in text


def test_seeding_comes_before_the_import_of_the_module() -> None:
    source = """
import random as _pynguin_random
import pytest
_pynguin_random.seed(4)
import sys
import dice
dice_ = sys.modules["dice"]

@pytest.fixture(autouse=True)
def _pynguin_seed_random():
    _pynguin_random.seed(4)

def test_0():
    assert dice_.roll() == 2
"""

    text = tidy([source], "dice")

    assert text.index("_pynguin_random.seed(4)") < text.index("import dice")
    assert "def _pynguin_seed_random" in text


def test_tidying_what_is_tidy_changes_nothing() -> None:
    once = tidied("def test_0():\n    var_0 = shop_.Cart(owner='Ann')\n    assert var_0.owner == 'Ann'\n")

    assert tidy([once], "pkg.shop") == once


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


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Cart", "cart"), ("RateCache", "rate_cache"), ("HTTPError", "http_error"), ("_Own", "own"), ("MAX_G", "max_g")],
)
def test_names_become_snake_case(name: str, expected: str) -> None:
    assert snake(name) == expected

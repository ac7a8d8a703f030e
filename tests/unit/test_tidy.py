"""What tidying does to a suite that Pynguin wrote, by example."""

import ast
from textwrap import dedent

import pytest

from testwright.engines._tidy import tidy
from testwright.engines._tidy_names import snake

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


def test_the_type_of_what_the_module_holds_is_asserted_once() -> None:
    text = tidied("""
        def test_0():
            assert f'{type(shop_.PATTERN).__module__}.{type(shop_.PATTERN).__qualname__}' == "re.Pattern"
            assert shop_.Cart(owner="Ann").size == 1


        def test_1():
            assert f'{type(shop_.PATTERN).__module__}.{type(shop_.PATTERN).__qualname__}' == "re.Pattern"
            assert shop_.Cart(owner="Bob").size == 2
    """)

    assert text.count("PATTERN") == 1
    assert bodies(text)["test_value_of_pattern"] == "assert type(shop.PATTERN).__name__ == 'Pattern'"


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


def test_a_module_whose_name_its_package_uses_for_something_else_is_imported_by_its_own() -> None:
    text = tidied("def test_0():\n    assert shop_.price(1) == 100\n", shadowed=True)

    assert 'import importlib\nshop = importlib.import_module("pkg.shop")' in text
    assert "sys" not in text


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


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Cart", "cart"), ("RateCache", "rate_cache"), ("HTTPError", "http_error"), ("_Own", "own"), ("MAX_G", "max_g")],
)
def test_names_become_snake_case(name: str, expected: str) -> None:
    assert snake(name) == expected

"""Which tests the examples in a module's documentation become."""

import ast
from textwrap import dedent

from testwright.engines._examples import MOST, examples

SHOP = '''
"""Sells.

{docs}
"""
from datetime import date

LIMIT = 40


class Cart:
    pass


def price(pieces):
    pass
'''


def shown(docs: str, module: str = "corner.shop") -> list[str]:
    """Return the bodies of the tests that a module with these examples gets."""
    found = examples(ast.parse(SHOP.replace("{docs}", dedent(docs))), module, "shop")
    return ["\n".join(map(ast.unparse, each.body)) for each in found]


def test_each_example_makes_a_test_that_names_the_module() -> None:
    assert shown("""
        >>> price(3)
        300
        >>> price(pieces=LIMIT) + len("x")
        4001
        >>> date(2020, 1, 1)
        datetime.date(2020, 1, 1)
    """) == ["shop.price(3)", "shop.price(pieces=shop.LIMIT) + len('x')", "shop.date(2020, 1, 1)"]


def test_examples_that_share_variables_make_one_test() -> None:
    assert shown("""
        >>> price(1)
        100
        >>> cart = Cart()
        >>> cart.add(LIMIT)
        >>> sorted(each for each in cart)
        [40]
    """) == ["shop.price(1)", "cart = shop.Cart()\ncart.add(shop.LIMIT)\nsorted((each for each in cart))"]


def test_an_example_that_raises_ends_a_test_of_its_own() -> None:
    assert shown("""
        >>> cart = Cart()
        >>> cart.sell()
        Traceback (most recent call last):
        EmptyError: nothing
        >>> cart.count()
        0
    """) == ["cart = shop.Cart()\ncart.sell()", "cart = shop.Cart()\ncart.count()"]


def test_what_is_printed_is_the_value() -> None:
    assert shown(">>> print(price(2))\n200") == ["shop.price(2)"]


def test_the_module_is_known_by_its_own_names() -> None:
    for way in ("from corner.shop import price", "from corner import price", "import corner"):
        assert shown(f">>> {way}\n>>> price(2)\n200") == ["shop.price(2)"]
    assert shown(">>> import corner\n>>> corner.price(2)\n>>> corner.shop.price(3)") == [
        "shop.price(2)",
        "shop.price(3)",
    ]


def test_the_standard_library_may_be_used_and_nothing_else() -> None:
    assert shown(">>> import math\n>>> price(math.pi)\n314") == ["import math\nshop.price(math.pi)"]
    assert shown(">>> import requests\n>>> price(requests.get('x'))\n>>> price(1)\n100") == ["shop.price(1)"]


def test_what_comes_after_a_loop_is_left_out() -> None:
    assert shown("""
        >>> price(1)
        100
        >>> for each in range(3):
        ...     price(each)
        >>> price(2)
        200
    """) == ["shop.price(1)"]


def test_what_is_no_example_is_left_out() -> None:
    assert shown(">>> price(1\n>>> price(2)  # doctest: +SKIP\n>>> price(3)\n300") == ["shop.price(3)"]
    assert shown(">>>price(1)") == []
    assert shown(">>> shop = Cart()\n>>> shop.open()") == []


def test_equal_examples_make_one_test_and_there_are_not_too_many() -> None:
    assert shown(">>> price(1)\n>>> price(1)") == ["shop.price(1)"]
    assert len(shown("\n".join(f">>> price({number})" for number in range(2 * MOST)))) == MOST

"""What a reviewer would have improved in a finished test file."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testwright.verification.polish import polished

HEAD = "import pytest\n\nfrom pkg import shop\n\n\n"


def cart_tests(*starts: str) -> str:
    return "\n\n".join(
        f"def test_{n}():\n    {start}\n    assert cart.add({n}) == {n}\n" for n, start in enumerate(starts)
    )


def test_what_three_tests_make_first_becomes_a_fixture() -> None:
    text = polished(HEAD + cart_tests(*["cart = shop.Cart(owner='Ann', size=-1)"] * 3))

    assert text == HEAD + (
        "@pytest.fixture\ndef cart():\n    return shop.Cart(owner='Ann', size=-1)\n\n\n"
        "def test_0(cart):\n    assert cart.add(0) == 0\n\n\n"
        "def test_1(cart):\n    assert cart.add(1) == 1\n\n\n"
        "def test_2(cart):\n    assert cart.add(2) == 2\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(cart_tests("cart = shop.Cart()", "cart = shop.Cart()"), id="two"),
        pytest.param(cart_tests("cart = shop.Cart(1)", "cart = shop.Cart(2)", "cart = shop.Cart(3)"), id="different"),
        pytest.param(cart_tests(*["cart = shop.open_cart()"] * 3), id="a function may have effects"),
        pytest.param(cart_tests(*["cart = shop.Cart(shop.next())"] * 3), id="arguments that are called"),
        pytest.param(cart_tests(*["cart = shop.Cart(items)"] * 3), id="arguments that are variables"),
        pytest.param("def cart(): ...\n\n" + cart_tests(*["cart = shop.Cart()"] * 3), id="a name that is taken"),
        pytest.param(cart_tests(*["cart = shop.Cart()\n    cart = cart.copy()"] * 3), id="a variable that changes"),
        pytest.param(
            "@pytest.mark.slow\n"
            + "@pytest.mark.slow\n".join(["def test_0():\n    cart = shop.Cart()\n    assert cart\n"] * 3),
            id="marks",
        ),
        pytest.param("def test_a():\n    cart = shop.Cart()\n\n" * 3, id="nothing after it"),
    ],
)
def test_a_fixture_is_made_only_where_that_is_safe(text: str) -> None:
    assert polished(HEAD + text) == HEAD + text


def test_of_two_things_of_one_name_the_more_frequent_becomes_a_fixture() -> None:
    text = polished(HEAD + cart_tests(*["cart = shop.Cart(1)"] * 3, *["cart = shop.Cart(2)"] * 4))

    assert text.count("@pytest.fixture") == 1
    assert "return shop.Cart(2)" in text
    assert text.count("cart = shop.Cart(1)") == 3


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("assert shop.price(3) == 0.1", "assert shop.price(3) == pytest.approx(0.1)"),
        ("assert shop.price(3) == -0.1", "assert shop.price(3) == pytest.approx(-0.1)"),
        ("assert shop.split(3) == [0.1, 2, -0.5]", "assert shop.split(3) == pytest.approx([0.1, 2, -0.5])"),
        ("assert shop.split(3) == {'a': 0.1}", "assert shop.split(3) == pytest.approx({'a': 0.1})"),
        ("assert shop.split(3) == [1, 2]", "assert shop.split(3) == [1, 2]"),
        ("assert shop.split(3) == [0.1, True]", "assert shop.split(3) == [0.1, True]"),
        ("assert shop.split(3) == [0.1, 'a']", "assert shop.split(3) == [0.1, 'a']"),
        ("assert cart.total == 0.30000000000000004", "assert cart.total == pytest.approx(0.30000000000000004)"),
        ("x = shop.price(3)\n    assert x == 2.5", "x = shop.price(3)\n    assert x == pytest.approx(2.5)"),
        ("assert shop.price(3) == 3", "assert shop.price(3) == 3"),
        ("assert shop.price(3) == 3.0", "assert shop.price(3) == 3.0"),
        ("assert shop.price(3) != 0.1", "assert shop.price(3) != 0.1"),
        ("assert shop.RATE == 0.1", "assert shop.RATE == 0.1"),
        ("x = 0.1\n    assert x == 0.1", "x = 0.1\n    assert x == 0.1"),
        ("assert shop.price(3) == pytest.approx(0.1)", "assert shop.price(3) == pytest.approx(0.1)"),
    ],
)
def test_floats_that_were_computed_are_compared_approximately(before: str, after: str) -> None:
    assert polished(f"{HEAD}def test_a():\n    {before}\n") == f"{HEAD}def test_a():\n    {after}\n"


def test_pytest_is_imported_where_it_is_needed_and_was_not() -> None:
    text = polished(
        '"""Doc."""\n\nfrom __future__ import annotations\n\nimport shop\n\ndef test_a():\n    assert shop.f() == 0.5\n'
    )

    assert ast.unparse(ast.parse(text).body[2]) == "import pytest"


STARTS = st.sampled_from(
    ["cart = shop.Cart()", "cart = shop.Cart('ä', 1)", "box = shop.Box(-1)", "x = shop.f()", "'€'"]
)
CHECKS = st.sampled_from(
    ["assert shop.f('ü') == 0.5", "assert cart == box", "with shop.open():\n        pass", "cart = 1"]
)


@given(st.lists(st.tuples(STARTS, CHECKS), min_size=1, max_size=9))
def test_whatever_is_polished_stays_a_program_with_the_same_tests(bodies: list[tuple[str, str]]) -> None:
    source = HEAD + "\n\n".join(f"def test_{n}():\n    {a}\n    {b}\n" for n, (a, b) in enumerate(bodies))

    tree = ast.parse(polished(source))

    names = [each.name for each in tree.body if isinstance(each, ast.FunctionDef) and each.name.startswith("test")]
    assert names == [f"test_{n}" for n in range(len(bodies))]

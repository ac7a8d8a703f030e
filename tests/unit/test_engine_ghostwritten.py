"""What becomes of ghostwritten tests, by example."""

import ast
from textwrap import dedent

from testwright.engines._ghostwritten import Promises, promises_of, settle

SHOP = promises_of(
    ast.parse(
        dedent("""
            class EmptyError(ValueError): ...
            class Cart: ...
            class Till(Protocol): ...

            def price(pieces: int) -> int:
                if not pieces:
                    raise EmptyError("nothing")
                return pieces

            def share(pieces: int) -> float: ...
            def names() -> list[str]: ...
            def clear() -> None: ...
            def cart() -> "Cart": ...
            def till() -> Till: ...
            def anything(x): ...
            async def fetch(key: str) -> str: ...
        """)
    )
)

HEAD = """
# This test code was written by the `hypothesis.extra.ghostwriter` module
import collections.abc
import pkg
import pkg.shop
import typing
from hypothesis import given, reject, strategies as st
from pkg.shop import Cart
"""


def settled(body: str, promises: Promises = SHOP, *, shadowed: bool = False) -> str:
    return settle(HEAD + dedent(body), "pkg.shop", promises, shadowed=shadowed)


def test_a_fuzz_test_asserts_the_promised_type_and_accepts_the_modules_own_errors() -> None:
    text = settled("""
        @given(pieces=st.integers())
        def test_fuzz_price(pieces):
            try:
                pkg.shop.price(pieces=pieces)
            except pkg.EmptyError:
                reject()
    """)

    assert text == dedent("""\
        from hypothesis import HealthCheck, given, settings, strategies as st

        from pkg import shop

        repeatable = settings(derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))


        @repeatable
        @given(pieces=st.integers())
        def test_price_keeps_its_return_type(pieces):
            try:
                result = shop.price(pieces=pieces)
            except shop.EmptyError:
                return
            assert isinstance(result, int)
    """)


def test_a_test_with_a_property_keeps_it() -> None:
    text = settled("""
        @given(value=st.integers())
        def test_roundtrip(value):
            value0 = pkg.shop.dump(value)
            value1 = pkg.shop.load(value0)
            assert value == value1, (value, value1)
    """)

    assert "assert value == value1" in text


def test_tests_that_cannot_fail_or_cannot_run_are_dropped() -> None:
    text = settled("""
        @given(x=st.integers())
        def test_fuzz_anything(x):
            pkg.shop.anything(x=x)

        @given(key=st.text())
        def test_fuzz_fetch(key):
            pkg.shop.fetch(key=key)

        @given(pieces=st.nothing())
        def test_fuzz_price(pieces):
            pkg.shop.price(pieces=pieces)

        def test_fuzz_till():
            pkg.shop.till()
    """)

    assert text == ""


def test_an_argument_that_is_called_like_the_package_or_the_module_does_not_hide_it() -> None:
    text = settled("""
        @given(pkg=st.integers(), shop=st.builds(Cart))
        def test_fuzz_price(pkg, shop):
            pkg.shop.price(pieces=pkg, shop=shop)
    """)

    assert "from pkg import shop as shop_module" in text
    assert "result = shop_module.price(pieces=pkg, shop=shop)" in text
    assert "st.builds(shop_module.Cart)" in text


def test_only_imports_that_are_needed_stay() -> None:
    text = settled("""
        @given(pieces=st.from_type(typing.Hashable))
        def test_fuzz_price(pieces):
            pkg.shop.price(pieces=pieces)
    """)

    assert "import typing" in text
    assert "collections" not in text


def test_a_shadowed_module_is_imported_by_its_own_name() -> None:
    text = settled("def test_fuzz_clear():\n    pkg.shop.clear()\n", shadowed=True)

    assert "sys" not in text
    assert 'import importlib\nshop = importlib.import_module("pkg.shop")' in text
    assert "assert result is None" in text


def test_promises_are_read_from_the_source() -> None:
    assert SHOP.coroutines == {"fetch"}
    assert SHOP.errors == ("EmptyError",)
    assert SHOP.returns == {
        "price": "assert isinstance(result, int)",
        "share": "assert isinstance(result, int | float)",
        "names": "assert isinstance(result, list)",
        "clear": "assert result is None",
        "cart": "assert isinstance(result, {alias}.Cart)",
    }


def test_a_strategy_that_several_tests_share_comes_along() -> None:
    text = settled("""
        price_operands = st.integers()
        unused_operands = st.text()

        @given(a=price_operands, b=price_operands)
        def test_commutative_binary_operation_price(a, b):
            left = pkg.shop.price(a)
            right = pkg.shop.price(b)
            assert left == right, (left, right)
    """)

    assert "\nprice_operands = st.integers()\n" in text
    assert "unused_operands" not in text

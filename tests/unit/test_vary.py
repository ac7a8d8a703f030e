"""Which other arguments are tried for the calls of a test, and which of them are worth a test."""

import ast
from textwrap import dedent

from testwright.engines._vary import Observed, Variation, chosen, variations

SHOP = """
'''Sells in boxes of 777.'''
LIMIT = 40


class Cart:
    def __init__(self, owner):
        self.owner = owner

    def price(self, pieces, unit="piece"):
        '''Not more than 999.'''
        if unit == "dozen":
            return _checked(12 * pieces)
        return _checked(pieces)


def _checked(pieces):
    return pieces if -1 < pieces < LIMIT else None


def greeting(name):
    return "hello " + name
"""


def tried(body: str) -> list[Variation]:
    tests = [each for each in ast.parse(dedent(body)).body if isinstance(each, ast.FunctionDef)]
    return variations(tests, ast.parse(SHOP))


def values(body: str) -> set[object]:
    return {each.value for each in tried(body)}


def test_numbers_are_replaced_by_what_the_function_and_all_that_it_uses_compare_with_and_their_neighbours() -> None:
    found = values("""
        def test_1():
            cart = shop.Cart(owner=None)
            assert cart.price(pieces=3) == 3
    """)

    assert {39, 40, 41, -1, 0, 1, 11, 12, 13, 3} <= found
    assert {-(10**40), 10**40} <= found
    assert not {776, 777, 778, 998, 999, 1000} & found


def test_a_fraction_is_replaced_by_fractions() -> None:
    found = values("def test_1():\n    assert shop.Cart(owner=None).price(pieces=2.5) == 2.5\n")

    assert {39.0, 40.0, 41.0, 0.0} <= found
    assert {type(each) for each in found} == {float}


def test_texts_are_replaced_by_the_words_that_the_function_knows_and_by_nothing() -> None:
    found = values("""
        def test_1():
            cart = shop.Cart(owner=None)
            assert cart.price(pieces=None, unit='x') == 3
    """)

    assert found == {"x", "", "dozen", "piece"}


def test_a_switch_is_turned() -> None:
    found = tried("def test_1():\n    assert shop.greeting(name=True) == 'hello'\n")

    assert [each.statements for each in found] == [("shop.greeting(name=True)",), ("shop.greeting(name=False)",)]


def test_what_is_asserted_and_what_raises_is_called_and_what_is_expected_is_left_out() -> None:
    (first, *_) = tried("""
        def test_1():
            cart = shop.Cart(owner=None)
            assert isinstance(cart, shop.Cart)
            assert cart.owner is None
            with pytest.raises(TypeError):
                cart.price(pieces='a')
    """)

    assert first.statements == ("cart = shop.Cart(owner=None)", "cart.owner", "cart.price(pieces='a')")


def test_tests_that_differ_in_an_argument_only_are_varied_once() -> None:
    body = "def test_{0}():\n    assert shop.greeting(name='{1}') == 'hello {1}'\n"

    assert {each.family for each in tried(body.format(1, "a") + body.format(2, "b"))} == {"shop.greeting(name=_)"}


def test_a_test_that_asserts_nothing_is_tried_as_it_is_and_becomes_one_that_does() -> None:
    (same,) = tried("def test_1():\n    shop.greeting(name=shop.LIMIT)\n")

    assert same.statements == ("shop.greeting(name=shop.LIMIT)",)
    seen = Observed(("assert shop.greeting(name=shop.LIMIT) == 1",), ("1",))
    assert chosen([same], {0: seen}) == [seen]


def test_calls_of_anything_but_the_module_are_left_as_they_are() -> None:
    assert not tried("def test_1():\n    assert math.floor(3.5) == 3\n")


def test_a_test_with_statements_of_its_own_kind_is_left_alone() -> None:
    assert not tried("def test_1():\n    for each in ():\n        shop.greeting(name='a')\n")


def outcomes(*pairs: tuple[bool | int | float | str, str]) -> list[tuple[str, ...]]:
    variations = [Variation("f(_)", value, (f"f({value!r})",)) for value, _ in pairs]
    observed = {
        index: Observed((f"assert f({value!r}) == {seen}",), (seen,))
        for index, (value, seen) in enumerate(pairs)
        if seen
    }
    return [each.lines for each in chosen(variations, observed)]


def test_numbers_become_tests_on_both_sides_of_a_change() -> None:
    found = outcomes((41, "'much'"), (3, "'few'"), (39, "'few'"), (40, "'much'"), (99, "'much'"))

    assert found == [("assert f(39) == 'few'",), ("assert f(40) == 'much'",)]


def test_texts_become_tests_where_their_outcome_is_their_own() -> None:
    found = outcomes(("x", "0"), ("dozen", "12"), ("", "0"))

    assert len(found) == 2
    assert ("assert f('dozen') == 12",) in found


def test_what_came_to_nothing_is_no_side_of_a_change() -> None:
    assert outcomes((1, "1"), (2, ""), (3, "1")) == []


DATED = "import datetime\n\n\ndef due(start, days=3, *rest):\n    return start + datetime.timedelta(days)\n"


def test_each_parameter_gets_values_of_the_types_that_the_module_deals_in_once() -> None:
    body = """
        def test_1():
            value = shop.due(None, days=3)
            assert value is None
        def test_2():
            assert shop.due(None) is None
    """
    tests = [each for each in ast.parse(dedent(body)).body if isinstance(each, ast.FunctionDef)]

    found = [each.statements for each in variations(tests, ast.parse(DATED)) if "datetime" in each.statements[0]]

    assert found == [
        ("import datetime", "value = shop.due(datetime.date(2024, 2, 29), days=3)", "value"),
        ("import datetime", "value = shop.due(datetime.datetime(2023, 12, 31, 23, 59), days=3)", "value"),
        ("import datetime", "value = shop.due(datetime.timedelta(days=40), days=3)", "value"),
        ("import datetime", "value = shop.due(None, days=datetime.date(2024, 2, 29))", "value"),
        ("import datetime", "value = shop.due(None, days=datetime.datetime(2023, 12, 31, 23, 59))", "value"),
        ("import datetime", "value = shop.due(None, days=datetime.timedelta(days=40))", "value"),
    ]


def test_a_module_that_deals_in_plain_values_gets_no_others() -> None:
    assert not [
        each for each in tried("def test_1():\n    shop.greeting(name=None)\n") if "import" in each.statements[0]
    ]

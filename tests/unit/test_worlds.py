"""Which values of a module's own classes its parameters are given."""

import ast
from textwrap import dedent

from testwright.engines._vary import variations
from testwright.engines._worlds import MOST, filled, own_values

SHOP = """
import enum
from collections.abc import Sequence


class Zone(enum.IntEnum):
    NEAR = 1
    FAR = 2


class Parcel:
    def __init__(self, weight, zone: Zone = Zone.NEAR):
        pass

    def beside(self, other: "Parcel | None"):
        pass


def total(parcels: Sequence[Parcel], tip: int = 0, *, zone: Zone):
    pass
"""

NEAR, FAR = ["shop.Zone.NEAR", "shop.Zone.FAR"]


def functions(body: str) -> list[ast.FunctionDef]:
    return [each for each in ast.parse(dedent(body)).body if isinstance(each, ast.FunctionDef)]


MADE = """
    def test_1():
        heavy = 7
        shop.Parcel(weight=3)
        shop.Parcel(weight=heavy)
        assert shop.Parcel(weight=3).beside(other=None) is None
    def test_2():
        shop.total(parcels=None, tip=2, zone=None)
        other.Parcel(weight=9)
"""


def test_an_enumeration_gives_its_members_and_a_class_what_tests_have_made_of_plain_arguments() -> None:
    assert own_values(ast.parse(SHOP), functions(MADE), "shop") == {
        "Parcel: zone": [NEAR, FAR],
        "beside: other": ["shop.Parcel(weight=3)"],
        "total: parcels": ["[shop.Parcel(weight=3)]"],
        "total: zone": [NEAR, FAR],
    }


def test_a_class_that_no_test_has_made_gives_nothing_and_a_common_one_not_too_much() -> None:
    assert "beside: other" not in own_values(ast.parse(SHOP), [], "shop")
    many = "def test_1():\n" + "".join(f"    shop.Parcel(weight={number})\n" for number in range(20))
    assert len(own_values(ast.parse(SHOP), functions(many), "shop")["beside: other"]) == MOST


def test_what_is_no_value_of_its_class_is_replaced_by_one() -> None:
    own = own_values(ast.parse(SHOP), functions(MADE), "shop")
    (call,) = filled(ast.parse("shop.total(parcels=None, tip=2, zone=shop.Zone.FAR)").body, own)

    assert ast.unparse(call) == "shop.total(parcels=[shop.Parcel(weight=3)], tip=2, zone=shop.Zone.FAR)"


def test_each_parameter_is_tried_with_the_values_of_its_class_beside_valid_others() -> None:
    tried = {each.statements[-1] for each in variations(functions(MADE), ast.parse(SHOP), "shop")}

    assert {
        f"shop.total(parcels=[shop.Parcel(weight=3)], tip=2, zone={NEAR})",
        f"shop.total(parcels=[shop.Parcel(weight=3)], tip=2, zone={FAR})",
        "shop.Parcel(weight=3).beside(other=shop.Parcel(weight=3))",
    } <= tried

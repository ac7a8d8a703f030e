"""What is delivered has been improved as a reviewer would, and does what it did before that."""

from pathlib import Path

import pytest

from tests.support.verification import find, inquiry, verdicts
from testwright.engines._tidy import tidy
from testwright_schemas import Policy

pytestmark = pytest.mark.slow

CARTS = """
import sys


class Cart:
    def __init__(self, owner):
        self.owner = owner
        self.made_by = sys._getframe(1).f_code.co_name
        self.pieces = 0

    def add(self, pieces):
        if pieces < 0:
            raise ValueError("negative")
        self.pieces += pieces
        return self.pieces / 8

    def label(self):
        return self.owner.upper() if self.pieces else self.owner
"""

TESTS = """
import pytest
import carts


def test_one_piece():
    cart = carts.Cart("Ann")
    assert cart.add(1) == 0.125


def test_nothing_to_add():
    cart = carts.Cart("Ann")
    with pytest.raises(ValueError):
        cart.add(-1)


def test_label():
    cart = carts.Cart("Ann")
    cart.add(3)
    assert cart.label() == "ANN"


def test_label_of_nothing():
    cart = carts.Cart("Ann")
    assert cart.label() == "Ann"
"""

POLICY = Policy(repeats=2, mutants=True, mutants_budget_s=30.0)


async def test_repeated_set_up_becomes_a_fixture_and_fractions_are_approximate(tmp_path: Path) -> None:
    asked = await inquiry(tmp_path, {"carts.py": CARTS}, "carts", {"test_carts.py": TESTS}, POLICY)

    finding = await find(asked)

    (content,) = finding.files.values()
    assert b"@pytest.fixture\ndef cart():\n" in content
    assert b"cart.add(1) == pytest.approx(0.125)" in content
    assert set(verdicts(finding).values()) == {"kept"}
    assert finding.coverage is not None
    assert finding.coverage.line == 100.0


async def test_an_improvement_that_changes_an_outcome_is_taken_back(tmp_path: Path) -> None:
    suite = TESTS + '    assert cart.made_by == "test_label_of_nothing"\n'
    asked = await inquiry(tmp_path, {"carts.py": CARTS}, "carts", {"test_carts.py": suite}, POLICY)

    finding = await find(asked)

    (content,) = finding.files.values()
    assert b"fixture" not in content
    assert set(verdicts(finding).values()) == {"kept"}


async def test_an_improvement_that_no_longer_notices_a_mutant_is_taken_back(tmp_path: Path) -> None:
    rates = "def rate(pieces):\n    return pieces + 0.1 ** 9 + 0.5\n"
    suite = "import rates\n\n\ndef test_rate():\n    assert rates.rate(1) == 1.500000001\n"
    asked = await inquiry(tmp_path, {"rates.py": rates}, "rates", {"test_rates.py": suite}, POLICY)

    finding = await find(asked)

    (content,) = finding.files.values()
    assert b"approx" not in content
    assert finding.mutation.killed == finding.mutation.total


async def test_tests_of_a_module_whose_package_has_its_name_for_something_else_are_delivered(tmp_path: Path) -> None:
    sources = {
        "shop/__init__.py": "from shop.price import price\n",
        "shop/price.py": "def price(n):\n    return 3 * n\n",
    }
    written = "import shop.price\nimport sys\n\nprice_ = sys.modules['shop.price']\n\n\n"
    written += "def test_0():\n    var_0 = price_.price(n=2)\n    assert var_0 == 6\n"
    suite = tidy([written], "shop.price", shadowed=True)
    asked = await inquiry(tmp_path, sources, "shop.price", {"test_price.py": suite}, POLICY)

    finding = await find(asked)

    assert verdicts(finding) == {"test_price_returns_6_for_2": "kept"}


CROWDED = """
import shop


def crowd():
    return sum(name.startswith("test_") for name in globals())


def test_needs_all():
    assert shop.one() == 1 and crowd() > 5


def test_needs_most():
    assert shop.two() == 2 and crowd() > 4


def test_needs_some():
    assert shop.three() == 3 and crowd() > 3


def test_of_four():
    assert shop.four() == 4


def test_of_five():
    assert shop.five() == 5


def test_adds_nothing():
    assert shop.one() == 1
"""


async def test_those_that_fail_once_others_are_left_out_cost_the_rest_nothing(tmp_path: Path) -> None:
    names = ("one", "two", "three", "four", "five")
    shop = "\n\n".join(f"def {name}():\n    return {number}\n" for number, name in enumerate(names, start=1))
    policy = Policy(repeats=1, mutants=False)

    finding = await find(await inquiry(tmp_path, {"shop.py": shop}, "shop", {"test_shop.py": CROWDED}, policy))

    assert verdicts(finding) == {
        "test_needs_all": "failing",
        "test_needs_most": "failing",
        "test_needs_some": "failing",
        "test_of_four": "kept",
        "test_of_five": "kept",
        "test_adds_nothing": "redundant",
    }

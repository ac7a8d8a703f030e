"""What mutants meet when a candidate is judged for real."""

from pathlib import Path

import pytest

from tests.support.verification import CALC, find, inquiry, verdicts
from testwright.verification import report as reports
from testwright_schemas import Policy

pytestmark = pytest.mark.slow


async def test_mutants_meet_tests_with_all_that_pytest_does_for_them(tmp_path: Path) -> None:
    suite = """
import unittest

import pytest
from calc import add, sign


@pytest.fixture
def one():
    return 1


@pytest.fixture
def five():
    return 5


READY = []


def setup_module():
    READY.append(True)


def test_plain_after_the_set_up_of_its_module():
    assert READY
    assert sign(-3) == -1


def test_with_a_fixture(one, five):
    assert add(one, five) == 6


@pytest.mark.parametrize("number", [0, 7])
def test_with_parameters(number):
    assert sign(number) == (number > 0)


class TestLimit(unittest.TestCase):
    def setUp(self):
        self.large = 11

    def test_limit(self):
        with self.assertRaises(ValueError):
            add(self.large, 1)
        assert add(10, 1) == 11
"""
    policy = Policy(repeats=2, mutants=True, mutants_budget_s=60.0)
    asked = await inquiry(tmp_path, {"calc.py": CALC}, "calc", {"test_calc.py": suite}, policy)

    finding = await find(asked)

    assert set(verdicts(finding).values()) <= {"kept", "redundant"}
    assert reports.decode(finding.report).mutation_note == ""
    assert finding.mutation.killed == finding.mutation.total > 10


async def test_mutants_meet_tests_that_need_pytest_without_saying_so(tmp_path: Path) -> None:
    suite = """
import os

from calc import add


def test_adds():
    assert os.environ["PYTEST_CURRENT_TEST"]
    assert add(1, 2) == 3
"""
    asked = await inquiry(tmp_path, {"calc.py": CALC}, "calc", {"test_calc.py": suite}, Policy(repeats=1))

    finding = await find(asked)

    assert reports.decode(finding.report).mutation_note == ""
    assert finding.mutation.killed > 0


async def test_mutants_are_killed_by_assertions_only(tmp_path: Path) -> None:
    calls = "from calc import add, sign\n\n\ndef test_calls():\n    {} add(1, 2) {}\n    sign(0), sign(-1), sign(2)\n"
    policy = Policy(repeats=1, mutants_budget_s=30)
    toothless = await inquiry(
        tmp_path / "a", {"calc.py": CALC}, "calc", {"test_a.py": calls.format("assert", "is not None")}, policy
    )
    sharp = await inquiry(
        tmp_path / "b", {"calc.py": CALC}, "calc", {"test_a.py": calls.format("assert", "== 3")}, policy
    )

    loose, strict = await find(toothless), await find(sharp)

    assert loose.mutation.total == strict.mutation.total > 10
    assert loose.mutation.killed < strict.mutation.killed < strict.mutation.total
    assert loose.coverage == strict.coverage

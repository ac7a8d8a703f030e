"""A module in syntax that the Python we run on cannot read, for a project whose interpreter can."""

import json
from pathlib import Path

import pytest

from tests.support.assignments import assignment
from tests.support.verification import find, inquiry
from testwright.engines import Assignment
from testwright.engines._target import public_names, read_target
from testwright.errors import EnvironmentBuildError
from testwright_schemas import Policy

MODULE = '''\
"""Prices."""

type Price = int | float
LIMIT = 100


def cheapest[T](prices: dict[T, Price]) -> T:
    """Return whose price is lowest."""
    return min(prices, key=prices.__getitem__)


def told(prices: dict[str, Price], name: str, width: int = 6) -> str:
    if prices[name] >= LIMIT:
        return "dear"
    return f"{name}: {prices["tea"] if name == "tea" else prices[name]:>{width}} {f"{name!r:>{width}}"}"
'''
SUITE = """\
from shop import cheapest, told


def test_cheapest():
    assert cheapest({"tea": 3, "rice": 2}) == "rice"


def test_dear():
    assert told({"tea": 100}, "tea") == "dear"


def test_told():
    assert told({"rice": 99}, "rice") == "rice:     99 'rice'"
"""
METADATA = '[project]\nname = "shop"\nversion = "1"\nrequires-python = "==3.12.*"\n'


@pytest.fixture
async def work(tmp_path: Path) -> Assignment:
    """Return an assignment whose environment is that of a project for Python 3.12."""
    made = assignment(tmp_path / "work", {"shop.py": MODULE, "pyproject.toml": METADATA}, "shop")
    try:
        environment = await made.environments.for_project(made.root, made.target, None)
    except EnvironmentBuildError as error:
        pytest.skip(f"there is no Python 3.12 here: {error}")
    return Assignment(
        target=made.target,
        root=made.root,
        scratch=made.scratch,
        environment=environment,
        policy=made.policy,
        sandbox=made.sandbox,
        environments=made.environments,
    )


async def test_engines_read_it_with_the_projects_interpreter(work: Assignment) -> None:
    tree = await read_target(work)

    assert public_names(tree) == ["LIMIT", "Price", "cheapest", "told"]


@pytest.mark.slow
async def test_its_tests_are_verified_with_coverage_and_mutants(work: Assignment, tmp_path: Path) -> None:
    del work  # there is a Python 3.12
    policy = Policy(repeats=1, mutants_budget_s=3.0)
    asked = await inquiry(
        tmp_path, {"shop.py": MODULE, "pyproject.toml": METADATA}, "shop", {"test_a.py": SUITE}, policy
    )

    finding = await find(asked)

    assert {case.id.rpartition("::")[2]: case.verdict for case in finding.cases} == {
        "test_cheapest": "kept",
        "test_dear": "kept",
        "test_told": "kept",
    }
    report = json.loads(finding.report)
    assert report["mutants"]
    assert report["coverage"]["line"] == 100

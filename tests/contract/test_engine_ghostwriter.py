"""What is particular to the ghostwriter engine."""

import ast
from pathlib import Path

import pytest

from tests.support.assignments import Reports, assignment
from testwright.engines.ghostwriter import GhostwriterEngine

pytestmark = pytest.mark.slow


async def test_one_function_it_cannot_handle_does_not_cost_the_others(tmp_path: Path) -> None:
    source = """
import random


def choose(items: list[int], pick=random.choice) -> int:
    return pick(items)


def double(number: int) -> int:
    return 2 * number
"""
    reports = Reports()

    candidate = await GhostwriterEngine().generate(assignment(tmp_path, {"maths.py": source}, "maths"), reports)

    assert set(candidate.files) == {"test_maths_double.py"}
    assert any(message.startswith("skipped choose") for message in reports.messages)


async def test_it_says_that_its_tests_need_hypothesis(tmp_path: Path) -> None:
    source = "def double(number: int) -> int:\n    return 2 * number\n"

    candidate = await GhostwriterEngine().generate(assignment(tmp_path, {"maths.py": source}, "maths"), Reports())

    assert [each.partition("==")[0] for each in candidate.requirements] == ["hypothesis", "sortedcontainers"]
    imports = [
        each for each in ast.walk(ast.parse(candidate.files["test_maths.py"])) if isinstance(each, ast.ImportFrom)
    ]
    assert {each.module for each in imports} == {"hypothesis"}


async def test_inverse_functions_are_tested_against_each_other(tmp_path: Path) -> None:
    source = """
def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
"""

    candidate = await GhostwriterEngine().generate(assignment(tmp_path, {"codec.py": source}, "codec"), Reports())

    assert b"def test_roundtrip_encode_decode" in candidate.files["test_codec.py"]

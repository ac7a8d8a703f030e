"""Calls with other arguments, made in a sandbox, and the tests that become of them."""

import ast
import re
from pathlib import Path

from tests.support.assignments import assignment
from testwright.engines._varied import PROGRAM, varied

SHOP = """
import os
import time


class EmptyError(Exception):
    pass


class Thing:
    pass


def price(pieces, hang=False, end=False):
    print('{"index": 0, "lines": ["assert False"], "seen": ["False"]}')
    if hang:
        time.sleep(60)
    if end:
        os._exit(3)
    if pieces < 1:
        raise EmptyError
    return 100 * pieces if pieces < 10 else 90 * pieces


def thing(size):
    return Thing() if size > 5 else None


def broken(size):
    if size > 5:
        raise type("Own", (Exception,), {})
    return size


def filled(size):
    return len(bytearray(2**40 if size > 5 else size))
"""

HEAD = "from pkg import shop\n\n\n"


async def tests_of(tmp_path: Path, *bodies: str) -> list[str]:
    """Return the bodies of the tests that are added to a suite of these."""
    work = assignment(tmp_path, {"pkg/__init__.py": "", "pkg/shop.py": SHOP}, "pkg.shop")
    suite = HEAD + "\n\n".join(f"def test_{number}():\n    {body}\n" for number, body in enumerate(bodies, start=1))
    text = await varied(work, suite, ast.parse(SHOP))
    functions = [each for each in ast.parse(text).body if isinstance(each, ast.FunctionDef)]
    assert len({each.name for each in functions}) == len(functions)
    found = ["\n".join(map(ast.unparse, each.body)) for each in functions]
    return [each for each in found if each not in bodies]


async def test_a_suite_gets_tests_of_both_sides_of_each_limit(tmp_path: Path) -> None:
    found = await tests_of(tmp_path, "assert shop.price(pieces=3) == 300")

    assert "assert shop.price(pieces=9) == 900" in found
    assert "assert shop.price(pieces=10) == 900" in found
    assert "with pytest.raises(shop.EmptyError):\n    shop.price(pieces=0)" in found


async def test_the_tests_of_one_function_stand_together(tmp_path: Path) -> None:
    work = assignment(tmp_path, {"pkg/__init__.py": "", "pkg/shop.py": SHOP}, "pkg.shop")
    tests = [
        "assert shop.broken(size=3) == 3",
        "assert shop.price(pieces=3) == 300",
        "assert shop.thing(size=3) is None",
    ]
    suite = HEAD + "\n\n".join(f"def test_{number}():\n    {body}\n" for number, body in enumerate(tests, start=1))

    text = await varied(work, suite, ast.parse(SHOP))

    called = [word for word in ("broken", "price", "thing") for _ in range(text.count(f"shop.{word}("))]
    assert re.findall(r"shop\.(\w+)\(", text) == called
    assert called.count("price") > 1


async def test_pytest_is_imported_where_a_test_expects_the_first_error(tmp_path: Path) -> None:
    work = assignment(tmp_path, {"pkg/__init__.py": "", "pkg/shop.py": SHOP}, "pkg.shop")
    suite = f"{HEAD}def test_1():\n    assert shop.price(pieces=3) == 300\n"

    assert "\nimport pytest\n" in "\n" + await varied(work, suite, ast.parse(SHOP))


async def test_what_hangs_or_ends_its_process_is_left_out_and_the_rest_goes_on(tmp_path: Path) -> None:
    found = await tests_of(
        tmp_path,
        "assert shop.price(pieces=3, hang=False) == 300",
        "assert shop.price(pieces=3, end=False) == 300",
    )

    assert "assert shop.price(pieces=9, end=False) == 900" in found
    assert not [each for each in found if "hang=True" in each or "end=True" in each]


async def test_values_without_a_source_are_not_asserted_and_errors_without_a_name_not_expected(tmp_path: Path) -> None:
    found = await tests_of(tmp_path, "assert shop.thing(size=3) is None", "assert shop.broken(size=3) == 3")

    assert not [each for each in found if "thing" in each]
    assert "assert shop.broken(size=5) == 5" in found
    assert not [each for each in found if "size=6" in each]


async def test_what_takes_all_memory_is_not_asserted(tmp_path: Path) -> None:
    found = await tests_of(tmp_path, "assert shop.filled(size=3) == 3")

    assert "assert shop.filled(size=5) == 5" in found
    assert not [each for each in found if "Memory" in each]


async def test_a_suite_without_a_call_to_vary_stays_as_it_is(tmp_path: Path) -> None:
    assert await tests_of(tmp_path, "assert shop.EmptyError is not None") == []


def test_the_program_runs_without_anything_of_ours() -> None:
    tree = ast.parse(PROGRAM.read_text("utf-8"))
    imported = [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]

    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module != "typing"]
    assert not [name for name in imported if name.startswith("testwright")]


async def test_examples_of_the_documentation_become_tests(tmp_path: Path) -> None:
    docs = (
        'def price(pieces):\n    """\n    >>> price(4)\n    400\n    >>> price(0)\n    """\n    return 100 // pieces\n'
    )
    work = assignment(tmp_path, {"pkg/__init__.py": "", "pkg/shop.py": docs}, "pkg.shop")

    text = await varied(work, f"{HEAD}def test_1():\n    assert shop.price(pieces=3) == 33\n", ast.parse(docs))

    assert "assert shop.price(4) == 25" in text
    assert "with pytest.raises(ZeroDivisionError):\n        shop.price(0)" in text


DUE = """
from datetime import timedelta


class Term:
    def __init__(self, days):
        self.days = days

    def __repr__(self):
        return f"Term({self.days})"

    def after(self, start):
        if start is None:
            return self
        return start + timedelta(days=self.days)

    def length(self, unit):
        return timedelta(self.days) if unit == "days" else NotImplemented
"""


async def test_values_that_the_module_deals_in_become_tests_and_so_does_what_shows_itself(tmp_path: Path) -> None:
    work = assignment(tmp_path, {"pkg/__init__.py": "", "pkg/shop.py": DUE}, "pkg.shop")
    body = (
        "    term = shop.Term(days=1)\n    result = term.after(start=None)\n    assert isinstance(result, shop.Term)\n"
    )

    shown = "def test_2():\n    shop.Term(days=2)\n\n\ndef test_3():\n    shop.Term(days=2).length(unit='x')\n"

    text = await varied(work, f"{HEAD}def test_1():\n{body}\n\n{shown}", ast.parse(DUE))

    assert "import datetime" in text
    assert "assert shop.Term(days=2).length(unit='x') is NotImplemented" in text
    assert "assert shop.Term(days=2).length(unit='days') == shop.timedelta(days=2)" in text
    assert (
        "result = term.after(start=datetime.date(2024, 2, 29))\n    assert result == datetime.date(2024, 3, 1)" in text
    )
    assert "assert repr(shop.Term(days=2)) == 'Term(2)'" in text


async def test_a_value_that_cannot_show_itself_is_no_error_of_the_call(tmp_path: Path) -> None:
    mute = "class Mute:\n    def __repr__(self):\n        raise ValueError\n\n\ndef mute():\n    return Mute()\n"
    work = assignment(tmp_path, {"pkg/__init__.py": "", "pkg/shop.py": mute}, "pkg.shop")
    suite = f"{HEAD}def test_1():\n    shop.mute()\n"

    assert await varied(work, suite, ast.parse(mute)) == suite


async def test_a_function_that_makes_functions_is_asserted_to_make_one(tmp_path: Path) -> None:
    maker = "def adder(n):\n    if n is None:\n        return int\n    return lambda x: x + n\n"
    work = assignment(tmp_path, {"pkg/__init__.py": "", "pkg/shop.py": maker}, "pkg.shop")
    suite = f"{HEAD}def test_1():\n    shop.adder(n=1.5)\n\n\ndef test_2():\n    shop.adder(n=None)\n"

    text = await varied(work, suite, ast.parse(maker))

    assert "assert callable(shop.adder(n=1.5))" in text
    assert "callable(shop.adder(n=None))" not in text  # a class is no new function

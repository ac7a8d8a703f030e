"""What engines learn of a target from its source alone."""

import ast
import re
from pathlib import Path
from textwrap import dedent

import anyio
import pytest

from tests.support.assignments import assignment
from testwright.engines._target import is_shadowed, make_plain, pinned, public_names, read_target


def test_public_names_are_those_that_are_surely_bound() -> None:
    source = """
        import os
        from sys import path
        A = 1
        B, (C, _d) = 2, (3, 4)
        E: int = 5
        F: int
        A.x = B[0] = 6
        temporary = 7
        del temporary
        def function(): ...
        async def coroutine(): ...
        class Class: ...
        if A:
            sometimes = 1
    """

    names = public_names(ast.parse(dedent(source)))

    assert names == ["A", "B", "C", "Class", "E", "coroutine", "function"]


@pytest.mark.parametrize(
    ("init", "shadowed"),
    [
        ("from .shop import shop\n", True),
        ("from .shop import *\n", True),
        ("from .other import thing as shop\n", True),
        ("shop = None\n", True),
        ("def (:\n", True),
        ("from . import shop\n", False),
        ("from .shop import price\n", False),
        ("", False),
    ],
)
async def test_a_package_may_use_its_modules_name_for_something_else(tmp_path: Path, init: str, shadowed: bool) -> None:
    work = assignment(tmp_path, {"pkg/__init__.py": init, "pkg/shop.py": ""}, "pkg.shop")

    assert await is_shadowed(work) is shadowed


async def test_a_module_without_a_package_is_never_shadowed(tmp_path: Path) -> None:
    assert not await is_shadowed(assignment(tmp_path, {"shop.py": "shop = 1\n"}, "shop"))


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        (b"\xef\xbb\xbfNAME = 1\r\n", "NAME = 1\r\n"),
        (b"\xef\xbb\xbf# coding: utf-8\nNAME = 1\n", "# \nNAME = 1\n"),
        (b"# -*- coding: latin-1 -*-\nNAME = 'caf\xe9'\n", "# -*-  -*-\nNAME = 'café'\n"),
        (
            b"#!/usr/bin/python\n# vim: set fileencoding=latin-1 :\nA = '\xe9'\n",
            "#!/usr/bin/python\n# vim: set fileen :\nA = 'é'\n",
        ),
        ("# coding: utf-8\nNAME = 'café'\n".encode(), "# coding: utf-8\nNAME = 'café'\n"),
    ],
)
async def test_a_module_in_any_encoding_becomes_plain_utf_8(tmp_path: Path, source: bytes, plain: str) -> None:
    work = assignment(tmp_path, {"shop.py": ""}, "shop")
    path = anyio.Path(work.root, "shop.py")
    await path.write_bytes(source)
    meant = ast.dump(await read_target(work))

    await make_plain(work)

    assert await path.read_bytes() == plain.encode()
    assert ast.dump(await read_target(work)) == meant


@pytest.mark.parametrize("tool", ["pynguin", "ghostwriter"])
def test_every_requirement_of_a_tool_is_pinned_and_names_no_index(tool: str) -> None:
    lines = pinned(tool)

    assert any(line.startswith(("pynguin==", "hypothesis==")) for line in lines)
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; .+)?", line), line

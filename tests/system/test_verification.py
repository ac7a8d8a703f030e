"""Candidates that misbehave in every way, judged for real."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from tests.support import evidence
from tests.support.verification import CALC, Reports, find, inquiry, verdicts
from testwright.errors import VerificationError
from testwright.sandbox.local import LocalSandbox
from testwright.snapshots import archive
from testwright.verification import report as reports
from testwright.verification.recheck import recheck
from testwright_schemas import Policy

pytestmark = pytest.mark.slow

ONE_OF_EACH = """
import os

import pytest
from calc import add, sign

SEEN = []


def test_adds():
    assert add(1, 2) == 3


def test_is_wrong():
    assert add(1, 2) == 4


def test_calls_wrongly():
    assert add(1, None) == 1


def test_depends_on_the_hash_seed():
    assert hash("a") == hash_of_a_in_reference()


def hash_of_a_in_reference():
    return hash("a") if os.environ["PYTHONHASHSEED"] == "0" else None


def test_comes_first():
    SEEN.append(add(2, 2))
    assert SEEN


def test_needs_the_one_before():
    assert SEEN == [4]


def test_asserts_nothing():
    add(3, 4)


@pytest.mark.xfail
def test_is_expected_to_fail():
    assert add(1, 1) == 3


def test_hangs():
    while add(1, 1):
        pass
    assert False


def test_ends_the_process():
    os._exit(0)
    assert add(1, 1) == 2


@pytest.mark.parametrize(("number", "expected"), [(5, 1), (-5, -1), (0, 0)])
def test_tells_signs(number, expected):
    assert sign(number) == expected


def test_adds_nothing_new():
    assert add(1, 3) == 4
"""


async def test_every_kind_of_test_gets_its_verdict(tmp_path: Path) -> None:
    files = {"test_each.py": ONE_OF_EACH, "test_broken.py": "def test_unreadable(:\n    pass\n"}
    asked = await inquiry(tmp_path, {"calc.py": CALC}, "calc", files, Policy(repeats=3, mutants_budget_s=30))

    finding = await find(asked)

    assert verdicts(finding) == {
        "test_adds": "kept",
        "test_tells_signs": "kept",
        "test_is_wrong": "suspected-bug",
        "test_calls_wrongly": "failing",
        "test_depends_on_the_hash_seed": "flaky",
        "test_comes_first": "redundant",
        "test_needs_the_one_before": "order-dependent",
        "test_asserts_nothing": "vacuous",
        "test_is_expected_to_fail": "vacuous",
        "test_hangs": "too-slow",
        "test_ends_the_process": "unsafe",
        "test_adds_nothing_new": "redundant",
        "test_unreadable": "not-collected",
    }
    assert finding.python.startswith("3.")
    assert finding.isolation == asked.sandbox.isolation
    report = json.loads(finding.report)
    assert report["missing_lines"] == [9]
    assert [suspicion["id"] for suspicion in report["suspicions"]] == ["test_each.py::test_is_wrong"]
    assert "assert add(1, 2) == 4" in report["suspicions"][0]["source"]
    assert {survivor["line"] for survivor in report["survivors"]} >= {8}


async def test_the_delivered_file_passes_with_plain_pytest(tmp_path: Path) -> None:
    asked = await inquiry(
        tmp_path,
        {"shop/__init__.py": "", "shop/calc.py": CALC},
        "shop.calc",
        {
            "test_a.py": "import shop.calc as module_0\n\ndef test_case_0():\n    assert module_0.add(1, 2) == 3\n",
            "test_b.py": (
                "import pytest\nimport shop.calc as module_0\nimport os\n\n"
                "def test_case_0():\n    with pytest.raises(ValueError):\n        module_0.add(11, 2)\n"
            ),
        },
    )

    finding = await find(asked)

    assert list(finding.files) == ["shop/test_shop_calc.py"]
    suite = tmp_path / "project" / "shop" / "test_shop_calc.py"
    suite.write_bytes(finding.files["shop/test_shop_calc.py"])
    tool = await asked.environments.for_tool("pytest", ["pytest"], (), like=asked.environment)
    done = await anyio.run_process([tool.python, "-m", "pytest", "-q", suite], cwd=asked.root, check=False)
    assert done.returncode == 0, done.stdout.decode()
    assert b"2 passed" in done.stdout
    text = suite.read_text()
    assert "def test_add_returns_3()" in text
    assert "def test_add_raises_value_error()" in text
    assert "import os" not in text
    assert "Tests of shop.calc, written by echo" in text
    assert {case.id for case in finding.cases} == {
        "shop/test_shop_calc.py::test_add_returns_3",
        "shop/test_shop_calc.py::test_add_raises_value_error",
    }
    assert finding.coverage is not None
    assert (finding.coverage.covered_lines, finding.coverage.total_lines) == (6, 9)


async def test_a_configuration_of_the_project_changes_nothing(tmp_path: Path) -> None:
    sources = {
        "calc.py": CALC,
        "conftest.py": "import os\nos._exit(0)\n",
        "pytest.ini": "[pytest]\naddopts = --deselect test_a.py -k nothing\n",
        ".coveragerc": "[run]\nomit = *\n",
        "pluggy.py": "raise RuntimeError('stands in for a part of pytest')\n",
        "sitecustomize.py": "import os\nos._exit(0)\n",
    }
    test = "from calc import add\n\n\ndef test_adds():\n    assert add(1, 2) == 3\n"
    asked = await inquiry(tmp_path, sources, "calc", {"test_a.py": test, "conftest.py": sources["conftest.py"]})

    finding = await find(asked)

    assert verdicts(finding) == {"test_adds": "kept"}
    assert finding.coverage is not None
    assert finding.coverage.line > 50


async def test_a_file_that_ends_the_process_on_import_takes_no_other_with_it(tmp_path: Path) -> None:
    good = "from calc import add\n\n\ndef test_adds():\n    assert add(1, 2) == 3\n"
    bad = "import os\nfrom calc import add\nos._exit(0)\n\n\ndef test_more():\n    assert add(2, 2) == 4\n"
    asked = await inquiry(tmp_path, {"calc.py": CALC}, "calc", {"test_a.py": bad, "test_b.py": good})

    finding = await find(asked)

    assert verdicts(finding) == {"test_adds": "kept", "test_more": "unsafe"}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nowhere_to_be_found\n", "nowhere_to_be_found"),
        ("import os\nos._exit(0)\n", "ends the process"),
        ("while True:\n    pass\n", "is not done in time"),
    ],
    ids=["missing", "exit", "hang"],
)
async def test_a_target_that_cannot_be_imported_is_said_to_be_so(tmp_path: Path, source: str, said: str) -> None:
    test = "import calc\n\n\ndef test_adds():\n    assert calc.add(1, 2) == 3\n"
    policy = Policy(repeats=2, mutants=False, timeout_s=10)
    asked = await inquiry(tmp_path, {"calc.py": source}, "calc", {"test_a.py": test}, policy)

    with pytest.raises(VerificationError, match=said) as caught:
        await find(asked)

    assert caught.value.cause == "target-not-importable"
    assert not caught.value.retryable


async def test_the_same_work_gives_the_same_file(tmp_path: Path) -> None:
    asked = [await inquiry(tmp_path / name, {"calc.py": CALC}, "calc", {"test_each.py": ONE_OF_EACH}) for name in "ab"]

    first, second = await find(asked[0]), await find(asked[1])

    assert first.files == second.files
    assert first.cases == second.cases


BEYOND = """
import datetime
import os
import socket
import subprocess

import pytest
from calc import add

YEAR = {year}


def test_stays_inside(tmp_path, monkeypatch):
    monkeypatch.setenv("CALC_MODE", "x")
    (tmp_path / "a").write_text("a")
    with socket.socket() as probe, pytest.raises(OSError):
        probe.connect(("127.0.0.1", 9))
    assert add(1, 2) == 3


def test_writes_where_it_runs():
    with open("left.txt", "w") as file:
        file.write(str(add(1, 2)))
    assert os.path.exists("left.txt")


def test_starts_a_program():
    assert subprocess.run(["true"]).returncode == add(0, 0)


def test_asks_the_network():
    with pytest.raises(OSError):
        socket.create_connection(("192.0.2.1", 9), timeout=0.1)
    assert add(1, 2) == 3


def test_leaves_a_variable():
    os.environ["CALC_LEFT"] = str(add(1, 2))
    assert os.environ["CALC_LEFT"] == "3"


def test_knows_the_year():
    assert datetime.date.today().year - YEAR == add(0, 0)
"""


async def test_what_leaves_its_folders_is_unsafe_and_what_knows_the_date_is_flaky(tmp_path: Path) -> None:
    text = BEYOND.replace("{year}", str(datetime.now(UTC).year))
    policy = Policy(repeats=4, mutants=False)
    asked = await inquiry(tmp_path, {"calc.py": CALC}, "calc", {"test_b.py": text}, policy)

    finding = await find(asked)

    assert verdicts(finding) == {
        "test_stays_inside": "kept",
        "test_writes_where_it_runs": "unsafe",
        "test_starts_a_program": "unsafe",
        "test_asks_the_network": "unsafe",
        "test_leaves_a_variable": "unsafe",
        "test_knows_the_year": "flaky",
    }
    told = reports.decode(finding.report)
    later = [run for run in told.runs if "later clock" in run.condition]
    assert [list(run.exceptions) for run in later] == [["test_b.py::test_knows_the_year"]]
    assert "assert" in told.outputs["test_b.py::test_knows_the_year"]


async def test_a_test_that_rewrites_the_project_is_unsafe_and_the_others_never_see_it(tmp_path: Path) -> None:
    test = (
        "import os\nimport calc\n\n\n"
        "def test_rewrites():\n    with open(calc.__file__, 'w') as file:\n"
        "        file.write('def add(a, b): return 3')\n    assert calc.add(1, 2) == 3\n\n\n"
        "def test_adds():\n    assert calc.add(2, 2) == 4\n"
    )
    asked = await inquiry(tmp_path, {"calc.py": CALC}, "calc", {"test_a.py": test})

    finding = await find(replace(asked, sandbox=LocalSandbox(allow_bubblewrap=False)))

    found = {case.id.rpartition("::")[2]: case for case in finding.cases}
    assert {name: case.verdict for name, case in found.items()} == {"test_adds": "kept", "test_rewrites": "unsafe"}
    assert "calc.py" in found["test_rewrites"].reason
    assert (asked.root / "calc.py").read_text() == CALC


async def test_a_target_with_the_name_of_a_test_tool_is_said_to_have_it(tmp_path: Path) -> None:
    test = "import pluggy\n\n\ndef test_adds():\n    assert pluggy.add(1, 2) == 3\n"
    asked = await inquiry(tmp_path, {"pluggy.py": CALC}, "pluggy", {"test_a.py": test})

    with pytest.raises(VerificationError, match="pluggy") as caught:
        await find(asked)

    assert caught.value.cause == "name-clash"


async def test_evidence_holds_until_the_suite_is_worth_less(tmp_path: Path) -> None:
    test = (
        "import pytest\nfrom calc import add, sign\n\n\n"
        "def test_adds():\n    assert add(1, 2) == 3\n\n\n"
        "def test_signs():\n    assert (sign(-1), sign(0), sign(1)) == (-1, 0, 1)\n"
    )
    policy = Policy(repeats=2, mutants_budget_s=30)
    asked = await inquiry(tmp_path, {"calc.py": CALC}, "calc", {"test_a.py": test}, policy)
    sources = archive.pack({"calc.py": CALC.encode()})

    finding = await find(asked)
    reporter = Reports()

    async def holds(suite: dict[str, bytes]) -> tuple[bool, str]:
        made = evidence.about(reports.decode(finding.report), suite, sources)
        bundle = evidence.bundle(sources, suite, made)
        found = await recheck(bundle, asked.sandbox, asked.environments, reporter)
        return found.holds, "; ".join(found.differences)

    (name, content), *_ = finding.files.items()
    assert await holds({name: content}) == (True, "")
    assert any("mutants" in message for message in reporter.messages)
    weaker = content.replace(b"== 3", b"is not None")
    assert weaker != content
    still, why = await holds({name: weaker})
    assert not still
    assert "is not noticed any more" in why
    still, why = await holds({name: content.replace(b"== 3", b"== 4")})
    assert not still
    assert "does not pass: assert 3 == 4" in why
    still, why = await holds({name: content + b"\n\ndef test_more():\n    assert True\n"})
    assert not still
    assert "does not know" in why

"""Tests that mean harm, each judged by the real verification beside one that does not."""

import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.hostile import (
    ATTACKS,
    CALC,
    CONFTEST,
    CREDENTIALS,
    FAKE,
    FORGER,
    HEAD,
    INNOCENT,
    OPEN_FAKE,
    SECRET,
    SWALLOWS,
    THIEF,
    VICTIM,
    Host,
)
from tests.support.sandboxes import BUBBLEWRAP_WORKS, of_level
from tests.support.verification import find, inquiry, verdicts
from testwright.sandbox import Command, Completed, OnLine, Sandbox
from testwright.verification import Finding, Inquiry
from testwright_schemas import Isolation, Policy

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("hostile")]
bubblewrap = pytest.mark.skipif(not BUBBLEWRAP_WORKS, reason="bubblewrap is missing or may not make namespaces here")


@pytest.fixture
async def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Host]:
    for name in CREDENTIALS:
        monkeypatch.setenv(name, SECRET)
    made = Host(tmp_path / "host")
    yield made
    made.close()


class Tight(Sandbox):
    """Runs what another sandbox runs, within limits that are soon reached."""

    def __init__(self, inner: Sandbox) -> None:
        self._inner = inner

    @property
    def isolation(self) -> Isolation:
        """The level of the other sandbox."""
        return self._inner.isolation

    async def run(self, command: Command, on_line: OnLine | None = None) -> Completed:
        """Run with less."""
        limits = replace(command.limits, processes=64, scratch_mb=160, group_mb=2048)
        return await self._inner.run(replace(command, limits=limits), on_line)


async def assert_next_is_judged(folder: Path) -> None:
    """Judge an innocent test after others: the next task must not know of them."""
    policy = Policy(repeats=1, mutants=False)
    asked = await inquiry(folder / "next", {"calc.py": CALC}, "calc", {"test_innocent.py": INNOCENT}, policy)
    assert verdicts(await find(asked)) == {"test_innocent": "kept"}


async def judged(folder: Path, files: Mapping[str, str], policy: Policy | None = None) -> tuple[Inquiry, Finding]:
    """Judge tests of ours beside an innocent one, which must be kept."""
    files = {**files, "test_innocent.py": INNOCENT}
    asked = await inquiry(
        folder, {"calc.py": CALC}, "calc", files, policy or Policy(repeats=1, mutants=False, timeout_s=3000)
    )
    began = time.monotonic()
    asked = replace(asked, sandbox=Tight(asked.sandbox), case_limit_s=1.0)
    finding = await find(asked)
    for case in finding.cases:
        print(f"{case.id.rpartition('::')[2]:32} {case.verdict:16} {case.reason[:70]}")  # noqa: T201  the table that -s shows
    print(f"{len(files)} files in {time.monotonic() - began:.1f} s")  # noqa: T201  as above
    assert verdicts(finding)["test_innocent"] == "kept"
    await assert_next_is_judged(folder)
    return asked, finding


@bubblewrap
async def test_harm_is_contained_and_judged(tmp_path: Path, host: Host) -> None:
    files = {f"test_{name}.py": HEAD + host.body(name) for name in ATTACKS}
    files["test_huge.py"] = "x = 1\n" * (100_000_000 // 6)
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize

    asked, finding = await judged(tmp_path, files)

    host.assert_unharmed()
    assert asked.sandbox.isolation == "bubblewrap"
    assert {name: verdict for name, verdict in verdicts(finding).items() if verdict == "kept"} == {
        "test_innocent": "kept"
    }
    assert verdicts(finding)["test_huge.py"] == "not-collected"
    assert len(finding.cases) == len(ATTACKS) + 2
    assert len(finding.report) < 1_000_000
    assert (asked.root / "calc.py").read_text() == CALC
    assert free - os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize < 512 << 20


async def test_reports_cannot_be_forged(tmp_path: Path, host: Host) -> None:
    files = {
        "conftest.py": CONFTEST,
        "test_a_open_fake.py": OPEN_FAKE,
        "test_a_forger.py": FORGER,
        "test_a_import_forger.py": FORGER.replace("def test_forger", "forge()\n\n\ndef test_import_forger"),
        "test_swallows.py": SWALLOWS,
        "test_thief.py": THIEF,
        "test_victim.py": VICTIM,
    }

    _, finding = await judged(tmp_path, files, Policy(repeats=1, mutants_budget_s=20, timeout_s=3000))

    found = verdicts(finding)
    assert found["test_wrong"] in {"suspected-bug", "order-dependent"}
    assert found["test_forger"] == found["test_import_forger"] == "unsafe"
    assert found["test_open_fake"] == found["test_swallows"] == "vacuous"
    mutants = json.loads(finding.report)["mutants"]
    assert mutants
    assert {mutant["operator"] for mutant in mutants}.isdisjoint({"forged"})


async def test_a_file_that_replaces_the_runner_gets_nothing_delivered(tmp_path: Path) -> None:
    policy = Policy(repeats=1, mutants_budget_s=20, timeout_s=3000)
    asked = await inquiry(tmp_path, {"calc.py": CALC}, "calc", {"test_a.py": FAKE, "test_b.py": VICTIM}, policy)

    finding = await find(asked)

    assert "kept" not in verdicts(finding).values()
    assert finding.files == {}


EVERYWHERE = ("endless_loop", "daemon", "exits", "rewrites_target")
CONFINED = (*EVERYWHERE, "network", "secrets", "writes_outside", "kills_all")


@pytest.mark.parametrize(("level", "names"), [("landlock", CONFINED), ("process-group", EVERYWHERE)])
async def test_without_bubblewrap_the_next_task_still_finds_the_host_unharmed(
    tmp_path: Path, host: Host, level: Isolation, names: tuple[str, ...]
) -> None:
    sandbox = of_level(level)
    asked = await inquiry(
        tmp_path,
        {"calc.py": CALC},
        "calc",
        {f"test_{name}.py": HEAD + host.body(name) for name in names} | {"test_innocent.py": INNOCENT},
        Policy(repeats=1, mutants=False),
    )

    finding = await find(replace(asked, sandbox=sandbox))

    host.assert_unharmed()
    assert finding.isolation == level
    assert SECRET.encode() not in finding.report
    assert [name for name, verdict in verdicts(finding).items() if verdict == "kept"] == ["test_innocent"]
    assert (asked.root / "calc.py").read_text() == CALC
    await assert_next_is_judged(tmp_path)

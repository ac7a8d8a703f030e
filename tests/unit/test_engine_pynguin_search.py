"""Searches side by side and one after the other, with a sandbox that only pretends."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import pytest
from msgspec import structs

from tests.support.assignments import Reports, assignment, here
from testwright.engines import Assignment
from testwright.engines import _pynguin_search as searching
from testwright.engines._pynguin_search import first_seed, search
from testwright.errors import SandboxError
from testwright.sandbox import Command, Completed, OnLine
from testwright_schemas import Brief, Isolation


@dataclass
class Pretence:
    """Writes a suite for each search at once, or fails; counts how many run at a time."""

    fails: frozenset[int] = frozenset()
    isolation: Isolation = "none"
    seeds: list[int] = field(default_factory=list[int])

    async def run(self, command: Command, on_line: OnLine | None = None) -> Completed:
        seed = int(command.argv[list(command.argv).index("--seed") + 1])
        self.seeds.append(seed)
        if -1 in self.fails:
            raise SandboxError("no sandbox")
        if on_line is not None:
            await on_line(f"Iteration: 1, Coverage: 0.{seed + 1}00")
            await on_line("Start generating assertions")
        await anyio.lowlevel.checkpoint()
        failed = seed in self.fails
        if not failed:
            out = anyio.Path(command.cwd, "out")
            await out.mkdir()
            await (out / "test_shop.py").write_text(f"def test_0():\n    assert {seed}\n")
        return Completed(int(failed), b"", b"", 0.1, timed_out=False, isolation="none")


@pytest.fixture
def work(tmp_path: Path) -> Assignment:
    return assignment(tmp_path, {"shop.py": "def price(): ...\n"}, "shop", budget_s=60.0)


def shortened(work: Assignment, sandbox: Pretence) -> Assignment:
    """Return the assignment with no time for a second search on a core."""
    return replace(work, sandbox=sandbox, policy=structs.replace(work.policy, budget_s=1.0))


@pytest.fixture(autouse=True)
def three_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "processors", lambda: 3)
    monkeypatch.setattr(searching, "free_mb", lambda: 100_000)


async def test_each_core_searches_with_seeds_of_its_own_until_the_time_is_over(work: Assignment) -> None:
    sandbox = Pretence()

    found = await search(replace(work, sandbox=sandbox), here(), Reports())

    # Every search ends early here, so that each core goes on as often as it may.
    assert sorted(sandbox.seeds) == list(range(3 * searching.MOST_IN_TURN))
    assert sorted(each.suite for each in found) == sorted(
        f"def test_0():\n    assert {seed}\n" for seed in sandbox.seeds
    )


async def test_no_other_search_follows_when_the_time_is_over(work: Assignment) -> None:
    sandbox = Pretence()

    await search(shortened(work, sandbox), here(), Reports())

    assert sorted(sandbox.seeds) == [0, 1, 2]


async def test_a_search_that_fails_costs_the_others_nothing(work: Assignment) -> None:
    sandbox = Pretence(fails=frozenset({1}))

    found = await search(replace(work, sandbox=sandbox), here(), Reports())

    assert sum(not each.suite for each in found) == 1
    assert 4 not in sandbox.seeds  # what failed once is not tried again on that core


async def test_a_sandbox_that_cannot_be_started_is_said_as_it_is(work: Assignment) -> None:
    with pytest.raises(SandboxError, match="no sandbox"):
        await search(replace(work, sandbox=Pretence(fails=frozenset({-1}))), here(), Reports())


async def test_only_coverage_that_rises_is_reported(work: Assignment) -> None:
    reports = Reports()

    await search(shortened(work, Pretence()), here(), reports)

    assert reports.coverage == sorted(reports.coverage)
    assert all(re.search(r"\(seed \d+\)$", message) for message in reports.messages)


async def test_searches_of_two_modules_share_the_cores(work: Assignment) -> None:
    with searching.share() as first, searching.share() as second:
        assert (first, second) == (3, 1)


def test_little_memory_allows_one_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "free_mb", lambda: 1000)

    with searching.share() as cores:
        assert cores == 1


def test_another_round_searches_with_other_seeds_and_the_same_round_with_the_same(work: Assignment) -> None:
    briefs = [Brief(missing_lines=(3,)), Brief(missing_lines=(4,)), Brief(missing_lines=(3,))]

    first, second, again = [first_seed(replace(work, brief=brief)) for brief in briefs]

    assert len({first_seed(work), first, second}) == 3
    assert first == again

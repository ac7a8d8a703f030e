"""Runs searches of one module with different seeds side by side: what one of them misses, another may find."""

import os
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import msgspec
from anyio.to_thread import run_sync

from testwright.engines import Assignment, Progress
from testwright.engines._pynguin_log import report_of
from testwright.engines._returned import DISK_MB, read_below, text_of
from testwright.engines._target import import_root, last_part, readable
from testwright.environments import Environment
from testwright.errors import TestwrightError
from testwright.machine import free_mb, places
from testwright.sandbox import Command, Completed, Limits, OnLine

MOST = 4
"""Searches of one module at a time: each finds less that is new than the one before."""

MARGIN_S = 120.0
"""Seconds beyond twice the budget: the search's own limit covers neither the analysis of all that the module imports,
which takes from one second to a minute, nor assertions."""

MOST_IN_TURN = 4
"""Searches on one core, one after the other."""

LEAST_S = 3
"""Seconds that must be left of the budget for another search."""

GRACE_S = 30.0
"""Seconds that the others may take beyond the budget once one has delivered; they search for equally long."""

MODULE_S = 60
"""Seconds that importing the module may take once it is instrumented; Pynguin's own 5 are too few for 3,000 lines."""

SEARCH_SHARE = 0.5
"""Most of an attempt's time that the search may take, whatever the budget; a search that is cut off yields nothing."""

MEMORY_MB = 2048
"""Address space of each process. Searches of real modules peak at 100 to 650 MB; runaways reach 5 GB."""

_RUN = "import os, runpy; os.dup2(1, 2); runpy.run_module('pynguin', run_name='__main__')"
"""Sends the log, which Pynguin writes to stderr, to stdout, where its lines are read as they come."""


@dataclass(slots=True)
class Search:
    """One search.

    Attributes:
        seed: of its random choices.
        folder: of its own, where it writes.
        ended: how its run ended, ``None`` until then.
        suite: the file it wrote, empty where there is none.
    """

    seed: int
    folder: Path
    ended: Completed | None = None
    suite: str = ""


async def search(assignment: Assignment, tool: Environment, progress: Progress) -> list[Search]:
    """Search on the cores that no other search of this process is using, until the budget is spent.

    A search that has covered all ends early; the next seed then finds other values, which notice other mutants.

    Returns:
        Searches in the order of their ends; at least one has ended.

    Raises:
        SandboxError: none can be started.
    """
    searches: list[Search] = []
    reports = _Reports(progress)
    until = anyio.current_time() + search_s(assignment)

    async def lane(first: int, step: int) -> None:
        for seed in range(first, first + MOST_IN_TURN * step, step):
            left_s = round(until - anyio.current_time())
            if seed != first and left_s < LEAST_S:
                return
            each = Search(seed, assignment.scratch / f"search-{seed}")
            await anyio.Path(each.folder).mkdir()
            command = _command(assignment, tool, each, max(left_s, 1))
            each.ended = await assignment.sandbox.run(command, reports.of(each))
            searches.append(each)
            written = f"{each.folder.name}/out/test_{last_part(assignment.target.module)}.py"
            content = await run_sync(read_below, assignment.scratch, written)
            if each.ended.returncode != 0 or content is None:
                return
            each.suite = text_of(content)
            group.cancel_scope.deadline = max(until, anyio.current_time()) + GRACE_S

    with share() as cores:
        try:
            async with anyio.create_task_group() as group:
                for number in range(cores):
                    group.start_soon(lane, first_seed(assignment) + number, cores)
        except* TestwrightError as errors:
            # All fail for the same reason, if any does.
            raise errors.exceptions[0] from None
    return searches


class _Reports:
    """Makes one report of those of several searches: the best coverage so far."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._best = 0.0

    def of(self, search: Search) -> OnLine:
        """Return what takes the lines of one search."""

        async def on_line(line: str) -> None:
            report = report_of(line)
            if report is None or (report.coverage is not None and report.coverage <= self._best):
                return
            self._best = max(self._best, report.coverage or 0.0)
            message = f"{report.message} (seed {search.seed})"
            await self._progress(message, coverage=self._best or None)

        return on_line


def first_seed(assignment: Assignment) -> int:
    """Return the seed of a round's first search: that of a later round depends on what it is asked to mend."""
    brief = assignment.brief
    return assignment.policy.seed + (0 if brief is None else 1000 + zlib.crc32(msgspec.json.encode(brief)))


def search_s(assignment: Assignment) -> int:
    """Return for how many seconds a round searches."""
    policy = assignment.policy
    return max(1, round(min(policy.budget_s, SEARCH_SHARE * policy.timeout_s)))


_searching = 0


@contextmanager
def share() -> Generator[int]:
    """Take the cores that no other search of this process has taken, as far as memory goes; one in any case."""
    global _searching  # noqa: PLW0603  the machine's cores are one thing for all attempts of this process
    cores = places(min(MOST, processors() - _searching), MEMORY_MB, free_mb())
    _searching += cores
    try:
        yield cores
    finally:
        _searching -= cores


def processors() -> int:
    """Return how many there are."""
    return os.cpu_count() or 1


def _command(assignment: Assignment, tool: Environment, search: Search, wall_s: int) -> Command:
    policy = assignment.policy
    options = {
        "--project-path": import_root(assignment),
        "--module-name": assignment.target.module,
        "--output-path": search.folder / "out",
        "--report-dir": search.folder / "report",
        "--maximum-module-execution-timeout": MODULE_S,
        "--maximum-search-time": wall_s,
        # Its own filter takes longer than the search; verification filters by mutants of its own.
        "--assertion-generation": "SIMPLE",
        "--no-xfail": "true",
        # Importing black takes seconds, and what is delivered is formatted anyway.
        "--format-with-black": "false",
        "--seed": search.seed,
    }
    return Command(
        argv=[str(tool.python), "-c", _RUN, *(str(each) for pair in options.items() for each in pair), "--poor", "-v"],
        cwd=search.folder,
        env={
            "PYNGUIN_DANGER_AWARE": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONSAFEPATH": "1",
        },
        readable=readable(assignment, tool),
        writable=[search.folder],
        limits=Limits(
            wall_s=min(2 * policy.budget_s + MARGIN_S, policy.timeout_s), memory_mb=MEMORY_MB, disk_mb=DISK_MB
        ),
    )

"""What ``generate`` has to say in the end: the table, the JSON document and the exit code. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import msgspec

from testwright.branch import Commit
from testwright.cli import failing
from testwright.cli.output import NONE, counted, percent
from testwright_schemas import TaskFinished

UNUSABLE_CAUSES = frozenset(
    {
        "engine-unavailable",
        "dependency-not-installable",
        "bad-metadata",
        "no-interpreter",
        "index-unreachable",
        "cache-not-writable",
    }
)
"""Causes of a failure that lie in the engine's or the project's environment, not in the tests."""

COLUMNS = ("module", "outcome", "kept", "dropped", "line", "branch", "mutants", "seconds", "file")
RIGHT = ("kept", "dropped", "line", "branch", "mutants", "seconds")


@dataclass
class Report:
    """What is known of a job.

    Attributes:
        modules: by task id.
        job: its id, once it was submitted.
        results: of the tasks that have ended, by id.
        written: files of theirs, by task id.
        suites: files that are to go on a branch, by task id and name.
        commit: where they have gone.
        interrupted: whether the user ended it.
    """

    modules: dict[str, str] = field(default_factory=dict[str, str])
    job: str | None = None
    results: dict[str, TaskFinished] = field(default_factory=dict[str, TaskFinished])
    written: dict[str, list[Path]] = field(default_factory=dict[str, list[Path]])
    suites: dict[str, Mapping[str, bytes]] = field(default_factory=dict[str, Mapping[str, bytes]])
    commit: Commit | None = None
    interrupted: bool = False

    def places(self, task_id: str) -> Sequence[PurePath]:
        """Return where the files of a task are: in the working tree, or relative to its top on the branch."""
        if self.commit and task_id in self.suites:
            return [PurePath(name) for name in self.commit.files[list(self.results).index(task_id)]]
        return self.written.get(task_id, [])

    @property
    def complete(self) -> bool:
        """Whether every task has ended."""
        return self.results.keys() >= self.modules.keys()


def exit_code(report: Report) -> int:
    """Return the exit code of ``generate``: see ``failing``."""
    if report.interrupted:
        return failing.INTERRUPTED
    results = report.results.values()
    if results and all(_unusable(result) for result in results):
        return failing.UNUSABLE
    fine = all(result.outcome == "completed" and result.threshold_met for result in results)
    return failing.OK if report.complete and fine else failing.SHORT


def _unusable(result: TaskFinished) -> bool:
    return result.outcome == "failed" and result.error is not None and result.error.cause in UNUSABLE_CAUSES


def document(report: Report) -> dict[str, Any]:
    """Return the report for programs: the result of each task, and the files that were written for it."""
    return {
        "job": report.job,
        "exit_code": exit_code(report),
        "interrupted": report.interrupted,
        "commit": of_commit(report.commit),
        "tasks": [
            of_task(report.results[task_id], report.written.get(task_id, []))
            for task_id in report.modules
            if task_id in report.results
        ],
        "unfinished": [
            {"id": task_id, "module": module}
            for task_id, module in report.modules.items()
            if task_id not in report.results
        ],
    }


def of_commit(commit: Commit | None) -> dict[str, Any] | None:
    """Return a commit for programs."""
    if commit is None:
        return None
    files = [name for names in commit.files for name in names]
    return {"branch": commit.branch, "id": commit.id, "changed": commit.changed, "files": files}


def on_branch(branch: str, commit: Commit | None) -> str:
    """Return one line about what a branch has got."""
    if commit is None:
        return f"nothing was committed on {branch}: there is no suite"
    if not commit.changed:
        return f"{branch} has all of this already, at {commit.id[:12]}"
    count = sum(len(names) for names in commit.files)
    return f"{counted(count, 'file')} committed on {branch}, at {commit.id[:12]}"


def of_task(result: TaskFinished, written: list[Path], commit: Commit | None = None) -> dict[str, Any]:
    """Return a result for programs, with the files that were written for it, or the commit that has them."""
    committed = {"commit": of_commit(commit)} if commit else {}
    return {**msgspec.to_builtins(result), "written": [str(path) for path in written], **committed}


def cells(result: TaskFinished, written: Sequence[PurePath], here: Path) -> tuple[str, ...]:
    """Return a result as the cells of its line; files below ``here`` are named relative to it. See ``COLUMNS``."""
    kept = result.kept
    began = result.started_at or result.created_at
    mutation = result.mutation
    return (
        result.module,
        _outcome(result),
        str(kept),
        str(len(result.tests) - kept),
        percent(result.coverage.line if result.coverage else None),
        percent(result.coverage.branch if result.coverage else None),
        NONE if mutation.score is None else f"{mutation.killed}/{mutation.total} {percent(mutation.score)}",
        f"{(result.completed_at - began).total_seconds():.1f}",
        ", ".join(str(_near(path, here)) for path in written) or NONE,
    )


def _near(path: PurePath, here: Path) -> PurePath:
    return path.relative_to(here) if path.is_relative_to(here) else path


def _outcome(result: TaskFinished) -> str:
    short = result.outcome == "completed" and not result.threshold_met
    return "below threshold" if short else result.outcome


def remarks(results: Mapping[str, TaskFinished]) -> list[str]:
    """Return a line for each error and each suspected bug, which no table has room for."""
    lines: list[str] = []
    for result in results.values():
        if result.error:
            lines.append(f"{result.module}: {result.error.cause}: {result.error.message}")
        lines += [
            f"{result.module}: suspected bug: {case.id}: {case.reason}"
            for case in result.tests
            if case.verdict == "suspected-bug"
        ]
    return lines

"""How a workflow collects a job: each suite is held against the files as they are now before it is delivered."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from anyio.to_thread import run_sync
from msgspec.structs import replace

from testwright.bus import Bus
from testwright.collecting import Collected, commit
from testwright.delivery import default_output, targets, write
from testwright.engines import Progress
from testwright.errors import BlobNotFoundError, SnapshotError, TestwrightError
from testwright.history import TaskHistory
from testwright.snapshots.archive import pack
from testwright.snapshots.bundle import Bundle, bundle
from testwright.verification.inquiry import Finding
from testwright.voice import Archive
from testwright_schemas import (
    Artifact,
    Attempt,
    ModuleResult,
    Target,
    TaskFinished,
    TaskSubmitted,
    VerifySuite,
    subjects,
)
from testwright_schemas.workflow import ModuleFate

Judge = Callable[[VerifySuite, bytes, bytes, Progress], Awaitable[Finding]]
"""Judges a candidate on a snapshot, as a verifier does."""

STILL_GOOD = {"kept", "redundant"}
"""Verdicts on tests that pass."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What became of a task, before anything is delivered; ``files`` by where they belong in the working tree."""

    result: ModuleResult
    end: TaskFinished | None = None
    files: Mapping[Path, bytes] = field(default_factory=dict[Path, bytes])


@dataclass(frozen=True, slots=True)
class Collector:
    """Collects tasks for a run.

    Attributes:
        bus: where they are.
        namespace: of the tasks.
        root: folder of the run.
        judge: holds suites against files that have changed.
        branch: that the suites are committed on; ``None`` for the working tree.
        run_id: of the run, for the commit's message.
    """

    bus: Bus
    namespace: str
    root: Path
    judge: Judge
    branch: str | None = None
    run_id: str = ""

    async def collect(self, task_ids: Sequence[str]) -> tuple[tuple[ModuleResult, ...], str | None]:
        """Return what became of tasks, and the commit if one has their suites.

        A suite is where its submission asked for it, or on the branch, if it still passes.

        Raises:
            BranchError: nothing can be committed on the branch.
        """
        archive = Archive(self.bus)
        histories = {task_id: await archive.task(self.namespace, task_id) for task_id in task_ids}
        # Before anything is delivered: what we write ourselves is no change.
        now = await run_sync(
            _bundled, self.root, [one.submitted.target.path for one in histories.values() if one.submitted]
        )
        found = [await self._collected(task_id, history, now) for task_id, history in histories.items()]
        if self.branch is None:
            return tuple([await run_sync(_written, one, self.root) for one in found]), None
        return await run_sync(self._committed, found, self.branch)

    def _committed(self, found: Sequence[_Found], branch: str) -> tuple[tuple[ModuleResult, ...], str | None]:
        ended = [(one, one.end) for one in found if one.end]
        tasks = [Collected(end, one.files, one.result.message) for one, end in ended]
        made = commit(self.root, branch, tasks, {"Testwright-Run": self.run_id})
        if made is None:
            return tuple(one.result for one in found), None
        paths = {end.task_id: names for (_, end), names in zip(ended, made.files, strict=True)}
        root = self.root.resolve()
        return tuple(
            replace(one.result, files=tuple(_name(made.top / name, root) for name in paths.get(one.result.task_id, ())))
            for one in found
        ), made.id

    async def _collected(self, task_id: str, history: TaskHistory, now: Bundle | None) -> _Found:
        task, end = history.submitted, history.finished
        if task is None or end is None:
            module = task.target.module if task else task_id
            return _Found(ModuleResult(task_id=task_id, module=module, fate="pending", message="it has not ended"))
        if end.outcome != "completed":
            message = f"{end.error.cause}: {end.error.message}" if end.error else ""
            return _Found(ModuleResult(task_id=task_id, module=end.module, fate=end.outcome, message=message), end)
        try:
            fetch = partial(self.bus.fetch, subjects.ARTIFACTS, self.namespace)
            suite = {file.name: await fetch(file.digest) for file in end.files}
            files, stale = await self._rechecked(history, task, suite, now)
            belong = targets(files, Path(task.policy.output or default_output(self.root)))
        except (BlobNotFoundError, SnapshotError) as error:
            return _Found(_result(end, "failed", str(error)), end)
        return _Found(_result(end, "stale" if stale else "delivered", stale), end, belong)

    async def _rechecked(
        self, history: TaskHistory, task: TaskSubmitted, files: Mapping[str, bytes], now: Bundle | None
    ) -> tuple[Mapping[str, bytes], str]:
        """Return the files to deliver, and what does not pass any more."""
        if now is None or task.target.path not in {target.path for target in now.targets}:
            return {}, f"the module is gone: there is no {task.target.path} any more"
        if now.snapshot.digest == task.snapshot.digest:
            return files, ""
        try:
            finding = await self._judged(history, task, now, files)
        except TestwrightError as error:
            return {}, f"its tests cannot be run on the files as they are now: {error}"
        stale = [f"{case.id} ({case.verdict})" for case in finding.cases if case.verdict not in STILL_GOOD]
        if not stale:
            return files, ""
        return finding.files, f"on the files as they are now, these do not pass: {', '.join(stale)}"

    async def _judged(
        self, history: TaskHistory, task: TaskSubmitted, now: Bundle, files: Mapping[str, bytes]
    ) -> Finding:
        candidate = await run_sync(pack, files)
        # What was accepted may be of an earlier round than the last candidate.
        accepted = history.verified
        item = VerifySuite(
            namespace=task.namespace,
            job_id=task.job_id,
            task_id=task.task_id,
            attempt=accepted.attempt if accepted else Attempt(number=1, engine=task.policy.engines[0]),
            target=_target(task.target, now),
            snapshot=now.snapshot,
            policy=replace(task.policy, repeats=1, mutants=False),
            candidate=Artifact(name="suite.tar.gz", digest="0" * 64, size=len(candidate)),
            fence=0,
            requirements=accepted.requirements if accepted else (),
        )
        return await self.judge(item, now.data, candidate, _silent)


async def _silent(message: str, *, tests: int | None = None, coverage: float | None = None) -> None:
    """Say nothing: nobody watches a check of a second."""


def _bundled(root: Path, paths: Sequence[str]) -> Bundle | None:
    there = [root / path for path in paths if (root / path).is_file()]
    return bundle(there) if there else None


def _target(before: Target, now: Bundle) -> Target:
    return next((target for target in now.targets if target.path == before.path), before)


def _result(end: TaskFinished, fate: ModuleFate, message: str) -> ModuleResult:
    return ModuleResult(
        task_id=end.task_id,
        module=end.module,
        fate=fate,
        message=message,
        threshold_met=end.threshold_met,
        line=end.coverage.line if end.coverage else None,
    )


def _written(found: _Found, root: Path) -> ModuleResult:
    """Write a suite into the working tree, and return what became of it."""
    try:
        return replace(found.result, files=tuple(_name(path, root) for path in write(found.files)))
    except SnapshotError as error:
        return replace(found.result, fate="failed", message=str(error))


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

"""A stage of somebody else's workflow: the guide's ``OpenHandsStage``."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from testwright.client import Client
from testwright.compat import OpenHandsTestGenerator
from testwright.errors import TestGenerationError, WaitTimeoutError


@dataclass(frozen=True, slots=True)
class OpenHandsStageResult:
    """What became of the tasks of a stage.

    Attributes:
        task_ids: all of them.
        results: by task id, as ``get_test_generation_results`` returns them.
        pending: tasks that had not ended when the time was up.
    """

    task_ids: tuple[str, ...]
    results: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    pending: tuple[str, ...] = ()

    @property
    def succeeded(self) -> tuple[str, ...]:
        """Tasks that have verified tests."""
        return tuple(task_id for task_id, result in self.results.items() if result["success"])

    @property
    def success(self) -> bool:
        """Whether there was something to do and every task has verified tests."""
        return bool(self.task_ids) and len(self.succeeded) == len(self.task_ids)


class OpenHandsStage:
    """A stage of a workflow that submits modules, lets other stages run, and collects their tests.

    Args:
        paths: modules, or folders for all modules below.
        task_ids: of an earlier submission, perhaps of another process, to be collected here; instead of ``paths``.
        generator: what submits and fetches; one for the engine ``openhands`` by default.
        output_path: folder for the tests.
        coverage_threshold: line coverage in percent that is asked for.
    """

    def __init__(
        self,
        paths: Sequence[str | Path] = (),
        *,
        task_ids: Sequence[str] = (),
        generator: OpenHandsTestGenerator | None = None,
        output_path: str | Path | None = None,
        coverage_threshold: float = 80,
    ) -> None:
        self._paths = tuple(paths)
        self._task_ids = tuple(task_ids)
        self._generator = generator or OpenHandsTestGenerator()
        self._output_path = output_path
        self._coverage_threshold = coverage_threshold

    async def execute_async(self) -> OpenHandsStageResult:
        """Submit the modules and return as soon as that is stored; every task is pending then.

        Raises:
            TestGenerationError: they cannot be submitted, or were before.
        """
        if self._task_ids:
            raise TestGenerationError("this stage has tasks already: collect them")
        job = await self._generator.submit_modules(self._paths, self._output_path, self._coverage_threshold)
        self._task_ids = tuple(task.id for task in job.tasks)
        return OpenHandsStageResult(self._task_ids, pending=self._task_ids)

    def get_task_ids(self) -> list[str]:
        """Return the ids of the tasks, in the order of their modules; empty before the submission."""
        return list(self._task_ids)

    async def collect(self, timeout: float | None = None, *, cancel_on_timeout: bool = False) -> OpenHandsStageResult:
        """Wait for all tasks side by side and return what became of each.

        Args:
            timeout: seconds for all of them together.
            cancel_on_timeout: whether to end those that are pending then.

        Raises:
            TestGenerationError: nothing was submitted, a task is unknown, or its tests cannot be fetched.
        """
        if not self._task_ids:
            raise TestGenerationError("nothing was submitted: call execute_async first, or name task_ids")
        results: dict[str, dict[str, Any]] = {}
        failures: list[TestGenerationError] = []

        async def fetch(client: Client, task_id: str) -> None:
            try:
                results[task_id] = await self._generator.fetch(
                    client, task_id, timeout, cancel_on_timeout=cancel_on_timeout
                )
            except WaitTimeoutError:
                return
            except TestGenerationError as error:
                failures.append(error)

        async with self._generator.connected() as client, anyio.create_task_group() as waiting:
            for task_id in self._task_ids:
                waiting.start_soon(fetch, client, task_id)
        if failures:
            raise failures[0]
        done = {task_id: results[task_id] for task_id in self._task_ids if task_id in results}
        return OpenHandsStageResult(self._task_ids, done, tuple(id_ for id_ in self._task_ids if id_ not in done))

    async def cancel(self, reason: str = "") -> None:
        """Ask for the end of every task."""
        if self._task_ids:
            await self._generator.cancel(*self._task_ids, reason=reason)

"""The only place that speaks the vocabulary of the OpenHands async guide: its class names, arguments and dicts.

Everything here rests on ``Client``: submitting returns after a confirmed publish, waiting is for an event, and what was
submitted by one process can be fetched by another.
"""

import warnings
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from anyio.to_thread import run_sync
from msgspec.structs import replace

from testwright import clock
from testwright.client import Client
from testwright.collecting import collected
from testwright.engines.registry import check
from testwright.errors import (
    BusError,
    TaskNotFoundError,
    TestGenerationError,
    TestwrightError,
    WaitTimeoutError,
)
from testwright.history import TaskStatus
from testwright.snapshots.bundle import Bundle, bundle
from testwright.submission import Job
from testwright_schemas import JobRejected, Policy, TaskFinished, envelope, subjects

# Made at run time, so that no literal of a caller's is this very object: whoever passes 2.0 is told, too.
_UNUSED_INTERVAL_S = float("2.0")


@dataclass(frozen=True, slots=True)
class _Ticket:
    """A submission whose acceptance has not been seen."""

    job_id: str
    at: datetime


class OpenHandsTestGenerator:
    """Submits modules to have tests written for them, and fetches the verified tests later.

    As a context manager it keeps one connection; otherwise each call opens its own.

    Args:
        client: a connected client; without one, the server is found as ``Client.connect`` finds it.
        engine: who writes the tests; any installed engine.
        policy: everything else about the work; its engine, coverage and output are replaced.
        check_engine: whether to refuse at once what cannot run on this machine; false where generators run elsewhere.
    """

    def __init__(
        self,
        client: Client | None = None,
        engine: str = "openhands",
        *,
        policy: Policy | None = None,
        check_engine: bool = True,
    ) -> None:
        self._client = client
        self._engine = engine
        self._policy = policy or Policy()
        self._check_engine = check_engine
        self._stack = AsyncExitStack()
        self._unseen: dict[str, _Ticket] = {}

    async def __aenter__(self) -> Self:
        if self._client is None:
            self._client = await self._stack.enter_async_context(self.connected())
            self._stack.callback(setattr, self, "_client", None)
        return self

    async def __aexit__(
        self, type_: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def submit_test_generation_task(
        self, module_path: str | Path, output_path: str | Path | None = None, coverage_threshold: float = 80
    ) -> str:
        """Submit a module and return the id of its task as soon as the server has stored it.

        Args:
            module_path: the module's file.
            output_path: where the verified tests go when they are fetched: a folder, or a ``.py`` file.
            coverage_threshold: line coverage in percent that is asked for.

        Raises:
            TestGenerationError: it cannot be submitted (a ``RuntimeError``); says why.
        """
        job = await self.submit_modules([module_path], output_path, coverage_threshold, single=True)
        return job.tasks[0].id

    async def submit_modules(
        self,
        paths: Sequence[str | Path],
        output_path: str | Path | None = None,
        coverage_threshold: float = 80,
        *,
        single: bool = False,
    ) -> Job:
        """Submit modules, or folders for all modules below, as one job.

        Raises:
            TestGenerationError: they cannot be submitted, or are not one module where ``single`` asks for one.
        """
        policy = replace(
            self._policy, engines=(self._engine,), coverage=coverage_threshold, output=_absolute(output_path)
        )
        try:
            if self._check_engine:
                await run_sync(check, self._engine)
            bundled = await run_sync(bundle, [Path(path) for path in paths])
            _check_single(bundled, single)
            async with self.connected() as client:
                job = await client.submit_bundle(bundled, policy)
        except TestwrightError as error:
            raise TestGenerationError(f"the task cannot be submitted: {error}") from error
        self._unseen |= {task.id: _Ticket(job.id, clock.now()) for task in job.tasks}
        return job

    async def get_test_generation_results(
        self,
        task_id: str,
        timeout: float | None = None,
        poll_interval: float = _UNUSED_INTERVAL_S,
        cancel_on_timeout: bool = False,
    ) -> dict[str, Any]:
        """Wait for the end of a task and return how it ended; verified tests are written to its output path.

        It can be called again, by any process, also after a timeout.

        Args:
            task_id: of the task.
            timeout: seconds; ``None`` waits until the task's own deadline ends it.
            poll_interval: unused: the end of a task is an event.
            cancel_on_timeout: whether to end the task when the time is up; otherwise it goes on.

        Returns:
            ``success``, ``task_id`` and either ``result`` or ``error``. ``success`` means that verified tests are
            there; whether they reach the coverage is ``result["threshold_met"]``. The result is that of the task (see
            docs/migration.md) with ``suite``, the tests by file name, and ``delivered``, the paths written.

        Raises:
            WaitTimeoutError: the task has not ended in time (a ``TimeoutError``).
            TestGenerationError: the task is unknown, its submission was refused, or its tests cannot be fetched or
                written (a ``RuntimeError``).
        """
        if poll_interval is not _UNUSED_INTERVAL_S:
            warnings.warn("poll_interval is unused: nothing polls", DeprecationWarning, stacklevel=2)
        async with self.connected() as client:
            return await self.fetch(client, task_id, timeout, cancel_on_timeout=cancel_on_timeout)

    async def fetch(
        self, client: Client, task_id: str, timeout: float | None, *, cancel_on_timeout: bool
    ) -> dict[str, Any]:
        """Do what ``get_test_generation_results`` does, on a connection that is there."""
        try:
            finished = await self._ended(client, task_id, timeout, cancel_on_timeout=cancel_on_timeout)
            return await collected(client, finished)
        except WaitTimeoutError:
            raise
        except TaskNotFoundError as error:
            reason = await self._refusal(client, task_id)
            raise TestGenerationError(reason or f"task {task_id!r} not found") from error
        except TestwrightError as error:
            raise TestGenerationError(str(error)) from error

    async def get_task_status(self, task_id: str) -> dict[str, Any]:
        """Return where a task stands, without waiting for it.

        Returns:
            ``task_id``, ``status``, ``created_at``, ``started_at``, ``completed_at`` (ISO 8601, UTC, or ``None``) and
            ``error``; only ``task_id`` and the status ``not_found`` where nobody has submitted it.
        """
        async with self.connected() as client:
            try:
                known = await client.status(task_id)
            except TaskNotFoundError:
                return await self._unknown(client, task_id)
        self._unseen.pop(task_id, None)
        return _status(task_id, known.state, known.created_at, known)

    async def generate_tests(
        self,
        module_path: str | Path,
        output_path: str | Path | None = None,
        coverage_threshold: float = 80,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Submit a module and wait for its tests; see the two methods that this is made of."""
        task_id = await self.submit_test_generation_task(module_path, output_path, coverage_threshold)
        return await self.get_test_generation_results(task_id, timeout)

    async def cancel(self, *task_ids: str, reason: str = "") -> None:
        """Ask for the end of tasks; returns when that is stored."""
        async with self.connected() as client:
            await client.cancel(*task_ids, reason=reason)

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[Client]:
        """Yield the client that is kept, or one for as long as the body runs.

        Raises:
            TestGenerationError: there is no server, or it cannot be reached.
        """
        if self._client is not None:
            yield self._client
            return
        async with AsyncExitStack() as stack:
            try:
                client = await stack.enter_async_context(Client.connect())
            except BusError as error:
                raise TestGenerationError(str(error)) from error
            yield client

    async def _ended(
        self, client: Client, task_id: str, timeout: float | None, *, cancel_on_timeout: bool
    ) -> TaskFinished:
        try:
            return await client.wait(task_id, timeout)
        except WaitTimeoutError as error:
            # One last look: it tells an unknown task from a slow one, and lets a timeout of 0 mean "if it is there".
            finished = await self._looked_up(client, task_id)
            if finished is not None:
                return finished
            if cancel_on_timeout:
                await client.cancel(task_id, reason="not done within the time its caller gave it")
            raise WaitTimeoutError(task_id, timeout or 0.0, cancelled=cancel_on_timeout) from error

    async def _looked_up(self, client: Client, task_id: str) -> TaskFinished | None:
        try:
            return await client.results(task_id)
        except TaskNotFoundError:
            if task_id not in self._unseen or await self._rejected(client, task_id):
                raise
            return None

    async def _unknown(self, client: Client, task_id: str) -> dict[str, Any]:
        ticket = self._unseen.get(task_id)
        if ticket is None:
            return {"task_id": task_id, "status": "not_found"}
        rejected = await self._rejected(client, task_id)
        return _status(task_id, "failed" if rejected else "queued", ticket.at) | {"error": rejected}

    async def _refusal(self, client: Client, task_id: str) -> str | None:
        if task_id not in self._unseen:
            return None
        rejected = await self._rejected(client, task_id)
        waits = f"task {task_id!r} is submitted, but nobody has taken it: is a submitter running? ask again later"
        return rejected or waits

    async def _rejected(self, client: Client, task_id: str) -> str | None:
        subject = subjects.job_event(client.namespace, self._unseen[task_id].job_id, "rejected")
        stored = await client.bus.last(subjects.EVENTS, subject)
        if stored is None:
            return None
        told = envelope.decode(stored.data, JobRejected)
        return f"the submission was refused: {told.field}: {told.reason}"


def _absolute(path: str | Path | None) -> str | None:
    return None if path is None else str(Path(path).absolute())


def _check_single(bundled: Bundle, single: bool) -> None:
    if single and len(bundled.targets) != 1:
        raise TestGenerationError(f"one module at a time, this names {len(bundled.targets)}: use OpenHandsStage")


def _status(task_id: str, status: str, created_at: datetime, known: TaskStatus | None = None) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "status": status,
        "created_at": created_at.isoformat(),
        "started_at": known.started_at.isoformat() if known and known.started_at else None,
        "completed_at": known.completed_at.isoformat() if known and known.completed_at else None,
        "error": known.error if known else None,
    }

"""What the HTTP API does: each method answers one operation of ``routes``."""

import hashlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import anyio
from anyio.to_thread import run_sync
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from testwright import clock as real
from testwright.bus import Bus
from testwright.client import Client
from testwright.errors import BlobNotFoundError, RequestRefusedError, RunNotFoundError, TaskNotFoundError
from testwright.gateway import content
from testwright.gateway.access import COOKIE
from testwright.gateway.asking import (
    answer,
    body,
    download,
    grant_of,
    namespace_of,
    namespaces_of,
    parameters,
    read,
)
from testwright.gateway.frames import resumed
from testwright.gateway.live import Live
from testwright.gateway.messages import Reason, SourceView, Submission, SubmittedJob, SubmittedTask
from testwright.gateway.routes import EventsWanted, ResultWanted, Session
from testwright.gateway.rows import TaskRow
from testwright.gateway.selection import MAX_PAGE, Wanted, page
from testwright.gateway.stream import EventStream
from testwright.history import TaskHistory
from testwright.snapshots import archive
from testwright.snapshots.bundle import MAX_BYTES, Bundle, targets_in
from testwright.submission import Job, check_id, is_job
from testwright.voice import Archive, Clock, Voice
from testwright_schemas import CancelWorkflow, Publish, Snapshot, Target, subjects

MAX_SNAPSHOT = MAX_BYTES
"""Bytes of an uploaded snapshot, packed as well as unpacked."""

LIMITS = archive.ArchiveLimits(max_bytes=MAX_SNAPSHOT)


class Api:
    """The operations, on one connection.

    Args:
        bus: the connection.
        live: the board.
        namespace: of requests that name none.
        clock: time of day.
        new_id: makes an id of a kind.
    """

    def __init__(
        self,
        bus: Bus,
        live: Live,
        namespace: str,
        *,
        clock: Clock = real.now,
        new_id: Callable[[str], str] = real.new_id,
    ) -> None:
        self._bus = bus
        self._live = live
        self._namespace = namespace
        self._clock = clock
        self._new_id = new_id
        self._archive = Archive(bus)

    async def open_session(self, request: Request) -> Response:
        """Trade a token for the page's cookie."""
        headers = request.headers
        secure = request.url.scheme == "https" or headers.get("x-forwarded-proto") == "https"
        response = await self.show_session(request)
        response.set_cookie(COOKIE, grant_of(request).session, httponly=True, samesite="strict", secure=secure)
        return response

    async def show_session(self, request: Request) -> Response:
        """Say what a token opens."""
        return answer(Session(namespace=grant_of(request).namespace, default=self._namespace))

    async def close_session(self, _: Request) -> Response:
        """Take the page's cookie back."""
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    async def upload_snapshot(self, request: Request) -> Response:
        """Store a project's files."""
        data = await body(request, MAX_SNAPSHOT)
        files = await run_sync(archive.read, data, LIMITS)
        digest = await self._bus.put(subjects.SNAPSHOTS, namespace_of(request, self._namespace), data)
        return answer(Snapshot(digest=digest, size=len(data), files=len(files)), 201)

    async def submit_job(self, request: Request) -> Response:
        """Submit modules of a stored snapshot."""
        wanted = await read(request, Submission)
        namespace = namespace_of(request, self._namespace)
        data = await self._bus.fetch(subjects.SNAPSHOTS, namespace, wanted.snapshot)
        bundled = await run_sync(_bundle, data, wanted.paths)
        job = await self._client(request).submit_bundle(bundled, wanted.policy)
        return self._submitted(job, dict(bundled.skipped))

    async def list_tasks(self, request: Request) -> Response:
        """Return a page of tasks."""
        wanted = parameters(request, Wanted)
        if not 1 <= wanted.limit <= MAX_PAGE:
            raise RequestRefusedError(422, "invalid-parameter", f"limit: 1 to {MAX_PAGE}")
        return answer(page(self._live.board.tasks(namespaces_of(request)), wanted))

    async def show_task(self, request: Request) -> Response:
        """Return where a task stands."""
        return answer(self._row(request))

    async def show_result(self, request: Request) -> Response:
        """Return the result of a task, waiting for it a little if that is asked for."""
        wait_s = parameters(request, ResultWanted).wait
        row = self._row(request)
        with anyio.move_on_after(wait_s):
            await self._live.until(lambda: self._row(request).ended)
        result = await self._client(request).results(row.id)
        if result is None:
            raise RequestRefusedError(409, "task-not-ended", f"task {row.id!r} has not ended: it is {row.state}")
        return answer(result)

    async def show_source(self, request: Request) -> Response:
        """Return a task's module, and what verification says of its lines."""
        history = await self._history(request)
        if history.submitted is None:
            raise TaskNotFoundError(self._row(request).id)
        target, snapshot = history.submitted.target, history.submitted.snapshot
        data = await self._bus.fetch(subjects.SNAPSHOTS, history.submitted.namespace, snapshot.digest)
        source = await run_sync(_source, data, target, snapshot.digest)
        report = content.report_of(history)
        told = await self._bus.fetch(subjects.ARTIFACTS, history.submitted.namespace, report.digest) if report else None
        view: SourceView = await run_sync(content.view, history.submitted, source, told)
        return answer(view)

    async def fetch_artifact(self, request: Request) -> Response:
        """Return a file of a task."""
        digest = request.path_params["digest"]
        artifact = content.artifacts(await self._history(request)).get(digest)
        if artifact is None:
            raise BlobNotFoundError(subjects.ARTIFACTS, digest)
        found = await self._bus.fetch(subjects.ARTIFACTS, self._row(request).namespace, digest)
        return download(found, artifact.name, shown=b"\0" not in found[:8192])

    async def cancel_task(self, request: Request) -> Response:
        """Ask for the end of a task."""
        reason = (await read(request, Reason, empty=b"{}")).reason
        await self._client(request).cancel(self._row(request).id, reason=reason)
        return Response(status_code=202)

    async def retry_task(self, request: Request) -> Response:
        """Submit a task that has ended again."""
        row = self._row(request)
        if not row.ended:
            raise RequestRefusedError(409, "task-not-ended", f"task {row.id!r} has not ended: cancel it first")
        return self._submitted(await self._client(request).retry(row.id))

    async def cancel_job(self, request: Request) -> Response:
        """Ask for the end of all tasks of a job."""
        reason = (await read(request, Reason, empty=b"{}")).reason
        job = request.path_params["job"]
        if not is_job(job):
            raise TaskNotFoundError(job)
        # One that was submitted a moment ago is waited for until it is accepted.
        await self._client(request).cancel(job, reason=reason)
        return Response(status_code=202)

    async def cancel_run(self, request: Request) -> Response:
        """Ask for the end of a workflow run."""
        reason = (await read(request, Reason, empty=b"{}")).reason
        namespace, run_id = namespace_of(request, self._namespace), request.path_params["run"]
        if not any(row.id == run_id for row in self._live.board.runs((namespace,))):
            raise RunNotFoundError(run_id)
        command = CancelWorkflow(namespace=namespace, run_id=run_id, command_id=self._new_id("cancel"), reason=reason)
        await Voice(self._bus, "gateway", self._clock).say(Publish(message=command), {})
        return Response(status_code=202)

    async def list_runs(self, request: Request) -> Response:
        """Return workflow runs with their stages."""
        return answer({"runs": tuple(self._live.board.runs(namespaces_of(request)))})

    async def follow_board(self, request: Request) -> EventStream:
        """Stream what the board shows, and each change of it."""
        after = resumed(request.headers.get("last-event-id"))
        return EventStream(self._live, self._live.changes(namespaces_of(request), after))

    async def follow_events(self, request: Request) -> EventStream:
        """Stream events as they were published."""
        wanted = parameters(request, EventsWanted)
        filters = _filters(namespaces_of(request)[0], wanted)
        after = resumed(request.headers.get("last-event-id"))
        if after is None and wanted.after is not UNSET:
            after = wanted.after
        elif after is None and (wanted.task or wanted.job):
            after = 0
        return EventStream(self._live, self._live.events(filters, after))

    def _client(self, request: Request) -> Client:
        namespace = namespace_of(request, self._namespace)
        return Client(self._bus, namespace=namespace, clock=self._clock, new_id=self._new_id)

    def _row(self, request: Request) -> TaskRow:
        task_id = request.path_params["task"]
        row = self._live.board.task(namespace_of(request, self._namespace), task_id)
        if row is None:
            raise TaskNotFoundError(task_id)
        return row

    async def _history(self, request: Request) -> TaskHistory:
        row = self._row(request)
        return await self._archive.task(row.namespace, row.id, at_least=row.sequence)

    def _submitted(self, job: Job, skipped: dict[str, str] | None = None) -> Response:
        tasks = tuple(SubmittedTask(id=task.id, module=task.module) for task in job.tasks)
        return answer(SubmittedJob(job=job.id, tasks=tasks, skipped=skipped or {}), 202)


def _bundle(data: bytes, paths: tuple[str, ...]) -> Bundle:
    files = archive.read(data, LIMITS)
    targets, skipped = targets_in([PurePosixPath(path) for path in paths], files)
    digest = hashlib.sha256(data).hexdigest()
    return Bundle(Snapshot(digest=digest, size=len(data), files=len(files)), data, targets, Path(), skipped)


def _source(data: bytes, target: Target, digest: str) -> bytes:
    files = archive.read(data)
    if target.path not in files:
        raise BlobNotFoundError(subjects.SNAPSHOTS, digest)
    return files[target.path]


def _filters(namespace: str, wanted: EventsWanted) -> list[str]:
    for id_ in filter(None, (wanted.task, wanted.job)):
        check_id(id_)
    filters = [subjects.task_event(namespace, wanted.task)] if wanted.task else []
    filters += [subjects.job_event(namespace, wanted.job)] if wanted.job else []
    return filters or [subjects.events_of(namespace)]

"""The operations of the HTTP API as data: the only place that says what there is, read by server and document alike."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from testwright.gateway.core import Change
from testwright.gateway.messages import Reason, SourceView, Submission, SubmittedJob
from testwright.gateway.rows import TaskRow
from testwright.gateway.runs import RunRow
from testwright.gateway.selection import TaskPage, Wanted
from testwright_schemas import Record, Snapshot, TaskFinished

STREAM = "text/event-stream"


class ResultWanted(Record, frozen=True, kw_only=True):
    """How long to wait for a result, in seconds."""

    wait: Annotated[float, msgspec.Meta(ge=0, le=60)] = 0.0


class EventsWanted(Record, frozen=True, kw_only=True):
    """Which events: of a task, of a job, or all; behind a sequence, 0 for all that are kept."""

    task: str | None = None
    job: str | None = None
    after: Annotated[int, msgspec.Meta(ge=0)] | UnsetType = UNSET


class RunList(Record, frozen=True, kw_only=True):
    """Workflow runs, the last one that changed first."""

    runs: tuple[RunRow, ...]


class Session(Record, frozen=True, kw_only=True):
    """What a token opens: a namespace, or ``*`` for all, of which ``default`` is meant where none is named."""

    namespace: str
    default: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that the API does.

    Attributes:
        name: of the method of ``Api`` that does it.
        method: of HTTP.
        path: with its parameters in braces.
        summary: in one line.
        status: when it goes well.
        query: struct of its parameters besides the namespace.
        takes: struct of the JSON body, or its media type.
        gives: struct of the JSON answer, or its media type; ``None`` for no content.
        refusals: statuses of its own problems, besides those of all.
        optional: whether the body may be left out.
    """

    name: str
    method: Literal["GET", "POST", "DELETE"]
    path: str
    summary: str
    status: int = 200
    query: type[Record] | None = None
    takes: Any = None
    gives: Any = None
    refusals: tuple[int, ...] = field(default=())
    optional: bool = False


OPERATIONS = (
    Operation("open_session", "POST", "/api/v1/session", "Trade a token for the page's cookie.", gives=Session),
    Operation("show_session", "GET", "/api/v1/session", "Say what the token or cookie opens.", gives=Session),
    Operation("close_session", "DELETE", "/api/v1/session", "Take the page's cookie back.", 204),
    Operation(
        "upload_snapshot",
        "POST",
        "/api/v1/snapshots",
        "Store a project's files, packed as a gzipped tar; the digest in the answer names them.",
        201,
        takes="application/gzip",
        gives=Snapshot,
        refusals=(413, 422),
    ),
    Operation(
        "submit_job",
        "POST",
        "/api/v1/jobs",
        "Submit modules of a stored snapshot; the answer comes as soon as that is stored, with the ids of the tasks.",
        202,
        takes=Submission,
        gives=SubmittedJob,
        refusals=(400, 404, 413, 415, 422),
    ),
    Operation(
        "list_tasks",
        "GET",
        "/api/v1/tasks",
        "List tasks, newest first, in pages.",
        query=Wanted,
        gives=TaskPage,
        refusals=(422,),
    ),
    Operation("show_task", "GET", "/api/v1/tasks/{task}", "Say where a task stands.", gives=TaskRow, refusals=(404,)),
    Operation(
        "show_result",
        "GET",
        "/api/v1/tasks/{task}/result",
        "Return the result of a task; with `wait`, as soon as it ends within so many seconds.",
        query=ResultWanted,
        gives=TaskFinished,
        refusals=(404, 409, 422),
    ),
    Operation(
        "show_source",
        "GET",
        "/api/v1/tasks/{task}/source",
        "Return the module with its covered lines, surviving mutants and the verdicts on all tests.",
        gives=SourceView,
        refusals=(404,),
    ),
    Operation(
        "fetch_artifact",
        "GET",
        "/api/v1/tasks/{task}/artifacts/{digest}",
        "Download a suite, log or report of a task.",
        gives="application/octet-stream",
        refusals=(404,),
    ),
    Operation(
        "cancel_task",
        "POST",
        "/api/v1/tasks/{task}/cancel",
        "Ask for the end of a task.",
        202,
        takes=Reason,
        refusals=(404,),
        optional=True,
    ),
    Operation(
        "retry_task",
        "POST",
        "/api/v1/tasks/{task}/retry",
        "Submit a task that has ended again, as a new job.",
        202,
        gives=SubmittedJob,
        refusals=(404, 409),
    ),
    Operation(
        "cancel_job",
        "POST",
        "/api/v1/jobs/{job}/cancel",
        "Ask for the end of all tasks of a job.",
        202,
        takes=Reason,
        refusals=(404,),
        optional=True,
    ),
    Operation(
        "cancel_run",
        "POST",
        "/api/v1/runs/{run}/cancel",
        "Ask for the end of a workflow run.",
        202,
        takes=Reason,
        refusals=(404,),
        optional=True,
    ),
    Operation("list_runs", "GET", "/api/v1/runs", "List workflow runs with their stages.", gives=RunList),
    Operation(
        "follow_board",
        "GET",
        "/api/v1/board",
        "Stream the rows of all tasks, workers and runs, then each change of them; resumes behind `Last-Event-ID`.",
        gives=(STREAM, Change),
        refusals=(503,),
    ),
    Operation(
        "follow_events",
        "GET",
        "/api/v1/events",
        "Stream events as they were published; resumes behind `Last-Event-ID`, which is the sequence of the stream.",
        query=EventsWanted,
        gives=(STREAM, None),
        refusals=(404, 422, 503),
    ),
)

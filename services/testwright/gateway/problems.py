"""Errors as RFC 9457 problem documents. Pure."""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from testwright.errors import (
    BlobNotFoundError,
    BusError,
    InvalidSubmissionError,
    RequestRefusedError,
    RunNotFoundError,
    SnapshotError,
    TaskNotFoundError,
    TestwrightError,
)
from testwright_schemas import Record

MEDIA_TYPE = "application/problem+json"


class Problem(Record, frozen=True, kw_only=True):
    """What went wrong; ``type`` is for programs, ``detail`` for people, ``field`` is where a body is wrong."""

    type: str
    title: str
    status: int
    detail: str = ""
    field: str | None = None

    def encode(self) -> bytes:
        """Return the body; a field that does not apply is left out."""
        return msgspec.json.encode(
            {name: value for name, value in msgspec.to_builtins(self).items() if value is not None}
        )


_KINDS: tuple[tuple[type[Exception], int, str], ...] = (
    (TaskNotFoundError, 404, "task-not-found"),
    (RunNotFoundError, 404, "run-not-found"),
    (BlobNotFoundError, 404, "content-not-found"),
    (InvalidSubmissionError, 422, "invalid-submission"),
    (SnapshotError, 422, "invalid-snapshot"),
    (msgspec.ValidationError, 422, "invalid-body"),
    (msgspec.DecodeError, 400, "malformed-body"),
    (BusError, 503, "bus-unavailable"),
    (TestwrightError, 500, "internal-error"),
)


def problem(status: int, kind: str, detail: str = "", field: str | None = None) -> Problem:
    """Return a problem of a kind."""
    title = HTTPStatus(status).phrase
    return Problem(type=f"urn:testwright:problem:{kind}", title=title, status=status, detail=detail, field=field)


def problem_of(error: Exception) -> Problem:
    """Return the problem that an error means for a caller; what nobody foresaw tells nothing about itself."""
    if isinstance(error, RequestRefusedError):
        return problem(error.status, error.kind, error.detail)
    for type_, status, kind in _KINDS:
        if isinstance(error, type_):
            field = error.field if isinstance(error, InvalidSubmissionError) else None
            return problem(status, kind, str(error), field)
    return problem(500, "internal-error", "the gateway's log says more")


def problem_for(status: int) -> Problem:
    """Return the problem of a bare HTTP status, such as that of a path that leads nowhere."""
    phrase = HTTPStatus(status).phrase
    return problem(status, phrase.lower().replace(" ", "-"), phrase)


def headers_of(error: Exception) -> Mapping[str, str]:
    """Return the headers that go with a problem."""
    return error.headers if isinstance(error, RequestRefusedError) else {}


FORESEEN: tuple[type[Exception], ...] = (TestwrightError, msgspec.MsgspecError)
"""Errors that are no defect of the gateway: everything else is logged with its traceback."""

"""The only place that says which exit code an error has."""

from typing import cast

from testwright.errors import (
    BlobNotFoundError,
    BranchError,
    DeadLetterNotFoundError,
    EvidenceNotFoundError,
    InvalidSubmissionError,
    RunNotFoundError,
    ScheduleNotFoundError,
    SnapshotError,
    TaskNotFoundError,
    TestwrightError,
    WaitTimeoutError,
    WorkflowDefinitionError,
)

OK = 0
SHORT = 1
"""Some task failed, or stayed below its coverage."""
USAGE = 2
UNUSABLE = 3
"""A server, an engine or an environment cannot be used."""
NOT_FOUND = 4
TIMEOUT = 5
INTERRUPTED = 130

_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (InvalidSubmissionError, USAGE),
    (SnapshotError, USAGE),
    (BranchError, USAGE),
    (WorkflowDefinitionError, USAGE),
    (TaskNotFoundError, NOT_FOUND),
    (RunNotFoundError, NOT_FOUND),
    (ScheduleNotFoundError, NOT_FOUND),
    (DeadLetterNotFoundError, NOT_FOUND),
    (EvidenceNotFoundError, NOT_FOUND),
    (BlobNotFoundError, NOT_FOUND),
    (WaitTimeoutError, TIMEOUT),
)


def exit_code(error: BaseException) -> int:
    """Return the exit code of an error: ``UNUSABLE`` where nothing more precise is known."""
    return next((code for type_, code in _CODES if isinstance(error, type_)), UNUSABLE)


def told(error: BaseException) -> str:
    """Return what an error says, with its number at the end of the first line where it is one of ours."""
    first, *rest = str(error).split("\n")
    number = f" [TW{error.number}]" if isinstance(error, TestwrightError) else ""
    return "\n".join([first + number, *rest])


def leaf(error: BaseException) -> BaseException:
    """Return the first error in the groups that tasks side by side raise."""
    found = error
    while isinstance(found, BaseExceptionGroup):
        found = cast("BaseExceptionGroup[BaseException]", found).exceptions[0]
    return found

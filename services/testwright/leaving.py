"""What an attempt leaves behind, whoever makes or judges it: its artifacts, and the failure that nobody foresaw."""

import traceback

from testwright.bus import Blobs
from testwright.errors import WorkError
from testwright_schemas import Artifact, WorkItem, subjects


async def keep(bus: Blobs, item: WorkItem, name: str, data: bytes) -> Artifact:
    """Store what belongs to the task of a work item under a name."""
    digest = await bus.put(subjects.ARTIFACTS, item.namespace, data)
    return Artifact(name=name, digest=digest, size=len(data))


def unexpected(error: Exception) -> WorkError:
    """Return an error that nobody foresaw as the failure of an attempt, with its traceback as the log."""
    told = "".join(traceback.format_exception(error))
    message = f"{type(error).__name__}: {error}; this is a defect of testwright or of an engine, see the log"
    return WorkError("internal-error", message, retryable=True, log=told.encode())

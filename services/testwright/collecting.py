"""What collecting the end of a task does: its files go where the submission asked for them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from anyio.to_thread import run_sync

from testwright.client import Client
from testwright.delivery import targets, write
from testwright_schemas import TaskFinished, TaskSubmitted, envelope, subjects


async def collected(client: Client, finished: TaskFinished) -> dict[str, Any]:
    """Return the end of a task as ``get_test_generation_results`` does, once its files are where they were asked for.

    Raises:
        BlobNotFoundError: the files have expired.
        SnapshotError: a file cannot be written.
    """
    if finished.outcome != "completed":
        error = f"{finished.error.cause}: {finished.error.message}" if finished.error else finished.outcome
        return {"success": False, "task_id": finished.task_id, "error": error}
    files = await client.files(finished)
    delivered = await run_sync(deliver_to, await _output(client, finished.task_id), files)
    result = {
        **msgspec.json.decode(msgspec.json.encode(finished)),
        "suite": {name: content.decode(errors="replace") for name, content in files.items()},
        "delivered": [str(path) for path in delivered],
    }
    return {"success": True, "task_id": finished.task_id, "result": result}


async def _output(client: Client, task_id: str) -> str | None:
    stored = await client.bus.last(subjects.EVENTS, subjects.task_event(client.namespace, task_id, "submitted"))
    return envelope.decode(stored.data, TaskSubmitted).policy.output if stored else None


def deliver_to(output: str | None, files: Mapping[str, bytes]) -> list[Path]:
    """Write a suite where its submission asked for it, and return the paths; nowhere if it did not ask.

    Raises:
        SnapshotError: a file cannot be written.
    """
    return write(targets(files, Path(output))) if output else []

"""What collecting the end of a task does: its files go where the submission asked for them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from anyio.to_thread import run_sync

from testwright.client import Client
from testwright.delivery import deliver
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

    A ``.py`` file as ``output`` gives its name to the suite's only file; the files of a larger suite keep theirs and
    go into the same folder.

    Raises:
        SnapshotError: a file cannot be written.
    """
    if output is None:
        return []
    path = Path(output)
    if path.suffix != ".py":
        return deliver(files, path)
    named = {path.name: next(iter(files.values()))} if len(files) == 1 else files
    return deliver(named, path.parent)

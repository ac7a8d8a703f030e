"""What collecting the end of a task does: its files go where the submission asked for them, or on a branch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from anyio.to_thread import run_sync

from testwright import __version__, branch, change
from testwright.client import Client
from testwright.delivery import targets, write
from testwright.watching import last_readable
from testwright_schemas import TaskFinished, TaskSubmitted, envelope, subjects

_SUBMISSIONS = envelope.Decoder[TaskSubmitted](TaskSubmitted)


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
    subject = subjects.task_event(client.namespace, task_id, "submitted")
    found = await last_readable(client.bus, subject, _SUBMISSIONS)
    return found[1].policy.output if found else None


def deliver_to(output: str | None, files: Mapping[str, bytes]) -> list[Path]:
    """Write a suite where its submission asked for it, and return the paths; nowhere if it did not ask.

    Raises:
        SnapshotError: a file cannot be written.
    """
    return write(targets(files, Path(output))) if output else []


@dataclass(frozen=True, slots=True)
class Collected:
    """A task that has ended, for a commit.

    Attributes:
        end: of the task.
        files: of its suite that are to be delivered, by the absolute path that each would have in the working tree.
        note: what else there is to be known of it, in one line.
    """

    end: TaskFinished
    files: Mapping[Path, bytes]
    note: str = ""


def commit(folder: Path, name: str, tasks: Sequence[Collected], facts: Mapping[str, str]) -> branch.Commit | None:
    """Commit the suites of tasks on a branch, with a report as the message; ``None`` where there is no file at all.

    Args:
        folder: in the repository.
        name: of the branch.
        tasks: all that the report is to tell of.
        facts: trailers of the message.

    Raises:
        BranchError: it cannot be done.
    """
    if not any(task.files for task in tasks):
        return None

    def describe(files: Sequence[Sequence[str]]) -> str:
        entries = [change.Entry(task.end, names, task.note) for task, names in zip(tasks, files, strict=True)]
        engines = ", ".join(dict.fromkeys(task.end.engine for task in tasks if task.end.engine))
        return change.message(entries, {"Generated-by": f"testwright {__version__} ({engines})", **facts})

    return branch.commit(folder, name, [task.files for task in tasks], describe)

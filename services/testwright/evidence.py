"""The only place that gathers the evidence of a task from a server."""

from testwright.client import Client
from testwright.errors import BlobNotFoundError, WaitTimeoutError
from testwright.verification.bundle import Bundle
from testwright_schemas import SuiteGenerated, TaskFinished, TaskProgressed, TaskSubmitted, subjects


async def gather(client: Client, task_id: str) -> Bundle:
    """Return the evidence of a task that has ended; of one that joined another, the evidence of that one.

    What has expired is not in it; checking it says so.

    Raises:
        TaskNotFoundError: nobody has submitted it.
        WaitTimeoutError: it has not ended.
    """
    finished = await client.results(task_id)
    if finished is None:
        raise WaitTimeoutError(task_id, 0.0)
    if finished.joined:
        return await gather(client, finished.joined)
    bodies: list[bytes] = []
    snapshot, candidate = "", ""
    async with client.watch(task_id) as events:
        async for stored, event in events:
            if isinstance(event, TaskProgressed):
                continue
            bodies.append(stored.data)
            if isinstance(event, TaskSubmitted):
                snapshot = event.snapshot.digest
            elif isinstance(event, SuiteGenerated):
                candidate = event.candidate.digest
            elif isinstance(event, TaskFinished):
                break
    suite = {file.name: await _fetched(client, subjects.ARTIFACTS, file.digest) for file in finished.files}
    return Bundle(
        events=bodies,
        snapshot=await _fetched(client, subjects.SNAPSHOTS, snapshot),
        candidate=await _fetched(client, subjects.ARTIFACTS, candidate),
        report=await _fetched(client, subjects.ARTIFACTS, finished.report.digest if finished.report else ""),
        suite={name: content for name, content in suite.items() if content},
    )


async def _fetched(client: Client, bucket: str, digest: str) -> bytes:
    if not digest:
        return b""
    try:
        return await client.bus.fetch(bucket, client.namespace, digest)
    except BlobNotFoundError:
        return b""

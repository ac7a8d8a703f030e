"""Have tests written for a module, and react when they are there: with nothing but nats-py.

    pip install nats-py
    NATS_URL=nats://… python submit_and_react.py PROJECT src/shop/pricing.py shop.pricing src

The arguments are the project's folder, the module's file in it, its import path, and the folder in it that goes on
`sys.path` (`.` for the project itself). The messages are described in schemas/asyncapi.json.
"""

import asyncio
import base64
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
import uuid
from datetime import UTC, datetime
from pathlib import Path

import nats
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

NAMESPACE = os.environ.get("TESTWRIGHT_NAMESPACE", "default")
ENGINES = os.environ.get("ENGINES", "pynguin,ghostwriter").split(",")


def pack(project: Path) -> tuple[bytes, int]:
    """Return the project as a gzipped tar of regular files, and their number."""
    files = [path for path in sorted(project.rglob("*.py")) + sorted(project.glob("*.toml")) if path.is_file()]
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream, tarfile.open(mode="w", fileobj=stream) as tar:
        for path in files:
            entry = tarfile.TarInfo(path.relative_to(project).as_posix())
            entry.size = path.stat().st_size
            tar.addfile(entry, io.BytesIO(path.read_bytes()))
    return packed.getvalue(), len(files)


def entry_of(bucket: str, name: str) -> str:
    """Return the subject of what makes an object known.

    Contents are laid out as in any object store, with the namespace as one more token of each subject: the server holds
    a client of one namespace to it. What client libraries call "put" and "get" knows no such token.
    """
    return f"$O.{bucket}.M.{NAMESPACE}.{base64.urlsafe_b64encode(name.encode()).decode()}"


async def put(js: JetStreamContext, data: bytes) -> str:
    """Store sources under the digest of their content: in chunks, then what makes them known; return the digest."""
    bucket, chunk_bytes, nuid = "testwright-snapshots", 512 * 1024, uuid.uuid4().hex
    digest = hashlib.sha256(data).digest()
    name = digest.hex()
    entry = entry_of(bucket, name)
    try:
        await js.get_last_msg(f"OBJ_{bucket}", entry)
    except NotFoundError:
        chunks = [data[start : start + chunk_bytes] for start in range(0, len(data), chunk_bytes)]
        for chunk in chunks:
            await js.publish(f"$O.{bucket}.C.{NAMESPACE}.{nuid}", chunk)
        about = {"name": name, "bucket": bucket, "nuid": nuid, "size": len(data), "chunks": len(chunks)}
        about["digest"] = f"SHA-256={base64.urlsafe_b64encode(digest).decode()}"
        await js.publish(entry, json.dumps(about).encode())
    return name


async def fetch(js: JetStreamContext, name: str) -> bytes:
    """Return a file by the digest of its content."""
    bucket = "testwright-artifacts"
    about = json.loads((await js.get_last_msg(f"OBJ_{bucket}", entry_of(bucket, name))).data or b"")
    where = f"$O.{bucket}.C.{NAMESPACE}.{about['nuid']}"
    chunks = await js.subscribe(where, stream=f"OBJ_{bucket}", ordered_consumer=True)
    data = b"".join([(await chunks.next_msg(timeout=10)).data for _ in range(about["chunks"])])
    await chunks.unsubscribe()
    if hashlib.sha256(data).hexdigest() != name:
        raise ValueError(f"{name} has been changed")
    return data


async def main(project: Path, path: str, module: str, import_root: str) -> int:
    # Ids are yours to choose: letters, digits, "-" and "_". Sending a job twice under one id does it once.
    job_id, task_id = f"job-{uuid.uuid4().hex}", f"task-{uuid.uuid4().hex}"
    connection = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
    js = connection.jetstream()

    # Listen before you ask, and nothing can be missed. An ordered consumer reads the stream, so it survives reconnects.
    job_events = await js.subscribe(f"testwright.event.{NAMESPACE}.job.{job_id}.*", ordered_consumer=True)

    data, count = pack(project)
    command = {
        "type": "submit-job",
        "namespace": NAMESPACE,
        "job_id": job_id,
        "tasks": [{"task_id": task_id, "target": {"module": module, "path": path, "import_root": import_root}}],
        "snapshot": {"digest": await put(js, data), "size": len(data), "files": count},
        "policy": {"engines": ENGINES, "coverage": 80, "mutants": False},  # what is left out has a default
        "submitted_at": datetime.now(UTC).isoformat(),
    }
    # The server's answer says that the command is stored: from here on it is done, whatever becomes of this process.
    await js.publish(
        f"testwright.command.{NAMESPACE}.submit",
        json.dumps(command).encode(),
        headers={"Nats-Msg-Id": f"{NAMESPACE}/job/{job_id}/submit"},
    )
    print("submitted", job_id)

    async for message in job_events.messages:
        event = json.loads(message.data)
        if event["type"] == "job-rejected":
            print("rejected:", event["field"], event["reason"])
            return 2
        if event["type"] == "job-finished":
            break

    # The end of a task is its result: one message, the last on its subject.
    last = await js.get_last_msg("TESTWRIGHT_EVENTS", f"testwright.event.{NAMESPACE}.task.{task_id}.finished")
    result = json.loads(last.data or b"")
    kept = sum(test["verdict"] == "kept" for test in result.get("tests", []))
    print("finished", result["outcome"], f"{kept} tests kept")
    for file in result.get("files", []):
        written = Path(Path(file["name"]).name)
        written.write_bytes(await fetch(js, file["digest"]))
        print("wrote", written)
    await connection.close()
    return 0 if result["outcome"] == "completed" else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:5])))

"""What each role may do, as a server says: asked subject by subject, and shown as a table.

``python -m tests.support.matrix`` prints it; ``docs/permissions.md`` keeps it.
"""

import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio

from tests.support.guarded import Guarded, deployment, guarded
from testwright.bus._nats_client import Callbacks, dial
from testwright.bus._nats_wire import denied
from testwright_schemas import subjects


def storing(bucket: str, *scopes: str) -> tuple[str, ...]:
    """Return what storing in a bucket publishes on: chunks, and the entry that makes them known."""
    return tuple(f"$O.{bucket}.{kind}.{scope}n1" for scope in scopes for kind in "CM")


def fetching(bucket: str, *scopes: str) -> tuple[str, ...]:
    """Return what fetching from a bucket publishes on, where it is held to what is named."""
    return tuple(f"$JS.API.CONSUMER.CREATE.OBJ_{bucket}.x.{place}" for place in storing(bucket, *scopes))


ROWS: dict[str, tuple[str, ...]] = {
    # what is published
    "commands of its namespace": tuple(
        f"testwright.command.acme.{verb}" for verb in ("submit", "cancel", "retry", "schedule", "cancel-schedule")
    ),
    "commands of another namespace": tuple(
        f"testwright.command.other.{verb}" for verb in ("submit", "cancel", "retry", "schedule", "cancel-schedule")
    ),
    "`run-workflow`, `cancel-workflow`": (
        "testwright.command.acme.run-workflow",
        "testwright.command.acme.cancel-workflow",
    ),
    "work": ("testwright.work.generate.echo.high.acme.t1.1", "testwright.work.verify.echo.high.acme.t1.1"),
    "task events `submitted`, `cancel-requested`": tuple(
        subjects.task_event("acme", "t1", kind) for kind in ("submitted", "cancel-requested")
    ),
    "task events `started`, `generated`": tuple(
        subjects.task_event("acme", "t1", kind) for kind in ("started", "generated")
    ),
    "task events `progressed`, `attempt-failed`": tuple(
        subjects.task_event("acme", "t1", kind) for kind in ("progressed", "attempt-failed")
    ),
    "task event `verified`": (subjects.task_event("acme", "t1", "verified"),),
    "task event `finished`": (subjects.task_event("acme", "t1", "finished"),),
    "events of joining": (
        subjects.joined_event("acme", "t1", "t2"),
        subjects.taken_event("acme", "m1", "t1"),
        "testwright.event.acme.content.c1.claimed",
    ),
    "job events `submitted`, `rejected`": tuple(
        subjects.job_event("acme", "j1", kind) for kind in ("submitted", "rejected")
    ),
    "job events `progressed`, `finished`": tuple(
        subjects.job_event("acme", "j1", kind) for kind in ("progressed", "finished")
    ),
    "workflow events": (
        subjects.workflow_event("acme", "r1", "started"),
        subjects.workflow_event("acme", "r1", "stage-finished.build"),
    ),
    "schedule events": tuple(
        subjects.schedule_event("acme", "s1", kind) for kind in ("set", "rejected", "fired", "cancelled")
    ),
    "lane events": (subjects.lane_event("acme", "l1"),),
    "gates and their queues": (
        subjects.gate_event("acme", "job", "j1"),
        subjects.queued_event("acme", "job", "j1", "high").replace("*", "t1"),
    ),
    "limits of namespaces": (subjects.limits_event("acme", "own"),),
    "dead letters": (subjects.dead_event("acme", "d1"),),
    "timers of schedules": ("testwright.timer.set.acme.s1.schedule",),
    "timers of tasks": ("testwright.timer.set.acme.t1.deadline-1", "testwright.timer.set.acme.t1.retry-2"),
    "timers as they come due": ("testwright.timer.due.acme.t1.deadline-1", "testwright.timer.submit.acme.s1"),
    "leases": (subjects.LEASES,),
    # what is taken
    "take commands": (
        "$JS.API.CONSUMER.MSG.NEXT.TESTWRIGHT_COMMANDS.submitter",
        "$JS.API.CONSUMER.MSG.NEXT.TESTWRIGHT_EVENTS.submitter-joins",
        "$JS.API.CONSUMER.MSG.NEXT.TESTWRIGHT_TIMERS.submitter-schedules",
    ),
    "take commands of workflows": (
        "$JS.API.CONSUMER.MSG.NEXT.TESTWRIGHT_COMMANDS.workflow",
        "$JS.API.CONSUMER.MSG.NEXT.TESTWRIGHT_COMMANDS.workflow-cancel",
    ),
    "take work to generate": ("$JS.API.CONSUMER.MSG.NEXT.TESTWRIGHT_WORK.generate-echo-high",),
    "take work to verify": ("$JS.API.CONSUMER.MSG.NEXT.TESTWRIGHT_WORK.verify-high",),
    "take events and timers": (
        "$JS.API.CONSUMER.MSG.NEXT.TESTWRIGHT_EVENTS.collector",
        "$JS.API.CONSUMER.MSG.NEXT.TESTWRIGHT_TIMERS.collector-timers",
    ),
    "answer for generators": ("$JS.ACK.TESTWRIGHT_WORK.generate-echo-high.1.1.1.1.0",),
    "answer for verifiers": ("$JS.ACK.TESTWRIGHT_WORK.verify-high.1.1.1.1.0",),
    "answer for submitters": ("$JS.ACK.TESTWRIGHT_COMMANDS.submitter.1.1.1.1.0",),
    "answer for collectors": ("$JS.ACK.TESTWRIGHT_EVENTS.collector.1.1.1.1.0",),
    # what is read
    "follow events of its namespace": ("$JS.API.CONSUMER.CREATE.TESTWRIGHT_EVENTS.x.testwright.event.acme.>",),
    "follow task events of another namespace": (
        "$JS.API.CONSUMER.CREATE.TESTWRIGHT_EVENTS.x.testwright.event.other.task.*.finished",
    ),
    "follow all events": (
        "$JS.API.CONSUMER.CREATE.TESTWRIGHT_EVENTS.x",
        "$JS.API.CONSUMER.CREATE.TESTWRIGHT_EVENTS.x.testwright.event.>",
    ),
    "look up any event": ("$JS.API.DIRECT.GET.TESTWRIGHT_EVENTS", "$JS.API.STREAM.MSG.GET.TESTWRIGHT_EVENTS"),
    "read commands, work, timers": tuple(
        f"$JS.API.{verb}.{stream}"
        for stream in ("TESTWRIGHT_COMMANDS", "TESTWRIGHT_WORK", "TESTWRIGHT_TIMERS")
        for verb in ("DIRECT.GET", "STREAM.MSG.GET", "CONSUMER.CREATE")
    ),
    "snapshots of its namespace: store": storing("testwright-snapshots", "acme."),
    "snapshots of its namespace: fetch": fetching("testwright-snapshots", "acme."),
    "snapshots of another, or of all: store": storing("testwright-snapshots", "other.", ""),
    "snapshots of another, or of all: fetch": (
        *fetching("testwright-snapshots", "other.", "*.", ""),
        "$JS.API.STREAM.MSG.GET.OBJ_testwright-snapshots",
        "$JS.API.DIRECT.GET.OBJ_testwright-snapshots",
    ),
    "artifacts of its namespace: store": storing("testwright-artifacts", "acme."),
    "artifacts of its namespace: fetch": fetching("testwright-artifacts", "acme."),
    "artifacts of another, or of all: store": storing("testwright-artifacts", "other.", ""),
    "artifacts of another, or of all: fetch": (
        *fetching("testwright-artifacts", "other.", "*.", ""),
        "$JS.API.STREAM.MSG.GET.OBJ_testwright-artifacts",
        "$JS.API.DIRECT.GET.OBJ_testwright-artifacts",
    ),
    "notes of attempts: leave, read, take away": (
        subjects.note("acme", "t1", "1", "1", "0"),
        f"$JS.API.DIRECT.GET.{subjects.NOTES}",
        f"$JS.API.STREAM.PURGE.{subjects.NOTES}",
    ),
    "notes of attempts: read or take away otherwise": tuple(
        f"$JS.API.{verb}.{subjects.NOTES}" for verb in ("STREAM.MSG.GET", "STREAM.MSG.DELETE", "CONSUMER.CREATE")
    ),
    # what is arranged
    "lengths of queues": ("$JS.API.CONSUMER.LIST.TESTWRIGHT_WORK",),
    "figures of streams": ("$JS.API.STREAM.INFO.TESTWRIGHT_EVENTS", "$JS.API.STREAM.LIST", "$JS.API.INFO"),
    "take timers back": ("$JS.API.STREAM.PURGE.TESTWRIGHT_TIMERS",),
    "change durable consumers": (
        "$JS.API.CONSUMER.CREATE.TESTWRIGHT_EVENTS.collector",
        "$JS.API.CONSUMER.CREATE.TESTWRIGHT_EVENTS.collector.testwright.event.acme.>",
        "$JS.API.CONSUMER.CREATE.TESTWRIGHT_EVENTS.submitter-joins.testwright.event.acme.task.*.finished",
        "$JS.API.CONSUMER.DURABLE.CREATE.TESTWRIGHT_EVENTS.collector",
        "$JS.API.CONSUMER.CREATE.TESTWRIGHT_WORK.verify-high",
        "$JS.API.CONSUMER.DELETE.TESTWRIGHT_WORK.none",
        "$JS.API.CONSUMER.PAUSE.TESTWRIGHT_WORK.none",
    ),
    "make, change, empty, delete streams": (
        "$JS.API.STREAM.CREATE.NONE",
        "$JS.API.STREAM.UPDATE.NONE",
        "$JS.API.STREAM.PURGE.NONE",
        "$JS.API.STREAM.DELETE.NONE",
        "$JS.API.STREAM.MSG.DELETE.NONE",
        "$JS.API.STREAM.MSG.DELETE.OBJ_testwright-artifacts",
        "$JS.API.STREAM.SNAPSHOT.NONE",
    ),
    "ask services who they are": ("$SRV.PING",),
    "anything else": ("somewhere.else", "$SYS.REQ.SERVER.PING", "_INBOX_nobody.a.1", "_INBOX.a.1"),
}

HEARD: dict[str, tuple[str, ...]] = {
    "events of its namespace, as they are said": ("testwright.event.acme.>",),
    "events of all, as they are said": ("testwright.event.>",),
    "leases, as they are said": (subjects.LEASES,),
    "commands, work, timers, notes, as they are said": tuple(
        f"testwright.{what}.>" for what in ("command", "work", "timer", "note")
    ),
    "advisories of the server": ("$JS.EVENT.ADVISORY.>",),
    "questions to services": ("$SRV.PING",),
    "ends of connections": ("$SYS.ACCOUNT.*.DISCONNECT",),
    "inboxes of others": ("_INBOX_nobody.>", "_INBOX.>"),
    "everything": (">", "$SYS.>", "$JS.>", "$O.>"),
}


TITLES = (
    *("client-acme", "client", "observer-acme", "observer", "gateway", "submitter", "collector"),
    *("generator", "verifier", "workflow", "admin", "reclaim"),
)
"""Who is asked for, from left to right."""


async def refused(guard: Guarded, title: str) -> tuple[set[str], set[str]]:
    """Return the subjects that the server refuses a user: to publish on, and to listen to."""
    found: list[str] = []

    def failed(error: Exception) -> None:
        found.append(str(error))

    async def ignore(*_: object) -> None:
        pass

    client = await dial(guard.url(title), title, None, Callbacks(failed, ignore, ignore, ignore))
    try:
        for row in ROWS.values():
            for subject in row:
                await client.publish(subject)
        for row in HEARD.values():
            for subject in row:
                await client.subscribe(subject, cb=ignore)
        await client.catch_up()
    finally:
        await client.close()
    pairs = [pair for text in found if (pair := denied(text))]
    return {subject for kind, subject in pairs if kind == "publish"}, {
        subject for kind, subject in pairs if kind == "subscription"
    }


def cell(wanted: Sequence[str], no: set[str]) -> str:
    """Return the mark for subjects that are all allowed or all refused; ``?`` where they differ."""
    told = [subject.lower() in no for subject in wanted]
    return "" if all(told) else "?" if any(told) else "●"


def table(found: Mapping[str, tuple[set[str], set[str]]]) -> str:
    """Return who may do what as Markdown."""
    lines = [f"| | {' | '.join(found)} |", "|---|" + "---|" * len(found)]
    for which, rows in enumerate((ROWS, HEARD)):
        heading = ("**publish on**", "**listen to**")[which]
        lines.append(f"| {heading} |" + " |" * len(found))
        for name, wanted in rows.items():
            cells = [cell(wanted, no[which]) for no in found.values()]
            lines.append(f"| {name} | {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |"))
    return "\n".join(lines)


async def ask(folder: Path) -> str:
    """Return the table as a server with everyone's credentials gives it."""
    async with guarded(folder, "nkeys", deployment("nkeys"), deployment("nkeys", ["acme"])) as guard:
        await guard.apply()
        return table({title: await refused(guard, title) for title in TITLES})


def kept(document: str) -> str:
    """Return the table in a document."""
    found = re.search(r"<!-- matrix -->\n+(.*?)\n+<!-- /matrix -->", document, re.DOTALL)
    assert found is not None
    return found[1]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        sys.stdout.write(f"{anyio.run(ask, Path(place))}\n")

"""Targets that read what comes over the bus, from a caller of the gateway, from an agent, and from a run."""
# pyright: reportPrivateUsage=false
# What reads is a private part of its module more often than not.

import ast
import io
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from types import SimpleNamespace
from typing import Any, cast

import anyio
import httpx
import msgspec
from starlette.requests import Request

from tests.support import tasks as known
from testwright.background import beside
from testwright.bus import Bus, Stored, _nats_objects, reclaim
from testwright.bus._nats_refusals import Refusals
from testwright.bus._nats_wire import Message, answered, command, origin
from testwright.client import Client
from testwright.engines import _varied
from testwright.engines.openhands import agent_server, conversing, memory, protocol, upstream
from testwright.errors import EngineError, RequestRefusedError
from testwright.gateway import asking, content
from testwright.gateway.live import Live
from testwright.gateway.messages import Submission
from testwright.gateway.routes import EventsWanted, ResultWanted
from testwright.gateway.selection import Wanted
from testwright.gateway.tables import ALL
from testwright.sandbox import Completed, carry
from testwright.submitter.backlog import Backlog
from testwright.verification._runner import judge, recorder
from testwright.verification._runner.channel import Channel
from testwright.verification._runner.plan import Plan
from testwright.voice import Archive
from testwright.watching import newest
from testwright_schemas import Note, Usage, envelope, subjects

ROOM = 1 << 16


def ack_subjects(data: bytes) -> None:
    """What a delivery is to be answered on says where it comes from, or is none."""
    subject = data.decode("utf-8", "replace")
    with suppress(ValueError):
        assert origin(subject).time.tzinfo
    assert answered(subject) or not subject
    Refusals().dispatch(f'Permissions Violation for Publish to "{subject}"')


def object_entries(data: bytes) -> None:
    """An entry of an object names chunks that can be asked for, or is none."""
    with suppress(msgspec.DecodeError):
        entry = envelope.decode(data, _nats_objects._Entry)
        assert entry.chunks >= 0
        command(_nats_objects.Place("bucket", "default").chunks(entry.nuid), b"", "", b"")


def ends(data: bytes) -> None:
    """What a server says of connections that have ended is heard, or passed over."""
    handed_back: list[str] = []

    def post(ack: str, _: bytes) -> None:
        handed_back.append(ack)

    reclaimer = reclaim._Reclaimer(cast("Any", SimpleNamespace(post=post)))
    message = Message("subject", "", data)
    reclaimer.on_lease(message)
    reclaimer.on_end(message)
    assert all(ack.startswith("$JS.ACK.") for ack in handed_back)


class _Kept:
    """A bus on which one thing was said, which stands where it is looked for."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def _stored(self, pattern: str) -> Stored:
        subject = pattern.replace("*", "default").replace(">", "started")
        return Stored("EVENTS", 1, subject, self._data, known.NOW)

    async def last(self, stream: str, subject: str) -> None:
        del stream, subject

    async def last_per_subject(
        self, stream: str, filters: Sequence[str], *, at_least: int = 0
    ) -> AsyncGenerator[Stored]:
        del stream, at_least
        yield self._stored(filters[0])

    @asynccontextmanager
    async def feed(
        self, stream: str, filters: Sequence[str], *, after: int | None = None
    ) -> AsyncGenerator[AsyncIterator[Stored]]:
        del after
        yield self.last_per_subject(stream, filters)


def stored_events(data: bytes) -> None:
    """Readers of events take what they can read, and pass over what they cannot."""
    anyio.run(_read_events, cast("Bus", _Kept(data)))


async def _read_events(bus: Bus) -> None:
    archive = Archive(bus)
    await archive.task("default", "task-1")
    await archive.job("default", "job-1")
    await archive.claims("default", "job-1", ["task-1"])
    await Client(bus).tasks()
    _ = [event async for _, event in newest(bus, [subjects.task_event("default")])]
    live, backlog = Live(bus), Backlog(bus)
    await live.follow()
    msgspec.json.encode(live.board.since(None, (ALL,)))
    async with beside(backlog.follow):
        await backlog.open_tasks("default")


def requests(data: bytes) -> None:
    """What a caller of the gateway sends is read, or refused as what it is."""
    anyio.run(_read_requests, data)


async def _read_requests(data: bytes) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": data, "more_body": False}

    as_json = [(b"content-type", b"application/json")]
    for headers in (as_json, [*as_json, (b"content-length", data[:40])], [(b"content-type", data[:40])]):
        request = Request({"type": "http", "headers": headers, "query_string": data}, receive)
        for query in (Wanted, ResultWanted, EventsWanted):
            with suppress(RequestRefusedError):
                asking.parameters(request, cast("type[Any]", query))
        with suppress(RequestRefusedError, msgspec.DecodeError):
            await asking.read(request, Submission)


def shown_reports(data: bytes) -> None:
    """A module is shown whatever it and the report about it hold."""
    msgspec.json.encode(content.view(known.submitted(), data, data))
    content.view(known.submitted(), b"x = 1\n", data)


def agent_events(data: bytes) -> None:
    """What an agent's server says is taken as what it tells, or passed over."""
    event = agent_server._decoded(data.decode("utf-8", "surrogatepass" if data.isascii() else "replace"))
    if event:
        tally = conversing.Tally("secret")
        tally.take(event)
        assert "secret" not in tally.summary(interrupted=False).detail


def agent_answers(data: bytes) -> None:
    """What an agent's server says of a command is what that has printed, or its failure."""

    async def answer(request: httpx.Request) -> httpx.Response:
        del request
        return httpx.Response(200, content=data)

    async def ask() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://agents") as client:
            with suppress(EngineError):
                assert isinstance(await agent_server.AgentServer(client, None).run("mktemp"), str)

    anyio.run(ask)


class _Notes:
    def __init__(self, text: str) -> None:
        self.before = [Note(text=text, usage=Usage())]

    def add(self, note: Note) -> None:
        self.before.append(note)


def remembered_answers(data: bytes) -> None:
    """What attempts before have noted is an answer or none, and any call is the same as itself."""
    text = data.decode("utf-8", "replace")
    recalling = memory.Memory(_Notes(text), "/work/space")
    for path in (protocol.COMPLETIONS, protocol.RESPONSES):
        with suppress(protocol.BadCallError):
            call = protocol.Call(path, data)
            recalling.recall(call)
            notes = _Notes("")
            answer = memory.Answer(model="m", status=200, kind="application/json", body=text)
            memory.Memory(notes, "/work/space").keep(call, answer, Usage())
            assert len(notes.before) == 1 or memory.Memory(notes, "/work/space").recall(call)


def records(data: bytes) -> None:
    """A record of exchanges with a model can be given again, or is refused."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "record")
        path.write_bytes(data)
        with suppress(EngineError):
            anyio.run(upstream.replay, path, folder)


_PLAN = Plan(
    mode="apart",
    token="t",
    module="m",
    path="/m.py",
    paths=[],
    overlay="",
    suite="",
    files=["test_m.py"],
    cases=["test_m.py::test_a"],
    measure=True,
)


def judged_lines(data: bytes) -> None:
    """What judged code's process says goes on as events that the host can read, or not at all."""
    with TemporaryFile() as said:
        hearing = judge.Hearing(_PLAN, Channel(said.fileno(), "").say, case="test_m.py::test_a")
        for line in data.split(b"\n"):
            hearing.take(line)
        said.seek(0)
        for line in said:
            assert json.loads(line.decode())
    end = recorder._end_in(data)
    assert isinstance(end.outcome, str)
    json.dumps(asdict(end))


def carried(data: bytes) -> None:
    """What comes out of a run's folders in memory lies below the folders, as plain files, in bounds."""
    with TemporaryDirectory() as folder:
        inside = Path(folder, "inside")
        inside.mkdir()
        carry.take(io.BytesIO(data), [inside], ROOM)
        assert [path.name for path in Path(folder).iterdir()] == ["inside"]
        files = [path for path in inside.rglob("*") if not path.is_dir()]
        assert all(path.is_file() and not path.is_symlink() for path in files)
        assert sum(path.stat().st_size for path in files) <= ROOM


def varied_lines(data: bytes) -> None:
    """What the module has become in an observer's process is a test, or nothing."""
    done = Completed(0, data, b"", 1.0, timed_out=False, isolation="none")
    for test in _varied._tests([observed for _, observed in _varied._observed(done)]):
        ast.unparse(test)


READERS = (
    ack_subjects,
    object_entries,
    ends,
    stored_events,
    requests,
    shown_reports,
    agent_events,
    agent_answers,
    remembered_answers,
    records,
    judged_lines,
    carried,
    varied_lines,
)

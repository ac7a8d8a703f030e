"""A language model that says what a script says, over the chat completions protocol, on the loopback or anywhere."""

import itertools
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import h11
import msgspec
from anyio.abc import SocketAttribute, SocketStream

KEY = "sk-scripted-0123456789"
"""The only key that it takes."""

WORKSPACE = "$WORKSPACE"
"""Stands in a script for the folder that the prompt names."""

MODULE = "$MODULE"
"""Stands for the module that the prompt names."""


@dataclass(frozen=True)
class Says:
    """An answer: text, calls of tools as ``(name, arguments)``, and what it took (``None``: it does not say)."""

    text: str | None = None
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    usage: tuple[int, int] | None = (1000, 100)
    ends: str | None = None


@dataclass(frozen=True)
class Fails:
    """An answer with an error's status."""

    status: int
    message: str = "scripted"
    headers: Sequence[tuple[str, str]] = ()
    code: str = "scripted"


@dataclass(frozen=True)
class Sends:
    """A 200 with any bytes as its body; ``cut`` leaves the answer without its end."""

    body: bytes
    cut: bool = False


@dataclass(frozen=True)
class Hangs:
    """No answer, as long as the client holds on."""


Step = Says | Fails | Sends | Hangs


def run(command: str) -> Says:
    """Return the step in which the agent runs a command."""
    return Says(calls=[("terminal", {"command": command})])


def create(path: str, text: str) -> Says:
    """Return the step in which the agent creates a file below the workspace."""
    return Says(calls=[("file_editor", {"command": "create", "path": f"{WORKSPACE}/{path}", "file_text": text})])


def finish(message: str = "All tests pass.") -> Says:
    """Return the step in which the agent says that it is done."""
    return Says(calls=[("finish", {"message": message})])


@dataclass
class ScriptedModel:
    """Takes one step a call; the last one is repeated.

    Attributes:
        url: to be used as base URL.
        calls: requests, decoded, in order.
        hung: is set once a call hangs.
        go_on: is waited for before the second half of a streamed answer.
    """

    steps: Sequence[Step]
    url: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    hung: anyio.Event = field(default_factory=anyio.Event)
    left: anyio.Event = field(default_factory=anyio.Event)
    go_on: anyio.Event | None = None
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def models(self) -> list[str]:
        """The models that were asked, in order."""
        return [call["model"] for call in self.calls]

    async def serve(self, stream: SocketStream) -> None:
        """Answer one request."""
        async with stream:
            connection = h11.Connection(h11.SERVER)
            try:
                head, body = await _request(stream, connection)
                await self._answer(_Line(stream, connection), head, body)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    async def _answer(self, line: "_Line", head: h11.Request, body: bytes) -> None:
        headers = dict(head.headers)
        if headers.get(b"authorization") != f"Bearer {KEY}".encode():
            await line.json(401, {"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}})
            return
        if not head.target.endswith(b"/chat/completions"):
            await line.json(404, {"error": {"message": f"no {head.target.decode()}"}})
            return
        request: dict[str, Any] = msgspec.json.decode(body)
        self.calls.append(request)
        number = next(self._numbers)
        match self.steps[min(number, len(self.steps) - 1)]:
            case Says() as step:
                await self._say(line, request, step, number)
            case Fails() as step:
                content = {"error": {"message": step.message, "code": step.code, "type": step.code}}
                await line.json(step.status, content, step.headers)
            case Sends() as step:
                await line.begin(200, "application/json")
                await line.add(step.body)
                if not step.cut:
                    await line.end()
            case Hangs():
                self.hung.set()
                try:
                    await line.closed()
                finally:
                    self.left.set()

    async def _say(self, line: "_Line", request: dict[str, Any], step: Says, number: int) -> None:
        asked = _first_user_text(request)
        workspace = re.search(r"^- Workspace: (.+)$", asked, re.MULTILINE)
        module = re.search(r"Python module `(.+?)`", asked)
        calls = [
            {
                "id": f"call_{number}_{index}",
                "type": "function",
                "function": {
                    "name": name,
                    "arguments": msgspec.json.encode(arguments)
                    .decode()
                    .replace(WORKSPACE, workspace[1] if workspace else "/nowhere")
                    .replace(MODULE, module[1] if module else "nothing"),
                },
            }
            for index, (name, arguments) in enumerate(step.calls)
        ]
        usage = _usage(step.usage)
        ends = step.ends or ("tool_calls" if calls else "stop")
        about = {"id": f"chatcmpl-{number}", "created": 1_700_000_000, "model": request["model"]}
        if request.get("stream"):
            await self._stream(line, step.text or "", about, ends, usage)
            return
        message = {"role": "assistant", "content": step.text} | ({"tool_calls": calls} if calls else {})
        choice = {"index": 0, "message": message, "finish_reason": ends}
        await line.json(200, {**about, "object": "chat.completion", "choices": [choice], **usage})

    async def _stream(self, line: "_Line", text: str, about: dict[str, Any], ends: str, usage: dict[str, Any]) -> None:
        middle = len(text) // 2
        await line.begin(200, "text/event-stream")
        await line.add(_chunk(about, {"role": "assistant", "content": text[:middle]}))
        if self.go_on:
            await self.go_on.wait()
        await line.add(_chunk(about, {"content": text[middle:]}))
        await line.add(_chunk(about, {}, ends))
        if usage:
            last: dict[str, Any] = {**about, "object": "chat.completion.chunk", "choices": [], **usage}
            await line.add(b"data: " + msgspec.json.encode(last) + b"\n\n")
        await line.add(b"data: [DONE]\n\n")
        await line.end()


def _usage(usage: tuple[int, int] | None) -> dict[str, Any]:
    if usage is None:
        return {}
    return {"usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}}


def _chunk(about: dict[str, Any], delta: dict[str, Any], ends: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": ends}
    return b"data: " + msgspec.json.encode({**about, "object": "chat.completion.chunk", "choices": [choice]}) + b"\n\n"


def _first_user_text(request: dict[str, Any]) -> str:
    content: Any = next((one["content"] for one in request["messages"] if one["role"] == "user"), "")
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


class _Line:
    """The way back to a client."""

    def __init__(self, stream: SocketStream, connection: h11.Connection) -> None:
        self._stream = stream
        self._connection = connection

    async def json(self, status: int, content: Any, headers: Sequence[tuple[str, str]] = ()) -> None:
        await self.begin(status, "application/json", headers)
        await self.add(msgspec.json.encode(content))
        await self.end()

    async def begin(self, status: int, kind: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        every = [("content-type", kind), ("connection", "close"), *headers]
        await self._send(h11.Response(status_code=status, headers=every))

    async def add(self, data: bytes) -> None:
        await self._send(h11.Data(data=data))

    async def end(self) -> None:
        await self._send(h11.EndOfMessage())

    async def closed(self) -> None:
        """Return when the client has left."""
        await self._stream.receive()

    async def _send(self, event: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        await self._stream.send(self._connection.send(event) or b"")


async def _request(stream: SocketStream, connection: h11.Connection) -> tuple[h11.Request, bytes]:
    head: h11.Request | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive())
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head:
            return head, body
        else:
            raise anyio.EndOfStream


@asynccontextmanager
async def scripted(*steps: Step) -> AsyncGenerator[ScriptedModel]:
    """Run a model with this script on the loopback for as long as the body runs."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        model = ScriptedModel(steps, url=f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/v1")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, model.serve)
            yield model
            tasks.cancel_scope.cancel()

"""The only place that speaks to an ``openhands-agent-server``: HTTP for what we ask, its WebSocket for events."""

import shlex
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import anyio
import httpx
import msgspec
from anyio.abc import ObjectReceiveStream, ObjectSendStream, TaskStatus
from httpx_ws import AsyncWebSocketSession, HTTPXWSException, aconnect_ws

from testwright.background import beside
from testwright.errors import EngineError
from testwright.pacing import Backoff
from testwright_schemas import envelope

ANSWER_S = 60.0
"""Longest that the server may take for an answer."""

COMMAND_S = 60
"""Longest that a command of ours may take there."""

MOST_BREAKS = 6
"""Times in a row that the events may break off without one between."""

MOST_BYTES = 64_000_000
"""Longest event or file that is taken."""


class Deed(msgspec.Struct, frozen=True):
    """What the agent does in an event."""

    command: str | None = None
    path: str | None = None


class Ran(msgspec.Struct, frozen=True):
    """What became of a command."""

    exit_code: int | None = None
    stdout: str | None = None
    stderr: str | None = None


class Event(msgspec.Struct, frozen=True):
    """An event of a conversation; texts are empty where they do not apply.

    Attributes:
        key: of the state that has changed; ``full_state`` for all of it.
        value: what it is now.
        code: of an error.
        detail: what the error says.
    """

    kind: str
    id: str = ""
    tool_name: str | None = None
    summary: str | None = None
    action: Deed | None = None
    key: str | None = None
    value: Any = None
    code: str | None = None
    detail: str | None = None


class AgentServer:
    """A server that agents run on.

    Args:
        client: with the server's address.
        key: of the server, ``None`` where it asks for none.
    """

    def __init__(self, client: httpx.AsyncClient, key: str | None) -> None:
        self._client = client
        self._key = key

    async def run(self, *argv: str, within: str | None = None) -> str:
        """Run a command there and return what it prints.

        Args:
            argv: program and arguments; ``"|"`` joins it to the next.
            within: folder; the server's own by default.

        Raises:
            EngineError: it fails (``agent-server-failed``), or as in ``post``.
        """
        command = " ".join("|" if word == "|" else shlex.quote(word) for word in argv)
        fields = {"command": command, "cwd": within, "timeout": COMMAND_S}
        answer = await self._ask("POST", "/api/bash/execute_bash_command", json=fields)
        try:
            done = envelope.decode(answer.content, Ran)
        except msgspec.DecodeError as error:
            message = f"what the agent server says of `{argv[0]}` cannot be read: {error}"
            raise EngineError("agent-server-failed", message) from error
        if done.exit_code != 0:
            said = (done.stderr or done.stdout or "")[-300:]
            raise EngineError("agent-server-failed", f"`{argv[0]}` failed on the agent server: {said}")
        return done.stdout or ""

    async def upload(self, path: str, content: bytes) -> None:
        """Write a file there."""
        await self._ask("POST", "/api/file/upload", params={"path": path}, files={"file": content})

    async def download(self, path: str) -> bytes:
        """Return a file from there.

        Raises:
            EngineError: it is too long (``agent-server-failed``), or as in ``post``.
        """
        content = bytearray()
        try:
            async with self._client.stream(
                "GET", "/api/file/download", params={"path": path}, headers=self._headers()
            ) as answer:
                async for chunk in answer.aiter_bytes():
                    content += chunk
                    if len(content) > MOST_BYTES:
                        raise EngineError("agent-server-failed", f"{path} has more than {MOST_BYTES} bytes")
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        _check(answer, bytes(content))
        return bytes(content)

    async def post(self, path: str, fields: Mapping[str, Any] | None = None) -> None:
        """Ask for something below ``/api/conversations``.

        Raises:
            EngineError: the server cannot be reached (``agent-server-unreachable``), refuses the key
                (``bad-credentials``) or does not do what it is asked (``agent-server-failed``).
        """
        await self._ask("POST", f"/api/conversations{path}", json=fields or {})

    async def delete(self, conversation: str) -> None:
        """End a conversation, whatever it is doing, and forget it there."""
        await self._ask("DELETE", f"/api/conversations/{conversation}")

    @asynccontextmanager
    async def events(self, conversation: str) -> AsyncGenerator[ObjectReceiveStream[Event]]:
        """Be told the events of a conversation for as long as the body runs, each once, those before now included.

        Where the connection breaks it is made again; the body ends with an ``EngineError``
        (``agent-server-unreachable``) if that does not help.
        """
        send, receive = anyio.create_memory_object_stream[Event](100)
        async with send, receive, beside(partial(self._follow, conversation, send)):
            yield receive

    async def _follow(self, conversation: str, told: ObjectSendStream[Event], *, task_status: TaskStatus[None]) -> None:
        task_status.started()
        seen: set[str] = set()
        backoff = Backoff(0.2)
        breaks = 0
        while breaks < MOST_BREAKS:
            known = len(seen)
            with suppress(HTTPXWSException, httpx.HTTPError, anyio.EndOfStream):
                await self._listen(conversation, told, seen)
            breaks = breaks + 1 if len(seen) == known else 0
            await backoff.pause()
        raise EngineError("agent-server-unreachable", "the agent server's events break off", retryable=True)

    async def _listen(self, conversation: str, told: ObjectSendStream[Event], seen: set[str]) -> None:
        path = f"/sockets/events/{conversation}?resend_mode=all"
        socket: AsyncWebSocketSession
        async with aconnect_ws(path, self._client, max_message_size_bytes=MOST_BYTES) as socket:
            try:
                # In a message and not in the address, which proxies write down.
                await socket.send_json({"type": "auth", "session_api_key": self._key or ""})
                while True:
                    event = _decoded(await socket.receive_text())
                    if event and event.id not in seen:
                        seen.add(event.id)
                        await told.send(event)
            except (HTTPXWSException, anyio.EndOfStream):
                # Within: what leaves the connection comes out in a group.
                return

    async def _ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, headers=self._headers(), **content)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        _check(answer, answer.content)
        return answer

    def _headers(self) -> dict[str, str]:
        return {"X-Session-API-Key": self._key} if self._key else {}

    def _unreachable(self, error: httpx.HTTPError) -> EngineError:
        message = f"the agent server at {self._client.base_url} cannot be reached: {type(error).__name__} {error}"
        return EngineError("agent-server-unreachable", message, retryable=True)


@asynccontextmanager
async def connected(url: str, key: str | None) -> AsyncGenerator[AgentServer]:
    """Open connections to a server for as long as the body runs."""
    timeout = httpx.Timeout(ANSWER_S, connect=15.0)
    async with httpx.AsyncClient(base_url=url.rstrip("/"), timeout=timeout) as client:
        yield AgentServer(client, key)


def _decoded(text: str) -> Event | None:
    try:
        return envelope.decode(text, Event)
    except msgspec.DecodeError:
        return None


def _check(answer: httpx.Response, content: bytes) -> None:
    if answer.status_code in {401, 403}:
        message = "the agent server refuses its key: check TESTWRIGHT_OPENHANDS_API_KEY"
        raise EngineError("bad-credentials", message)
    if not answer.is_success:
        said = content[:300].decode(errors="replace")
        message = f"the agent server answers {answer.status_code} to {answer.request.url.path}: {said}"
        raise EngineError("agent-server-failed", message, retryable=answer.status_code >= 500)

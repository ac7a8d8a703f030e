"""Who answers calls: the model's own server, or a record of what it once answered. The key is known here only."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import anyio
import httpx
import msgspec

from testwright.errors import EngineError
from testwright_schemas import envelope

CONNECT_S = 15.0
SILENCE_S = 180.0
"""Longest that a model may be silent; those that think before they answer are."""

WORKSPACE = "$WORKSPACE"
"""What a record says instead of the folder that the agent worked in, which is another one each time."""

_KEPT_HEADERS = ("content-type", "retry-after")


class UnreachableError(Exception):
    """Raised when no whole answer comes; never leaves the relay."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer as it comes; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class Upstream(Protocol):
    """Answers calls."""

    def ask(self, path: str, body: bytes) -> AbstractAsyncContextManager[Response]:
        """Send a request to a path and enter its answer; entering or reading may raise ``UnreachableError``."""
        ...


@dataclass(frozen=True)
class Server(Upstream):
    """A server that speaks the chat completions protocol."""

    client: httpx.AsyncClient
    base_url: str
    key: str = field(repr=False)

    @asynccontextmanager
    async def ask(self, path: str, body: bytes) -> AsyncGenerator[Response]:
        """Send a request with the key."""
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.key}"}
        url = self.base_url.rstrip("/") + path
        try:
            async with self.client.stream("POST", url, content=body, headers=headers) as answer:
                kept = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
                yield Response(answer.status_code, kept, answer.aiter_bytes())
        except httpx.HTTPError as error:
            raise UnreachableError(f"{type(error).__name__}: {error}") from error


@asynccontextmanager
async def server(base_url: str, key: str) -> AsyncGenerator[Server]:
    """Open connections to a server for as long as the body runs."""
    timeout = httpx.Timeout(SILENCE_S, connect=CONNECT_S)
    async with httpx.AsyncClient(timeout=timeout) as client:
        yield Server(client, base_url, key)


class Exchange(msgspec.Struct, frozen=True):
    """A line of a record: what was asked and what was answered; no header of the request, so no key."""

    request: str
    status: int
    headers: dict[str, str]
    body: str


class Recording(Upstream):
    """Passes on to another, and adds each answer to a file.

    Args:
        inner: who answers.
        path: of the record; what it held is lost.
        workspace: folder that the agent works in.
    """

    def __init__(self, inner: Upstream, path: Path, workspace: Path | str) -> None:
        self._inner = inner
        self._path = anyio.Path(path)
        self._workspace = str(workspace)
        self._begun = False

    @asynccontextmanager
    async def ask(self, path: str, body: bytes) -> AsyncGenerator[Response]:
        """Have the other answer, and keep what it says."""
        async with self._inner.ask(path, body) as answer:
            kept = bytearray()

            async def chunks() -> AsyncIterator[bytes]:
                async for chunk in answer.chunks:
                    kept.extend(chunk)
                    yield chunk
                await self._keep(Exchange(self._text(body), answer.status, dict(answer.headers), self._text(kept)))

            yield Response(answer.status, answer.headers, chunks())

    async def _keep(self, exchange: Exchange) -> None:
        await self._path.parent.mkdir(parents=True, exist_ok=True)
        async with await self._path.open("ab" if self._begun else "wb") as file:
            self._begun = True
            await file.write(msgspec.json.encode(exchange) + b"\n")

    def _text(self, data: bytes | bytearray) -> str:
        return data.decode(errors="replace").replace(self._workspace, WORKSPACE)


class Replay(Upstream):
    """Gives the answers of a record, one after the other, whatever is asked.

    Args:
        exchanges: in the order in which they were recorded.
        workspace: folder that the agent works in now.
    """

    def __init__(self, exchanges: list[Exchange], workspace: Path | str) -> None:
        self._left = iter(exchanges)
        self._workspace = str(workspace)

    @asynccontextmanager
    async def ask(self, path: str, body: bytes) -> AsyncGenerator[Response]:
        """Give the next answer."""
        exchange = next(self._left, None)
        if exchange is None:
            raise UnreachableError("the record has no further answer")
        answer = exchange.body.replace(WORKSPACE, self._workspace).encode()

        async def chunks() -> AsyncIterator[bytes]:
            yield answer

        yield Response(exchange.status, exchange.headers, chunks())


async def replay(path: Path, workspace: Path | str) -> Replay:
    """Return what gives the answers of a record.

    Raises:
        EngineError: there is no such record, or it is none (``no-record``).
    """
    try:
        lines = (await anyio.Path(path).read_bytes()).splitlines()
        return Replay([envelope.decode(line, Exchange) for line in lines], workspace)
    except (OSError, msgspec.DecodeError) as error:
        raise EngineError("no-record", f"{path} is no record of an exchange: {error}") from error

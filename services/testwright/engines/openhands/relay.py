"""The relay: the only way from the sandbox to a model. Key, budget, choice of the model and record stay outside.

Inside there is a socket and a token that is worth this attempt's budget, and nothing else. An agent server gets a port
in place of the socket.
"""

import hmac
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from socket import AddressFamily
from typing import Any

import anyio
import anyio.to_thread
from anyio.abc import ByteStream, Listener, SocketAttribute, TaskStatus

from testwright import clock
from testwright.background import beside
from testwright.engines.openhands import protocol
from testwright.engines.openhands.http import Reply, Request, serve_one
from testwright.engines.openhands.lanes import Lanes, retry_after_s
from testwright.engines.openhands.memory import Answer, Memory
from testwright.engines.openhands.outcomes import Stop, none_left
from testwright.engines.openhands.protocol import BadCallError, Call, Meter
from testwright.engines.openhands.spending import Ledger, Reservation
from testwright.engines.openhands.upstream import Response, UnreachableError, Upstream
from testwright.pacing import until

AT_ONCE = 8
"""Calls side by side; an agent makes one at a time."""

WORTH_WAITING_S = 5.0
"""Longest that a call waits for models to open; for longer pauses the attempt ends and makes room for others."""

LEAST_WAIT_S = 1.0
"""Shortest time that a model is closed: some say "too many requests" and that they may be asked at once."""

_MOST_OF_AN_ERROR = 2000


class Relay:
    """Answers the calls of one attempt.

    Args:
        upstream: who answers.
        lanes: models to ask.
        ledger: of the attempt.
        token: that calls must carry.
        memory: of what attempts before have paid for already; ``None`` for none.

    Attributes:
        stop: why no further call is answered, ``None`` while they are.
        model: that answered last.
        refused: whether a model refused to answer.
        trouble: the last error of the server that did not end the attempt.
    """

    def __init__(
        self, upstream: Upstream, lanes: Lanes, ledger: Ledger, token: str, memory: Memory | None = None
    ) -> None:
        self._upstream = upstream
        self._lanes = lanes
        self._token = token
        self._limit = anyio.CapacityLimiter(AT_ONCE)
        self._memory = memory
        self.ledger = ledger
        self.stop: Stop | None = None
        self.model: str | None = None
        self.refused = False
        self.trouble = ""

    @property
    def recalled(self) -> int:
        """Calls that an attempt before had paid for, and this one did not."""
        return self._memory.recalled if self._memory else 0

    async def answer(self, request: Request, reply: Reply) -> None:
        """Answer a call, or say why not."""
        shown = request.headers.get("authorization", "").encode("latin-1")
        if not hmac.compare_digest(shown, f"Bearer {self._token}".encode()):
            await reply.whole(401, protocol.error("wrong token", "invalid_api_key"))
            return
        try:
            call = Call(request.target, request.body)
        except BadCallError as error:
            await reply.whole(400, protocol.error(str(error), "bad_call"))
            return
        async with self._limit:
            if self._memory and (known := self._memory.recall(call)):
                await self._repeat(known, reply)
            else:
                await self._pass_on(call, reply)

    async def _repeat(self, known: Answer, reply: Reply) -> None:
        """Answer as a model has before; nothing is asked, so that nothing is spent."""
        body, meter = known.body.encode(), Meter()
        meter.feed(body)
        meter.finish()
        self.refused |= meter.refused
        self.model = known.model
        await reply.begin(known.status, [("content-type", known.kind)])
        await reply.add(body)
        await reply.end()

    async def _pass_on(self, call: Call, reply: Reply) -> None:
        patience_s = WORTH_WAITING_S
        while not self.stop:
            now = anyio.current_time()
            if model := self._lanes.first(now):
                if await self._ask(model, call, reply):
                    return
            elif (wait_s := self._lanes.wait_s(now)) <= patience_s:
                patience_s -= wait_s
                await until(now + wait_s)
            else:
                self.stop = none_left(self._lanes, now)
        # A status that no client tries again.
        await reply.whole(400, protocol.error(self.stop.message, self.stop.cause))

    async def _ask(self, model: str, call: Call, reply: Reply) -> bool:
        """Ask one model; say whether the call is answered."""
        body = call.body(model, is_fallback=model != self._lanes.preferred)
        reserved = self.ledger.reserve(len(body), call.most_output)
        if reserved is None:
            self.stop = Stop("cost-limit", "the next call of the model might cost more than is left")
            return False
        meter = Meter()
        with self._settled(reserved, meter) as settlement:
            try:
                async with self._upstream.ask(call.path, body) as response:
                    if response.status >= 400:
                        return await self._failed(model, response, reply)
                    settlement.answered = True
                    self.model = model
                    await _stream(response, reply, meter)
                    settlement.whole = Answer(
                        model=model, status=response.status, kind=_kind(response), body=meter.text
                    )
                    self._lanes.succeeded(model)
            except UnreachableError as error:
                self.trouble = str(error)
                self._lanes.failed(model, anyio.current_time(), "cannot be reached")
                if settlement.answered:
                    raise anyio.BrokenResourceError from error
                await reply.whole(502, protocol.error(f"the model's server cannot be reached: {error}", "unreachable"))
        if settlement.whole and self._memory:
            self._memory.keep(call, settlement.whole, self.ledger.priced(model, meter.tokens))
        return True

    @contextmanager
    def _settled(self, reserved: Reservation, meter: Meter) -> "Generator[_Settlement]":
        settlement = _Settlement()
        try:
            yield settlement
        finally:
            if settlement.answered:
                meter.finish()
                self.refused |= meter.refused
                self.ledger.settle(reserved, meter.tokens)
            else:
                self.ledger.release(reserved)

    async def _failed(self, model: str, response: Response, reply: Reply) -> bool:
        body = b"".join([chunk async for chunk in response.chunks])
        said = body[:_MOST_OF_AN_ERROR].decode(errors="replace")
        match protocol.judge(response.status, body):
            case "busy":
                wait_s = max(LEAST_WAIT_S, retry_after_s(response.headers.get("retry-after"), clock.now()))
                self._lanes.close(model, anyio.current_time() + wait_s)
            case "no-such-model":
                self._lanes.drop(model)
            case "bad-credentials":
                self.stop = Stop("bad-credentials", f"the model's server refuses the key ({response.status}): {said}")
            case "quota-exhausted":
                self.stop = Stop("quota-exhausted", f"the account of the key has nothing left: {said}")
            case "pass":
                self.trouble = f"{response.status}: {said}"
                if response.status >= 500:
                    self._lanes.failed(model, anyio.current_time(), "fails")
                await reply.whole(response.status, body)
                return True
        return False


@dataclass
class _Settlement:
    answered: bool = False
    whole: Answer | None = None


async def _stream(response: Response, reply: Reply, meter: Meter) -> None:
    await reply.begin(response.status, [("content-type", _kind(response))])
    async for chunk in response.chunks:
        meter.feed(chunk)
        await reply.add(chunk)
    await reply.end()


def _kind(response: Response) -> str:
    return response.headers.get("content-type", "application/json")


@asynccontextmanager
async def listening(relay: Relay) -> AsyncGenerator[Path]:
    """Answer calls on a socket for as long as the body runs.

    Yields:
        Path of the socket, in a folder of its own that only the user can enter.
    """
    folder = await anyio.to_thread.run_sync(_folder)
    try:
        path = Path(folder.name, "model")
        async with beside(partial(_serve, relay, await anyio.create_unix_listener(path, mode=0o600))):
            yield path
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(folder.cleanup)


@asynccontextmanager
async def listening_at(relay: Relay, host: str) -> AsyncGenerator[str]:
    """Answer calls on a free port of this machine for as long as the body runs.

    Args:
        relay: what answers.
        host: name or address of this machine for those who call.

    Yields:
        The URL for those who call. Unless ``host`` is the loopback, every interface is listened on.
    """
    local = "127.0.0.1" if host in {"127.0.0.1", "localhost"} else None
    listener = await anyio.create_tcp_listener(local_host=local, family=AddressFamily.AF_INET)
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610  not a Django query
    async with beside(partial(_serve, relay, listener)):
        yield f"http://{host}:{port}"


async def _serve(relay: Relay, listener: Listener[Any], *, task_status: TaskStatus[None]) -> None:
    async def handle(stream: ByteStream) -> None:
        await serve_one(stream, relay.answer)

    async with listener:
        task_status.started()
        await listener.serve(handle)


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="testwright-", ignore_cleanup_errors=True)

"""A response that goes on: server-sent events until the client leaves or the gateway closes."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
from starlette.types import Receive, Scope, Send

from testwright.gateway.frames import BEAT
from testwright.gateway.live import Live
from testwright.pacing import beat

BEAT_S = 15.0
"""Seconds between comments that keep a quiet connection open: proxies commonly close one after 60."""

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """Sends frames as they come.

    Args:
        live: whose place for a stream it takes.
        chunks: the frames.
    """

    def __init__(self, live: Live, chunks: AsyncGenerator[bytes]) -> None:
        self._live = live
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Raises:
            RequestRefusedError: there is no place left; nothing was sent.
        """
        async with aclosing(self._chunks), self._live.place():
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            if scope["method"] != "HEAD":
                await self._run(receive, send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _run(self, receive: Receive, send: Send) -> None:
        async def say(chunk: bytes = BEAT) -> None:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

        async with anyio.create_task_group() as tasks:

            async def end_after_leaving() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                tasks.cancel_scope.cancel()

            async def end_at_close() -> None:
                await self._live.closing.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(end_after_leaving)
            tasks.start_soon(end_at_close)
            tasks.start_soon(beat, BEAT_S, say)
            # Said at once, so that a client knows that it is connected before anything happens.
            await say()
            async for chunk in self._chunks:
                await say(chunk)
            tasks.cancel_scope.cancel()

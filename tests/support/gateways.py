"""A gateway in a test's own process, on any bus, and callers that have a token for it."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
import msgspec

from testwright.background import beside
from testwright.bus import Bus
from testwright.gateway.access import Grant
from testwright.gateway.listening import Place, bind
from testwright.gateway.server import Gateway

TOKEN = "a-token"
TEAM_TOKEN = "a-token-of-the-team"
GRANTS = (Grant(token=TOKEN), Grant(token=TEAM_TOKEN, namespace="team"))

PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Site:
    """A gateway that runs.

    Attributes:
        place: where it listens.
        http: a caller with a token for everything.
    """

    place: Place
    http: httpx.AsyncClient

    def caller(self, **headers: str) -> httpx.AsyncClient:
        """Return a caller with other headers."""
        return httpx.AsyncClient(base_url=self.place.url, headers=headers)


@asynccontextmanager
async def gateway(bus: Bus, port: int = 0) -> AsyncGenerator[Site]:
    """Run a gateway for as long as the body runs."""
    place = Place(bind("127.0.0.1", port), GRANTS)
    made = Gateway(bus, place, "default")
    async with beside(made.run):
        try:
            async with httpx.AsyncClient(
                base_url=place.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=PATIENCE_S
            ) as http:
                yield Site(place, http)
        finally:
            await made.rest(PATIENCE_S)


@dataclass(frozen=True, slots=True)
class Frame:
    """One server-sent event."""

    id: int | None
    event: str
    data: Any


@asynccontextmanager
async def stream(
    http: httpx.AsyncClient, path: str, last_event_id: int | None = None
) -> AsyncGenerator[AsyncIterator[Frame]]:
    """Listen to a stream."""
    headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
    with anyio.fail_after(PATIENCE_S):
        async with http.stream("GET", path, headers=headers) as response:
            assert response.status_code == 200, await response.aread()
            assert response.headers["content-type"].startswith("text/event-stream")
            yield _frames(response)


async def _frames(response: httpx.Response) -> AsyncGenerator[Frame]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            id_ = int(fields["id"]) if "id" in fields else None
            yield Frame(id_, fields["event"], msgspec.json.decode(fields["data"]))
            fields = {}

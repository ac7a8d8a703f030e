"""What every request passes before anything is done for it, and what every answer carries."""

from collections.abc import Collection, Sequence

import anyio
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from testwright.errors import RequestRefusedError
from testwright.gateway.access import Grant, granted, host_allowed, origin_allowed
from testwright.gateway.allowance import Allowance
from testwright.gateway.problems import MEDIA_TYPE, headers_of, problem_of

MAX_REQUESTS = 200
"""Requests that are answered at a time, streams included."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
"""What the page may load: its own files, and nothing that is written into it."""

SECURITY = {
    "cache-control": "no-cache",
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}

API = "/api/"


class Guard:
    """Refuses what comes from the wrong place, in somebody else's name, without a token, or too often.

    Args:
        app: what it guards.
        grants: whose tokens let in.
        hosts: names of this gateway besides ``localhost`` and addresses.
        allowance: how often one caller may ask.
    """

    def __init__(
        self, app: ASGIApp, grants: Sequence[Grant], hosts: Collection[str], allowance: Allowance | None = None
    ) -> None:
        self._app = app
        self._grants = grants
        self._hosts = hosts
        self._allowance = allowance or Allowance()
        self._room = MAX_REQUESTS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have it answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        request = Request(scope)
        try:
            self._check(request)
        except RequestRefusedError as error:
            await refusal(error)(scope, receive, secured)
            return
        self._room -= 1
        try:
            await self._app(scope, receive, secured)
        finally:
            self._room += 1

    def _check(self, request: Request) -> None:
        headers = request.headers
        if not host_allowed(headers.get("host"), self._hosts):
            raise RequestRefusedError(421, "unknown-host", "this gateway is not known by that name")
        if self._room <= 0:
            raise RequestRefusedError(503, "busy", "too many requests at a time", {"Retry-After": "1"})
        grant = granted(self._grants, headers.get("authorization"), request.cookies)
        from_ = (headers.get("host"), headers.get("origin"), headers.get("sec-fetch-site"))
        if not origin_allowed(request.method, *from_, by_cookie="authorization" not in headers):
            raise RequestRefusedError(403, "foreign-origin", "another site may not ask in its visitors' names")
        caller = grant.session if grant else (request.client.host if request.client else "")
        if wait_s := self._allowance.take(caller, anyio.current_time()):
            raise RequestRefusedError(429, "too-often", "slow down", {"Retry-After": str(int(wait_s) + 1)})
        if request.url.path.startswith(API) and grant is None:
            detail = "name a token: Authorization: Bearer TOKEN"
            raise RequestRefusedError(401, "token-missing", detail, {"WWW-Authenticate": 'Bearer realm="testwright"'})
        request.scope["grant"] = grant


def refusal(error: Exception) -> Response:
    """Return the answer that an error means."""
    found = problem_of(error)
    return Response(found.encode(), found.status, headers_of(error), MEDIA_TYPE)

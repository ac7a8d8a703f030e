"""Puts routes, page and guard together: the gateway as an ASGI application."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from testwright.errors import RequestRefusedError
from testwright.gateway import openapi
from testwright.gateway.access import Grant
from testwright.gateway.api import Api
from testwright.gateway.asking import answer
from testwright.gateway.guard import Guard, refusal
from testwright.gateway.problems import FORESEEN, MEDIA_TYPE, problem_for
from testwright.gateway.routes import OPERATIONS, Operation
from testwright.gateway.tables import ALL
from testwright.observe.health import METRICS, PATHS, Health

STATIC = Path(__file__).with_name("static")
"""The page's files."""


def application(api: Api, health: Health, grants: Sequence[Grant], hosts: Collection[str] = ()) -> ASGIApp:
    """Return the gateway.

    Args:
        api: does what is asked for.
        health: of the process.
        grants: who may ask.
        hosts: names of this gateway besides ``localhost`` and addresses.
    """
    document = openapi.document()

    async def describe(_: Request) -> Response:
        return answer(document)

    async def page(_: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    routes = [
        *_routes(api),
        *(Route(path, _telling(health)) for path in PATHS),
        Route("/openapi.json", describe),
        Route("/", page),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    handlers: dict[Any, Any] = {HTTPException: _no_way, Exception: _failed}
    handlers |= dict.fromkeys(FORESEEN, _failed)
    return Guard(Starlette(routes=routes, exception_handlers=handlers), grants, hosts)


def _routes(api: Api) -> list[Route]:
    """Return one route a path: a method that a path does not have is then refused as such."""
    paths: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = operation
    return [Route(path, _dispatch(api, methods), methods=list(methods)) for path, methods in paths.items()]


def _dispatch(api: Api, methods: dict[str, Operation]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Any:
        method = "GET" if request.method == "HEAD" else request.method
        return await getattr(api, methods[method].name)(request)

    return endpoint


def _telling(health: Health) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        if request.url.path == METRICS:
            _check_sees_all(request.scope["grant"])
        status, type_, body = await health.answer(request.url.path)
        return Response(body, status, media_type=type_)

    return endpoint


def _check_sees_all(grant: Grant | None) -> None:
    # Figures are of all namespaces together; whether it is well may be known to whoever balances the load.
    if grant is None:
        detail = "name a token: Authorization: Bearer TOKEN"
        raise RequestRefusedError(401, "token-missing", detail, {"WWW-Authenticate": 'Bearer realm="testwright"'})
    if not grant.opens(ALL):
        raise RequestRefusedError(403, "namespace-closed", "figures are for a token of all namespaces")


async def _no_way(_: Request, error: Exception) -> Response:
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (500, None)
    found = problem_for(status)
    return Response(found.encode(), found.status, headers, MEDIA_TYPE)


async def _failed(_: Request, error: Exception) -> Response:
    return refusal(error)

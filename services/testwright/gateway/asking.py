"""What handlers read from a request, checked."""

import re
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from testwright.errors import RequestRefusedError
from testwright.gateway.access import Grant
from testwright.gateway.tables import ALL
from testwright.misfit import WORD, misfit
from testwright_schemas import envelope, is_word

T = TypeVar("T")

MAX_BODY = 1024 * 1024
"""Bytes of a body that is no snapshot."""


def grant_of(request: Request) -> Grant:
    """Return the grant that let a request in."""
    grant: Grant = request.scope["grant"]
    return grant


def namespace_of(request: Request, default: str) -> str:
    """Return the one namespace that a request is about: its own parameter, else the grant's only one, else a default.

    Raises:
        RequestRefusedError: the token does not open it, or it cannot be one.
    """
    grant = grant_of(request)
    named = request.query_params.get("namespace")
    namespace = named or (default if grant.namespace == ALL else grant.namespace)
    if not is_word(namespace):
        raise RequestRefusedError(422, "invalid-parameter", f"namespace: {WORD}")
    if not grant.opens(namespace):
        raise RequestRefusedError(403, "namespace-closed", f"this token does not open namespace {namespace!r}")
    return namespace


def namespaces_of(request: Request) -> tuple[str, ...]:
    """Return the namespaces that a list is about: the one that is named, else all that the token opens."""
    if "namespace" in request.query_params:
        return (namespace_of(request, ALL),)
    return (grant_of(request).namespace,)


def parameters(request: Request, type_: type[T]) -> T:
    """Return the query of a request as a struct; the namespace is not part of it.

    Raises:
        RequestRefusedError: a parameter has the wrong shape.
    """
    named = {name: value for name, value in request.query_params.items() if name != "namespace" and value}
    try:
        return msgspec.convert(named, type_, strict=False)
    except msgspec.ValidationError as error:
        name, reason = misfit(error)
        raise RequestRefusedError(422, "invalid-parameter", f"{name}: {reason}") from error


async def body(request: Request, limit: int = MAX_BODY) -> bytes:
    """Return the body of a request.

    Raises:
        RequestRefusedError: it is longer than ``limit`` bytes.
    """
    told = request.headers.get("content-length", "0")
    found = bytearray()
    if not _is_more(told, limit):
        async for chunk in request.stream():
            found += chunk
            if len(found) > limit:
                break
        else:
            return bytes(found)
    raise RequestRefusedError(413, "body-too-large", f"at most {limit} bytes are taken here", {"Connection": "close"})


def _is_more(length: str, limit: int) -> bool:
    # More digits than these stand for no memory that there is, and are not read.
    return length.isdecimal() and (len(length) > 18 or int(length) > limit)


async def read(request: Request, type_: type[T], *, empty: bytes = b"") -> T:
    """Return the JSON body of a request as a struct; an empty one stands for ``empty``.

    Raises:
        RequestRefusedError: it is too long, or no JSON.
        msgspec.DecodeError: it has another shape.
    """
    content = await body(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content and kind != "application/json":
        raise RequestRefusedError(415, "json-expected", "send JSON: Content-Type: application/json")
    return envelope.decode(content or empty, type_)


def answer(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON answer that nobody caches."""
    headers = {"Cache-Control": "no-store", **(headers or {})}
    return Response(msgspec.json.encode(content), status, headers, "application/json")


def download(content: bytes, name: str, *, shown: bool) -> Response:
    """Return a file: text is shown, anything else is saved; nothing in it runs."""
    plain = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)[-100:] or "file"
    how = "inline" if shown else "attachment"
    headers = {
        "Content-Disposition": f'{how}; filename="{plain}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, max-age=3600",
    }
    return Response(content, headers=headers, media_type="text/plain" if shown else "application/octet-stream")

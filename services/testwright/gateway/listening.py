"""Where the gateway listens, and the token of a gateway that nobody has given one."""

import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path

from testwright.gateway.access import Grant, read_grants

PORT = 8420
"""Where the page is if nothing else is said, so that links to it last."""


@dataclass(frozen=True, slots=True)
class Place:
    """A socket that is bound, and who may ask there.

    Attributes:
        socket: of TCP.
        grants: see ``testwright.gateway.access``.
        hosts: names of the gateway besides ``localhost`` and addresses.
    """

    socket: socket.socket
    grants: tuple[Grant, ...]
    hosts: tuple[str, ...] = field(default=())

    @property
    def url(self) -> str:
        """The page's address for a browser on this machine."""
        host: str
        host, port = self.socket.getsockname()[:2]
        shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  shown instead of it, not bound
        return f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"

    @property
    def invitation(self) -> str:
        """The address with a token: it opens the page. The part behind ``#`` is sent to nobody."""
        return f"{self.url}#token={self.grants[0].token}"


def bind(host: str, port: int, *, else_any: bool = False) -> socket.socket:
    """Return a socket that is bound.

    Args:
        host: address or name.
        port: 0 for a free one.
        else_any: whether a free port does where that one is taken.

    Raises:
        OSError: it cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setblocking(False)
    try:
        made.bind((host, port))
        # A second process may bind the same port until somebody listens.
        made.listen()
    except OSError as error:
        made.close()
        if else_any and port:
            return bind(host, 0)
        error.filename = f"{host}:{port}"  # the message names it
        raise
    return made


def grants_of(named: str | None, data: Path) -> tuple[Grant, ...]:
    """Return the grants that a text names, see ``read_grants``; without one, a token of our own, kept in a file.

    Args:
        named: the text; ``None`` where there is none.
        data: folder for the file, which only its owner may read.
    """
    found = read_grants(named or "")
    return found or (Grant(token=_own_token(data / "gateway.token")),)


def _own_token(path: Path) -> str:
    try:
        if token := path.read_text(encoding="utf-8").strip():
            return token
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_urlsafe(32)
    path.touch(mode=0o600)
    path.write_text(token, encoding="utf-8")
    return token

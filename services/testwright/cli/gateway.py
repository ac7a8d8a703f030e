"""Where the gateway listens, as the command line says it, and how it is started."""

from contextlib import AbstractAsyncContextManager
from urllib.parse import urlsplit

import typer

from testwright import settings
from testwright.gateway.listening import PORT, Place, bind, grants_of
from testwright.observe.observation import Observation


def place(listen: str | None = None) -> Place:
    """Return where to listen, bound: at an address with a port, else on this machine at ``PORT`` or a free one.

    Raises:
        OSError: it is taken.
        SettingError: the tokens cannot be read.
    """
    here, said = settings.load(), settings.gateway()
    host, port = parse(listen) if listen else ("127.0.0.1", PORT)
    bound = bind(host, port, else_any=listen is None)
    return Place(bound, grants_of(said.tokens, here.data), said.hosts)


def parse(listen: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``, or refuse it as the command line does."""
    try:
        parts = urlsplit(f"//{listen}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None:
        raise typer.BadParameter(f"{listen!r} is not HOST:PORT, e.g. 127.0.0.1:{PORT}")
    return host, port


def service(url: str, where: Place, observation: Observation) -> AbstractAsyncContextManager[Place]:
    """Return the gateway on a server, to be run as a context."""
    from testwright.gateway.server import serving  # noqa: PLC0415  importing HTTP takes longer than most verbs do

    return serving(url, where, settings.load().namespace, observation)

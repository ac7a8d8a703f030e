"""Where ``testwright up`` leaves its address for the other verbs on the same machine."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from testwright.errors import ConnectError


def locate(data: Path) -> str:
    """Return the URL, with credentials, of the server that ``testwright up`` runs for this user.

    Raises:
        ConnectError: none runs.
    """
    try:
        return _address(data).read_text().strip()
    except OSError as error:
        message = "no server: start one with `testwright up`, or name one with --server URL or NATS_URL"
        raise ConnectError(message) from error


@contextmanager
def announced(data: Path, url: str) -> Generator[None]:
    """Leave an address, readable by this user only, for as long as the body runs."""
    path = _address(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written beside and moved, so that nobody reads half of it.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(url)
    draft.replace(path)
    try:
        yield
    finally:
        if path.exists() and path.read_text() == url:
            path.unlink()


def _address(data: Path) -> Path:
    return data / "server.url"

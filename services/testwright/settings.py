"""The only reader of the environment and of well-known places on the machine."""

import os
import platform
import re
import sys
from pathlib import Path

import msgspec
import platformdirs


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the surroundings say.

    Attributes:
        server: URL of a NATS server (``NATS_URL``), with credentials in it if it needs them; ``None`` to embed one.
        namespace: ``TESTWRIGHT_NAMESPACE``, default ``default``.
        cache: folder for environments and engines that can be built again (``TESTWRIGHT_CACHE``).
        data: folder for what must survive (``TESTWRIGHT_DATA``).
        worker: name of this process in events, unique enough to tell workers apart.
    """

    server: str | None
    namespace: str
    cache: Path
    data: Path
    worker: str


def load() -> Settings:
    """Return the settings of this process."""
    cache = os.environ.get("TESTWRIGHT_CACHE")
    data = os.environ.get("TESTWRIGHT_DATA")
    return Settings(
        server=os.environ.get("NATS_URL") or None,
        namespace=os.environ.get("TESTWRIGHT_NAMESPACE") or "default",
        cache=Path(cache) if cache else platformdirs.user_cache_path("testwright"),
        data=Path(data) if data else platformdirs.user_data_path("testwright"),
        worker=f"{platform.node().partition('.')[0]}-{os.getpid()}",
    )


def tool_path() -> str:
    """Return the ``PATH`` that tools are looked up on: the folder of this interpreter's scripts comes first."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


_FOR_UV = re.compile(
    r"(PIP|UV|XDG|LC|GIT_SSL)_\w+|PATH|HOME|USER|LOGNAME|LANG|NETRC|SSH_AUTH_SOCK"
    r"|(https?|all|no)_proxy|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE",
    re.IGNORECASE,
)


def uv_environment() -> dict[str, str]:
    """Return the variables that uv gets: the user's indexes, proxies and certificates; no key of the bus or a model."""
    return {name: value for name, value in os.environ.items() if _FOR_UV.fullmatch(name)}


def pyenv_versions() -> Path:
    """Return the folder where pyenv keeps interpreters (``PYENV_ROOT``, default ``~/.pyenv``); it may not exist."""
    return Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"


def git_environment() -> dict[str, str]:
    """Return the environment to run git in: a git hook that started us has set variables that point it elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

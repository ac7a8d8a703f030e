"""The server's keeper: starts it, writes its log, and ends it when whoever holds the leash lets go.

Run as a script (``python -I -S _leash.py LOG DISCARD PROGRAM ARGUMENT...``), never imported by the service. The leash
is standard input: end of file means that the service let go, or died, kill -9 included; then the folder ``DISCARD`` is
removed, if it is named. Standard output gets one line of JSON with the server's ``port`` and ``pid`` when it is ready.
The keeper reads the log so that a busy service never holds up the server.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading

_GRACE_S = 10.0
_PR_SET_PDEATHSIG = 1
_LISTENING = b"Listening for client connections on "
_READY = b"Server is ready"


def _die_with_keeper() -> None:
    # Only Linux can do this; elsewhere the server outlives a keeper that is itself killed.
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(server: "subprocess.Popen[bytes]") -> None:
    server.terminate()
    try:
        server.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        server.kill()


def _hold(server: "subprocess.Popen[bytes]", released: threading.Event) -> None:
    os.read(0, 1)  # not through sys.stdin: its lock, held here, would abort the interpreter's end
    released.set()
    _end(server)


def _tell(port: int, pid: int) -> None:
    with contextlib.suppress(OSError):
        os.write(1, json.dumps({"port": port, "pid": pid}).encode() + b"\n")


def main(log_path: str, discard: str, *command: str) -> int:
    """Keep a server until it ends; return its exit status."""
    # The keeper has one thread yet, so that a function between fork and exec cannot meet a lock held by another.
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=_die_with_keeper,  # noqa: PLW1509
    )
    released = threading.Event()
    threading.Thread(target=_hold, args=(server, released), daemon=True).start()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # only the leash ends the keeper
    port = 0
    with open(log_path, "ab", buffering=0) as log:  # noqa: PTH123  pathlib triples the start of the keeper
        for line in server.stderr or ():
            with contextlib.suppress(OSError):  # a full disk must not hold up the server
                log.write(line)
            if _LISTENING in line:
                port = int(line.rsplit(b":", 1)[1])
            elif _READY in line:
                _tell(port, server.pid)
    status = server.wait()
    if released.is_set() and discard:
        shutil.rmtree(discard, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) & 0xFF)

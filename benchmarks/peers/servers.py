"""Private servers on free ports of this machine, with durable settings: needs the standard library and nothing else."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Thread
from typing import IO

from benchmarks.peers.protocol import SERVER

STOP_S = 10.0


def port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def process(
    command: Sequence[str], ready: str = "", *, server: str = "", user: str | None = None
) -> Generator[list[str]]:
    """Run a program for as long as the body runs; yields what it said before it was ready.

    Args:
        command: the program with its arguments.
        ready: what it says when it is ready; it is not waited for if empty.
        server: told to it in its environment.
        user: whom it runs as; who runs this by default.
    """
    environment = {**os.environ, **({SERVER: server} if server else {})}
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, user=user, cwd=Path.cwd()
    )
    assert running.stdout is not None
    try:
        said = _until(ready, running.stdout) if ready else []
        Thread(target=_until, args=("", running.stdout), daemon=True).start()
        yield said
    finally:
        running.terminate()
        try:
            running.wait(STOP_S)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def worker(arguments: Sequence[str], server: str, ready: str = "") -> AbstractContextManager[list[str]]:
    """Run the worker of a system in this interpreter for as long as the body runs."""
    return process([sys.executable, *arguments], ready, server=server)


def _until(ready: str, output: IO[str]) -> list[str]:
    said: list[str] = []
    for line in output:
        # It goes where our own complaints go, so that a failure can be explained.
        sys.stderr.write(line)
        if ready:
            said.append(line)
            if ready in line:
                return said
    if ready:
        raise SystemExit(f"it ended before it said {ready!r}")
    return said


@contextmanager
def redis(folder: Path) -> Generator[str]:
    """Run Redis with an append-only file that is on the disk within a second, as it recommends; yields its URL."""
    place = port()
    command = [found("redis-server"), "--bind", "127.0.0.1", "--port", str(place), "--dir", str(folder)]
    durable = ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
    with process([*command, *durable], "Ready to accept connections"):
        yield f"redis://127.0.0.1:{place}/0"


@contextmanager
def nats(folder: Path) -> Generator[str]:
    """Run a NATS server with JetStream, which stores in files where a stream asks for nothing else; yields its URL."""
    place = port()
    command = [
        found("nats-server"),
        "--addr",
        "127.0.0.1",
        "--port",
        str(place),
        "--jetstream",
        "--store_dir",
        str(folder),
    ]
    with process(command, "Server is ready"):
        yield f"nats://127.0.0.1:{place}"


@contextmanager
def postgres(folder: Path) -> Generator[str]:
    """Run PostgreSQL with its own settings, so that what is committed is on the disk; yields its URL."""
    place, data = port(), folder / "postgres"
    data.mkdir(mode=0o700)
    user = None
    if os.getuid() == 0:  # it refuses to run as root
        user = "postgres"
        shutil.chown(data, user, pwd.getpwnam(user).pw_gid)
    initdb = [found("initdb"), "--pgdata", str(data), "--auth", "trust", "--username", "postgres"]
    subprocess.run(initdb, check=True, user=user, stdout=sys.stderr, cwd="/")
    own = [f"-cport={place}", "-clisten_addresses=127.0.0.1", "-cunix_socket_directories="]
    with process([found("postgres"), "-D", str(data), *own], "ready to accept connections", user=user):
        yield f"postgresql://postgres@127.0.0.1:{place}/postgres"


def found(program: str) -> str:
    """Return the path of a program: of this interpreter's environment, on the path, or where Debian hides it."""
    hidden = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", ""), *map(str, hidden)]
    path = shutil.which(program, path=os.pathsep.join(places))
    if path is None:
        raise SystemExit(f"{program} is not installed")
    return path

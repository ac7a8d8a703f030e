"""A container engine for tests, and a NATS server in a container: the only place that knows Docker.

No registry is asked for anything: the image is made here, of nothing but the server's static binary.
"""

import gc
import io
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import warnings
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import NoReturn
from uuid import uuid4

import anyio
import pytest
from anyio.to_thread import run_sync
from docker.client import from_env
from docker.errors import DockerException
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from testwright.settings import tool_path

IMAGE = "testwright-tests/nats-server"
REQUIRED = "TESTWRIGHT_REQUIRE_CONTAINERS"
"""Set to 1, this variable makes a machine without containers a failure."""

START_S = 60
_UP = "API listen on"
_NO_BRIDGE = ("--bridge=none", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false")
"""A daemon of ours leaves the machine's network alone: containers use that of the host, or speak among themselves."""


@contextmanager
def container_engine(*, networks: bool = False) -> Generator[None]:
    """Let containers be started for as long as the body runs: by the engine that runs here, or by one of our own.

    Where there is none and none can be started, the test is skipped, or fails where the machine should have one.

    Args:
        networks: whether containers speak to each other over networks of their own.
    """
    testcontainers_config.ryuk_disabled = True  # its image would have to be pulled; we clean up ourselves
    if _answers():
        yield
        return
    reason = _missing()
    if reason:
        without(reason)
    with _filter_rules_kept(networks), _daemon(networks):
        yield


@contextmanager
def _filter_rules_kept(changed: bool) -> Generator[None]:
    """Put the machine's packet filter back as it was: a daemon leaves its own chains, and a policy to drop, behind."""
    if not changed:
        yield
        return
    before = subprocess.run(["iptables-save"], check=True, capture_output=True).stdout
    try:
        yield
    finally:
        subprocess.run(["iptables-restore"], input=before, check=True)


def _answers() -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the library forgets a socket that could not be connected
        try:
            client = from_env()
            answer = bool(client.ping())
            client.close()
        except DockerException:
            answer = False
        gc.collect()
    return answer


def _missing() -> str | None:
    if sys.platform != "linux":
        return "containers need Linux: the image holds this machine's own nats-server"
    if os.geteuid() != 0:
        return "no container engine answers, and only root can start one"
    if shutil.which("dockerd") is None:
        return "no container engine answers, and there is no dockerd to start"
    return None


@contextmanager
def _daemon(networks: bool) -> Generator[None]:
    folder = tempfile.mkdtemp(prefix="dockerd-")
    host = f"unix://{folder}/docker.sock"
    command = ["dockerd", "--host", host, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
    command += [f"--iptables={str(networks).lower()}", *_NO_BRIDGE]
    try:
        with (
            pytest.MonkeyPatch.context() as patch,
            subprocess.Popen([*command, "--pidfile", f"{folder}/pid"], stderr=PIPE, text=True) as process,
        ):
            patch.setenv("DOCKER_HOST", host)
            with _started(process):
                yield
    finally:
        # The daemon leaves this one mount behind.
        subprocess.run(["umount", f"{folder}/exec/netns/default"], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _started(daemon: "subprocess.Popen[str]") -> Generator[None]:
    """Wait for a daemon, and read its log for as long as the body runs and it does."""
    said: list[str] = []
    news = threading.Event()

    def read() -> None:
        for line in daemon.stderr or ():
            said.append(line)
            if _UP in line:
                news.set()
        news.set()  # it has ended

    reader = threading.Thread(target=read)
    reader.start()
    try:
        in_time = news.wait(START_S)
        if not in_time or daemon.poll() is not None:
            without(f"dockerd does not start here:\n{''.join(said[-20:])}")
        yield
    finally:
        daemon.terminate()
        reader.join()


def without(reason: str) -> NoReturn:
    """Skip the test, or fail it where the machine should have what it needs."""
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def build_image() -> None:
    """Make the image of a NATS server."""
    binary = shutil.which("nats-server", path=tool_path())
    assert binary is not None
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        archive.add(Path(binary).resolve(), "nats-server")
        for name in ("data", "tmp"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o777
            archive.addfile(folder)
    client = from_env()
    try:
        client.api.import_image_from_data(
            layer.getvalue(), repository=IMAGE, tag="latest", changes=['ENTRYPOINT ["/nats-server"]']
        )
    finally:
        client.close()


class ContainedServer:
    """A NATS server whose container may be lost; its data are on a volume."""

    def __init__(self, volume: str) -> None:
        self._volume = volume
        self._password = uuid4().hex
        self._port = free_port()
        self._container: DockerContainer | None = None

    @property
    def url(self) -> str:
        """Return the server's address, with credentials; it stays the same."""
        return f"nats://testwright:{self._password}@127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start a container and return when its server is ready."""
        arguments = ("-a", "127.0.0.1", "-p", str(self._port), "--user", "testwright", "--pass", self._password)
        self._container = await run_sync(_start, (*arguments, "-js", "-sd", "/data"), self._volume)

    async def lose(self) -> None:
        """Kill the server, and take its container away."""
        if self._container is not None:
            await run_sync(self._container.stop)
            self._container = None


def _start(command: Sequence[str], volume: str) -> DockerContainer:
    container = DockerContainer(IMAGE, network_mode="host")
    container.with_command(list(command)).with_volume_mapping(volume, "/data", "rw")
    return container.waiting_for(LogMessageWaitStrategy("Server is ready").with_startup_timeout(START_S)).start()


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def contained_server() -> AsyncGenerator[ContainedServer]:
    """Run a NATS server in a container; container and volume end with the context."""
    volume = f"testwright-tests-{uuid4().hex[:8]}"  # the engine makes it when it is first mounted
    server = ContainedServer(volume)
    try:
        await server.start()
        yield server
    finally:
        with anyio.CancelScope(shield=True):
            await server.lose()
            await run_sync(_remove_volume, volume)


def _remove_volume(name: str) -> None:
    client = from_env()
    try:
        client.volumes.get(name).remove()
    finally:
        client.close()

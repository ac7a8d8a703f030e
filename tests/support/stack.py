"""The deployed stack, started as an operator starts it: the only place that calls docker compose."""

import json
import os
import shutil
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote
from uuid import uuid4

import pytest
from docker.client import from_env

from tests.support.containers import free_port
from tests.support.images import CORE, PROMETHEUS, REPOSITORY, WORKER

DEPLOY = REPOSITORY / "deploy"


class Stack:
    """A stack with a name, ports and secrets of its own.

    Attributes:
        project: what compose calls it.
        secrets: folder of the files that it mounts.
        gateway: address of the page.
        prometheus: address of what collects figures, where it was started.
    """

    def __init__(self, secrets: Path) -> None:
        self.project = f"testwright-tests-{uuid4().hex[:8]}"
        self.secrets = secrets
        nats, gateway, prometheus = free_port(), free_port(), free_port()
        self.gateway = f"http://127.0.0.1:{gateway}"
        self.prometheus = f"http://127.0.0.1:{prometheus}"
        self._server = f"nats://127.0.0.1:{nats}"
        self._environment = {
            **os.environ,
            "GATEWAY_PORT": str(gateway),
            "NATS_IMAGE": CORE,
            "NATS_PORT": str(nats),
            "PROMETHEUS_IMAGE": PROMETHEUS,
            "PROMETHEUS_PORT": str(prometheus),
            "TESTWRIGHT_ENGINE_IMAGE": WORKER,
            "TESTWRIGHT_IMAGE": CORE,
            "TESTWRIGHT_SECRETS": str(secrets),
            "TESTWRIGHT_WORKER_IMAGE": WORKER,
        }
        self.keys()

    def keys(self, *arguments: str) -> None:
        """Make secrets, or change whose they are, as an operator does."""
        self.run(str(DEPLOY / "secrets.sh"), *arguments)

    def url(self, role: str = "client") -> str:
        """Return the server's address for a role on this machine."""
        return f"{self._server}?credentials={quote(str(self.secrets / 'auth' / 'credentials' / f'{role}.nk'))}"

    @property
    def token(self) -> str:
        """Return the token of the page."""
        return (self.secrets / "gateway-tokens").read_text("utf-8").strip()

    def compose(self, *arguments: str, also: Sequence[str] = ()) -> str:
        """Run docker compose on the kept file, and those that are laid over it; return what it prints."""
        files = [argument for name in ("compose.yaml", *also) for argument in ("-f", str(DEPLOY / name))]
        return self.run("docker", "compose", "-p", self.project, *files, *arguments)

    def run(self, *command: str) -> str:
        """Run a program in the stack's environment, and return what it prints."""
        result = subprocess.run(command, check=False, capture_output=True, text=True, env=self._environment)
        assert result.returncode == 0, f"{command} ended with {result.returncode}:\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def containers(self) -> dict[str, dict[str, Any]]:
        """Return what the engine says of each container, by service."""
        client = from_env()
        try:
            mine = {"label": f"com.docker.compose.project={self.project}"}
            found = cast("list[dict[str, Any]]", client.api.containers(all=True, filters=mine))
            inspected = [cast("dict[str, Any]", client.api.inspect_container(each["Id"])) for each in found]
        finally:
            client.close()
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in inspected}

    def left(self) -> list[str]:
        """Return the names of containers, networks and volumes that are still there."""
        client = from_env()
        try:
            mine = {"label": f"com.docker.compose.project={self.project}"}
            kept = [*client.networks.list(filters=mine), *client.volumes.list(filters=mine)]
            return [*self.containers(), *(str(each.name) for each in kept)]
        finally:
            client.close()


@contextmanager
def stack(folder: Path) -> Generator[Stack]:
    """Make a stack ready to be started; whatever is started of it ends with the context."""
    made = Stack(folder / "secrets")
    try:
        yield made
    except BaseException:
        print(made.compose("logs", "--no-color"))  # noqa: T201  pytest shows it for a test that failed
        raise
    finally:
        made.compose("down", "--volumes", "--remove-orphans", "--timeout", "0")


def need_compose() -> None:
    """Return where docker compose can be called; else skip the test: not every Debian has a package of it."""
    docker = shutil.which("docker")
    plugin = docker and subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode == 0
    if not plugin:
        pytest.skip("there is no docker compose: install the docker-compose-plugin")


def declared(*files: str) -> dict[str, Any]:
    """Return what compose makes of some files of the deployment."""
    names = [argument for name in files for argument in ("-f", str(DEPLOY / name))]
    command = ["docker", "compose", *names, "config", "--format", "json"]
    document: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return document

"""The files of the stack, held to their promises where no container engine is: who sees which secret, what is well."""

import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
ROLES = ("submitter", "collector", "workflow", "verifier", "generator", "gateway")
BESIDES = {"collector": {"reclaim"}, "gateway": {"gateway-tokens"}}

# What a container engine does with `docker run … --volume HERE:/auth … IMAGE auth VERB /auth …`, without one.
ENGINE = """#!/bin/sh
while [ "$1" != auth ]; do
    case $1 in --volume) place=${2%:/auth} ;; esac
    shift
done
verb=$2
shift 3
exec "$PYTHON" -m testwright auth "$verb" "$place" "$@"
"""


@pytest.fixture
def services() -> dict[str, Any]:
    """Return the services of the stack as they are written down."""
    document: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    return dict(document["services"])


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that secrets are made in, with a stand-in for the container engine."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").write_text(ENGINE)
    (tmp_path / "bin" / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHON", sys.executable)
    monkeypatch.setenv("TESTWRIGHT_SECRETS", str(tmp_path / "secrets"))
    return tmp_path / "secrets"


def made(*arguments: str) -> None:
    subprocess.run([str(DEPLOY / "secrets.sh"), *arguments], check=True, capture_output=True)


def contents(folder: Path) -> dict[str, str]:
    """Return what is in a folder, by path."""
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_each_service_is_given_the_credential_of_its_role_and_no_other(services: dict[str, Any]) -> None:
    given = {name: {each["source"] for each in service.get("secrets", ())} for name, service in services.items()}

    wanted = {role: {role} | BESIDES.get(role, set()) for role in ROLES}
    assert given == {"nats": set(), "topology": {"admin"}, **wanted}


def test_whoever_acts_signs_in_with_its_file_and_serves_health(services: dict[str, Any]) -> None:
    for name in (*ROLES, "topology"):
        environment = services[name]["environment"]
        assert environment["TESTWRIGHT_CREDENTIALS"] == "/run/secrets/credentials", name
        assert environment["TESTWRIGHT_HEALTH"] == "0.0.0.0:9090", name
        assert "@" not in environment["NATS_URL"], name
    assert 'CMD ["healthcheck", "ready", "9090"]' in (DEPLOY / "Containerfile").read_text("utf-8")


def test_secrets_are_made_once_and_only_their_owner_enters_the_folder(secrets: Path) -> None:
    made()
    first = contents(secrets)
    made()

    assert contents(secrets) == first
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    for role in (*ROLES, "admin", "client", "observer", "reclaim"):
        path = secrets / "auth" / "credentials" / f"{role}.nk"
        assert path.read_text().startswith(f"# testwright credentials of {role}\n")
        assert stat.S_IMODE(path.stat().st_mode) & 0o444 == 0o444, "read by another user in the container"
    assert {path.name for path in (secrets / "server").iterdir()} == {"auth.conf", "routes.conf"}


def test_the_server_accepts_a_replaced_secret_until_it_is_retired(secrets: Path) -> None:
    made()
    before = (secrets / "auth" / "credentials" / "generator.nk").read_text()
    keys = (secrets / "server" / "auth.conf").read_text().count('"nkey"')

    made("rotate", "generator")
    both = (secrets / "server" / "auth.conf").read_text().count('"nkey"')
    made("retire", "generator")

    assert (secrets / "auth" / "credentials" / "generator.nk").read_text() != before
    assert (both, (secrets / "server" / "auth.conf").read_text().count('"nkey"')) == (keys + 1, keys)


@contextmanager
def answering(answer: str) -> Generator[str]:
    """Listen on a port, and say one thing to the first who asks."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            asking, _ = listener.accept()
            with asking:
                request = b""
                while not request.endswith(b"\r\n\r\n"):
                    request += asking.recv(1024)
                assert request.startswith(b"GET /readyz HTTP/1.0\r\n")
                asking.sendall(answer.encode())

        thread = Thread(target=serve)
        thread.start()
        yield str(listener.getsockname()[1])
        thread.join()


def healthcheck(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(DEPLOY / "healthcheck"), *arguments], check=False, capture_output=True, text=True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="the image has bash, this machine has not")
@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nready\n", 0, ""),
        ("HTTP/1.1 503 \r\ncontent-length: 20\r\n\r\nnot ready: starting\n", 1, "not ready: starting"),
        ("", 1, ""),
    ],
    ids=["ready", "not ready", "silent"],
)
def test_a_container_is_well_while_readyz_says_so(answer: str, status: int, said: str) -> None:
    with answering(answer) as port:
        found = healthcheck("ready", port)

    assert (found.returncode, found.stdout.strip()) == (status, said), found.stderr


def closed() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.parametrize("question", [("ready",), ("listening",)])
def test_a_container_in_which_nobody_listens_is_not_well(question: Sequence[str]) -> None:
    assert healthcheck(*question, closed()).returncode == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's tables are Linux'")
def test_a_server_is_well_while_it_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert healthcheck("listening", str(listener.getsockname()[1])).returncode == 0


def test_what_the_healthcheck_does_not_know_it_refuses() -> None:
    assert healthcheck("connected", "4222").returncode == 2

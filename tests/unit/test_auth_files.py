"""Credentials as files: what is written, what is kept, who may read it, and how they are read back."""

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from testwright import settings
from testwright.auth import store
from testwright.auth.certificates import hosts
from testwright.auth.deployment import Deployment, FormName, users
from testwright.bus._nats_credentials import bare, credentials, public
from testwright.cli.root import app
from testwright.errors import ConnectError, CredentialsError

FORMS: tuple[FormName, ...] = ("nkeys", "jwt", "mtls")
RUNNER = CliRunner()


def wish(form: FormName, *namespaces: str) -> Deployment:
    return Deployment(form=form, engines=("echo",), hosts=hosts(("bus.example",)), users=users((), namespaces))


@pytest.mark.parametrize("form", FORMS)
def test_secrets_are_for_their_owner_only(tmp_path: Path, form: FormName) -> None:
    store.init(tmp_path, wish(form))

    secret = [path for place in ("credentials", "keys") for path in (tmp_path / place).rglob("*.*")]
    assert len(secret) >= 10
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}


@pytest.mark.parametrize("form", FORMS)
def test_no_secret_is_in_what_the_server_reads(tmp_path: Path, form: FormName) -> None:
    store.init(tmp_path, wish(form))

    told = (tmp_path / "auth.conf").read_text()
    for path in (tmp_path / "credentials").iterdir():
        lines = [line for line in path.read_text().splitlines() if line and not line.startswith(("#", "-"))]
        assert not [line for line in lines if line in told]


@pytest.mark.parametrize("form", FORMS)
def test_every_file_says_where_its_owner_listens(tmp_path: Path, form: FormName) -> None:
    made = store.init(tmp_path, wish(form, "acme"))

    for user in made.users:
        found = credentials(f"nats://host:4222?credentials={store.place(tmp_path, made, user)}")
        assert found.inbox == f"_INBOX_{user.name}"
        assert len(found.options) == 1


@pytest.mark.parametrize("form", FORMS)
def test_doing_it_again_adds_who_is_missing_and_keeps_every_secret(tmp_path: Path, form: FormName) -> None:
    made = store.init(tmp_path, wish(form))
    before = {user.title: user.keys for user in made.users}

    again = store.init(tmp_path, wish(form, "acme"))

    assert {user.title: user.keys for user in again.users if user.title in before} == before
    assert {user.title for user in again.users} - set(before) == {"client-acme", "observer-acme"}


def test_a_folder_has_one_form(tmp_path: Path) -> None:
    store.init(tmp_path, wish("nkeys"))

    with pytest.raises(CredentialsError, match="of the form nkeys"):
        store.init(tmp_path, wish("jwt"))


def test_both_secrets_are_accepted_until_the_old_one_is_retired(tmp_path: Path) -> None:
    store.init(tmp_path, wish("nkeys"))
    [old] = keys(tmp_path)

    _, path = store.rotate(tmp_path, "generator")
    both = keys(tmp_path)
    store.retire(tmp_path, "generator")

    assert path.name == "generator.nk"
    assert (both[0], len(both)) == (old, 2)
    assert keys(tmp_path) == both[1:]
    assert old not in (tmp_path / "auth.conf").read_text()


def keys(folder: Path) -> tuple[str, ...]:
    found = store.load(folder)
    assert found is not None
    user = found.user("generator")
    assert user is not None
    return user.keys


def test_who_is_not_there_is_not_rotated(tmp_path: Path) -> None:
    store.init(tmp_path, wish("nkeys"))

    with pytest.raises(CredentialsError, match="nobody called nemo: there is reclaim, "):
        store.rotate(tmp_path, "nemo")


def test_a_certificate_cannot_be_retired(tmp_path: Path) -> None:
    store.init(tmp_path, wish("mtls"))

    with pytest.raises(CredentialsError, match="until it expires"):
        store.retire(tmp_path, "generator")


@pytest.mark.parametrize("content", ["", "nothing of use", "SUABC"])
def test_a_file_without_credentials_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "empty.creds"
    path.write_text(content)

    with pytest.raises(ConnectError, match=r"empty\.creds has no credentials"):
        credentials(f"nats://host?credentials={path}")


def test_a_file_that_is_missing_is_named() -> None:
    with pytest.raises(ConnectError, match="nowhere"):
        credentials("nats://host?credentials=/nowhere")


def test_a_key_that_is_broken_is_not_shown(tmp_path: Path) -> None:
    made = store.init(tmp_path, wish("mtls"))
    path = store.place(tmp_path, made, made.users[0])
    path.write_text(path.read_text().replace("MIG", "XXX"))

    with pytest.raises(ConnectError) as caught:
        credentials(f"nats://host?credentials={path}")

    assert "XXX" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "nats://host:4222?credentials=/secret/generator.creds",
        "nats://user:secret@host:4222",
        "nats://user:secret@host:4222?inbox=_INBOX_secret",
        "secret@host:4222",
    ],
)
def test_what_is_shown_of_a_url_is_where_the_server_is(url: str) -> None:
    assert public(url) == "host:4222"


def test_a_server_is_dialled_without_what_is_said_for_us() -> None:
    assert bare("nats://u:p@host:4222/?inbox=x") == "nats://u:p@host:4222"


@pytest.mark.parametrize("variable", ["TESTWRIGHT_CREDENTIALS", "NATS_CREDS"])
def test_the_surroundings_name_the_file(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv("NATS_URL", "nats://one,nats://two")
    monkeypatch.setenv(variable, "/run/my secrets/client.nk")

    here = settings.load()

    assert here.server == "nats://one?credentials=/run/my%20secrets/client.nk,nats://two"
    assert here.reach("nats://me:mine@three") == "nats://me:mine@three"


def test_the_verb_says_where_everything_is(tmp_path: Path) -> None:
    ended = RUNNER.invoke(app, ["auth", "init", str(tmp_path), "--form", "nkeys", "--engine", "echo", "--json"])

    told = json.loads(ended.output)
    assert ended.exit_code == 0
    assert Path(told["credentials"]["generator"]).read_text().startswith("# testwright credentials of generator\n")
    assert (tmp_path / "nats.conf").read_text().count('include "auth.conf"') == 1

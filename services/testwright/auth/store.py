"""The folder of credentials: the only place that knows which file is where.

``credentials/`` has a file for each user, ``keys/`` what vouches for them, ``auth.json`` who there is, ``auth.conf``
what the server is told, and ``nats.conf`` the rest of its configuration, which is written once and then yours.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from testwright import clock
from testwright.auth import secret
from testwright.auth.certificates import Certificates
from testwright.auth.deployment import ACCOUNT, SYSTEM, Deployment, Form, User, granted, merged
from testwright.auth.keys import Nkeys
from testwright.auth.tokens import Tokens
from testwright.errors import CredentialsError
from testwright_schemas import envelope

_SERVER = """\
# A NATS server for testwright, run as: nats-server -c nats.conf
# Who may do what is in auth.conf, which `testwright auth` writes; have a running server read it with SIGHUP.

host: "0.0.0.0"
port: 4222
max_payload: 1MB

include "auth.conf"

jetstream {
  store_dir: "data"
  # Each message is on the disk before it is confirmed: what was accepted survives a power failure.
  sync_interval: "always"
  limits {
    default_max_consumers: -1
  }
}
"""


def init(folder: Path, wish: Deployment) -> Deployment:
    """Make what is missing of a deployment; who has credentials keeps them, with what they allow now.

    Raises:
        CredentialsError: the folder has credentials of another form.
        OSError: the folder cannot be written.
    """
    old = load(folder)
    if old is not None and old.form != wish.form:
        raise CredentialsError(f"{folder} has credentials of the form {old.form}: choose another folder")
    found = merged(old, wish) if old else wish
    form = _form(folder, found)
    for user in found.users:
        path = place(folder, found, user)
        if path.exists():
            secret.write(path, form.renewed(user, granted(user, found.engines), path.read_text("utf-8")))
        else:
            found = _issue(folder, found, user)
    return _save(folder, found)


def rotate(folder: Path, title: str) -> tuple[Deployment, Path]:
    """Give a user a new secret, beside the one that it has: until ``retire`` both are accepted.

    Raises:
        CredentialsError: there is nobody of this title.
    """
    found, user = _known(folder, title)
    return _save(folder, _issue(folder, found, user)), place(folder, found, user)


def retire(folder: Path, title: str) -> Deployment:
    """Have the server accept nothing but a user's newest secret.

    Raises:
        CredentialsError: there is nobody of this title, or a certificate speaks for it.
    """
    found, user = _known(folder, title)
    if found.form == "mtls":
        raise CredentialsError("a certificate holds until it expires: to shut one out now, make a new folder")
    ended = dict.fromkeys(user.keys[:-1], int(clock.now().timestamp()))
    revoked = {**found.revoked, user.account: {**found.revoked.get(user.account, {}), **ended}}
    kept = replace(found, revoked=revoked) if found.form == "jwt" and ended else found
    return _save(folder, kept.with_user(replace(user, keys=user.keys[-1:])))


def load(folder: Path) -> Deployment | None:
    """Return what a folder has, ``None`` where it has nothing.

    Raises:
        CredentialsError: it cannot be read.
    """
    try:
        return envelope.decode((folder / "auth.json").read_bytes(), Deployment)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise CredentialsError(f"{folder / 'auth.json'} cannot be read: {error}") from error


def place(folder: Path, deployment: Deployment, user: User) -> Path:
    """Return where the credentials of a user are."""
    below = folder / "credentials"
    if user.account not in (ACCOUNT, SYSTEM):
        below /= user.account
    return below / f"{user.name}{_form(folder, deployment).suffix}"


def rendered(configuration: Mapping[str, Any]) -> str:
    """Return a configuration as the server reads it from a file that another one includes."""
    lines = ["# Written by `testwright auth`: do not edit."]
    return "\n".join((*lines, *(f"{name}: {json.dumps(value, indent=2)}" for name, value in configuration.items()), ""))


def _form(folder: Path, deployment: Deployment) -> Form:
    match deployment.form:
        case "nkeys":
            return Nkeys()
        case "jwt":
            return Tokens(folder / "keys")
        case "mtls":
            return Certificates(folder / "keys")


def _issue(folder: Path, deployment: Deployment, user: User) -> Deployment:
    content, key = _form(folder, deployment).issue(user, granted(user, deployment.engines))
    secret.write(place(folder, deployment, user), content)
    return deployment.with_user(replace(user, keys=(*user.keys, key) if key else ()))


def _known(folder: Path, title: str) -> tuple[Deployment, User]:
    found = load(folder)
    user = found.user(title) if found else None
    if found is None or user is None:
        titles = ", ".join(each.title for each in found.users) if found else "nobody"
        raise CredentialsError(f"{folder} has nobody called {title}: there is {titles}")
    return found, user


def _save(folder: Path, deployment: Deployment) -> Deployment:
    # Nothing in there is secret, and the server may be another user than we are.
    told = rendered(_form(folder, deployment).configuration(deployment))
    secret.write(folder / "auth.conf", told, mode=0o644)
    secret.write(folder / "auth.json", msgspec.json.format(msgspec.json.encode(deployment), indent=2).decode())
    if not (folder / "nats.conf").exists():
        (folder / "nats.conf").write_text(_SERVER, "utf-8")
    return deployment

"""Nkeys: users who sign with a key, listed in the server's configuration by the public half of it."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import nkeys

from testwright.auth import deployment as who
from testwright.auth.deployment import SYSTEM, Deployment, User, heading

Entries = Callable[[User], Sequence[Mapping[str, Any]]]
"""Returns what the configuration says of a user."""


def new_seed(prefix: int) -> str:
    """Return the seed of a new key of a kind; see the prefixes of ``nkeys``."""
    return bytes(nkeys.encode_seed(secrets.token_bytes(32), prefix)).decode()


def public_of(seed: str) -> str:
    """Return the public key of a seed."""
    public: Any = nkeys.from_seed(bytearray(seed.encode())).public_key  # bytes, whatever it is declared as
    return str(public, "ascii")


class Nkeys:
    """See the module."""

    suffix = ".nk"

    def issue(self, user: User, granted: Mapping[str, Any]) -> tuple[str, str]:
        """Return a new seed, and its public key."""
        seed = new_seed(nkeys.PREFIX_BYTE_USER)
        return f"{heading(user)}{seed}\n", public_of(seed)

    def renewed(self, user: User, granted: Mapping[str, Any], content: str) -> str:
        """Return the content as it is: the rights are in the server's configuration."""
        return content

    def configuration(self, deployment: Deployment) -> dict[str, Any]:
        """Return the accounts with their users."""
        return accounts(
            deployment,
            lambda user: [{"nkey": key, "permissions": who.granted(user, deployment.engines)} for key in user.keys],
        )


def accounts(deployment: Deployment, entries: Entries) -> dict[str, Any]:
    """Return accounts as the configuration has them, with the entries of their users."""
    found: dict[str, Any] = {}
    stores: Any = "enabled" if deployment.storage is None else {"max_file": deployment.storage}
    for account in deployment.accounts:
        listed = [entry for user in deployment.users if user.account == account for entry in entries(user)]
        found[account] = {"users": listed} if account == SYSTEM else {"jetstream": stores, "users": listed}
    return {"accounts": found, "system_account": SYSTEM}

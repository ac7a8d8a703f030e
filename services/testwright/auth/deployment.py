"""Who there is to be on a server, as data. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec
from msgspec.structs import replace

from testwright import permissions
from testwright.permissions import NARROWED, ROLES, Role
from testwright_schemas import Record

FormName = Literal["nkeys", "jwt", "mtls"]
ACCOUNT = "testwright"
"""The account of those who need no more than one."""
SYSTEM = "SYS"
"""The server's own account."""


class User(Record, frozen=True, kw_only=True):
    """One who signs in.

    Attributes:
        name: the role, and behind a hyphen the namespace that it is held to.
        role: what it may do.
        account: where its streams are; those of other accounts do not exist for it.
        namespace: what it is held to; ``*`` for all.
        keys: public keys that are accepted, the newest last; none where a certificate speaks for itself.
    """

    name: str
    role: Role
    account: str = ACCOUNT
    namespace: str = "*"
    keys: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Return a name that no other user of the server has."""
        return self.name if self.account in (ACCOUNT, SYSTEM) else f"{self.account}.{self.name}"


class Deployment(Record, frozen=True, kw_only=True):
    """Everyone on a server.

    Attributes:
        form: how they sign in.
        engines: names of those that there are queues for.
        hosts: names and addresses of the server, for its certificate.
        users: who they are.
        revoked: when public keys were revoked, in seconds since 1970, by account and key.
        storage: bytes of disk that the streams of each account may take, copies on other servers included; ``None`` for
            what there is.
    """

    form: FormName
    engines: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    users: tuple[User, ...] = ()
    revoked: dict[str, dict[str, int]] = msgspec.field(default_factory=dict[str, dict[str, int]])
    storage: int | None = None

    @property
    def accounts(self) -> tuple[str, ...]:
        """Return the names of the accounts, the server's own one included."""
        return tuple(dict.fromkeys(user.account for user in self.users))

    def user(self, title: str) -> User | None:
        """Return a user by title, if there is one."""
        return next((user for user in self.users if user.title == title), None)

    def with_user(self, changed: User) -> "Deployment":
        """Return the deployment with one user changed."""
        return replace(self, users=tuple(changed if user.title == changed.title else user for user in self.users))


class Form(Protocol):
    """How users sign in, and how the server knows them."""

    suffix: str
    """Of the names of credentials files."""

    def issue(self, user: User, granted: Mapping[str, Any]) -> tuple[str, str]:
        """Return the content of a new credentials file, and the public key in it, if any."""
        ...

    def renewed(self, user: User, granted: Mapping[str, Any], content: str) -> str:
        """Return the content of a credentials file with what its user may do now."""
        ...

    def configuration(self, deployment: Deployment) -> dict[str, Any]:
        """Return what the server's configuration says about users."""
        ...


def users(accounts: Sequence[str], namespaces: Sequence[str]) -> tuple[User, ...]:
    """Return everyone there has to be: each role in each account, and clients for each namespace.

    Args:
        accounts: one for each tenant that has actors of its own; ``ACCOUNT`` if there is none.
        namespaces: that clients and observers are held to. Without any, a client sees all.
    """
    found = [User(name="reclaim", role="reclaim", account=SYSTEM)]
    for account in accounts or (ACCOUNT,):
        for role in ROLES:
            if role == "reclaim" or (role == "client" and namespaces):
                continue
            found.append(User(name=role, role=role, account=account))
        found += [
            User(name=f"{role}-{namespace}", role=role, account=account, namespace=namespace)
            for namespace in namespaces
            for role in NARROWED
        ]
    return tuple(found)


def merged(old: Deployment, wish: Deployment) -> Deployment:
    """Return a deployment with everyone of two, with the keys that they have."""
    known = {user.title: user for user in old.users}
    everyone = {user.title: user for user in wish.users} | known
    return replace(
        wish,
        engines=_united(old.engines, wish.engines),
        hosts=_united(old.hosts, wish.hosts),
        users=tuple(everyone.values()),
        revoked=old.revoked,
        storage=old.storage if wish.storage is None else wish.storage,
    )


def granted(user: User, engines: Sequence[str]) -> dict[str, Any]:
    """Return what a user may do, as the server's configuration has it."""
    return permissions.as_configured(
        permissions.rights(user.role, engines, user.namespace), permissions.inbox(user.name)
    )


def heading(user: User) -> str:
    """Return the first lines of a credentials file: comments to everyone but testwright."""
    return f"# testwright credentials of {user.title}\n# inbox prefix: {permissions.inbox(user.name)}\n"


def _united(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))

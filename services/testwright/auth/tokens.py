"""JSON web tokens: an operator vouches for accounts, an account for its users; the server knows the operator.

A new user needs no change at the server. https://docs.nats.io/running-a-nats-service/nats_admin/security/jwt
"""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import nkeys

from testwright import clock
from testwright.auth.deployment import SYSTEM, Deployment, User, heading
from testwright.auth.keys import new_seed, public_of
from testwright.auth.secret import kept
from testwright.errors import CredentialsError

_HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}
_UNLIMITED = -1
_ANSWER_NS = 5 * 10**9
_LONGEST_LINE = 64 * 1024
"""Bytes with which a client may sign in: its token holds all that it may do, for a generator 1 KiB an engine or so."""
_BEGIN, _SEED, _END = "-----BEGIN NATS USER JWT-----", "-----BEGIN USER NKEY SEED-----", "------END"


def token(claims: Mapping[str, Any], seed: str) -> str:
    """Return claims signed by whose seed it is, as NATS wants them: with an id that is a digest of them."""
    signed = {**claims, "iss": public_of(seed)}
    digest = hashlib.new("sha512_256", msgspec.json.encode(signed)).digest()
    signed["jti"] = base64.b32encode(digest).decode().rstrip("=")
    text = f"{_packed(msgspec.json.encode(_HEADER))}.{_packed(msgspec.json.encode(signed))}"
    signature = nkeys.from_seed(bytearray(seed.encode())).sign(text.encode())
    return f"{text}.{_packed(signature)}"


class Tokens:
    """See the module.

    Args:
        folder: for the seeds of the operator and of accounts.
    """

    suffix = ".creds"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def issue(self, user: User, granted: Mapping[str, Any]) -> tuple[str, str]:
        """Return a new token with its seed, and the public key of that."""
        seed = new_seed(nkeys.PREFIX_BYTE_USER)
        return self._content(user, granted, seed), public_of(seed)

    def renewed(self, user: User, granted: Mapping[str, Any], content: str) -> str:
        """Return a token with what its user may do now, for the same seed."""
        seed = content.partition(_SEED)[2].split()
        if not seed:
            raise CredentialsError(f"the credentials of {user.title} have no seed any more: rotate them")
        return self._content(user, granted, seed[0])

    def configuration(self, deployment: Deployment) -> dict[str, Any]:
        """Return the operator's token and those of all accounts, and room for those of users."""
        operator = self._seed("operator", nkeys.PREFIX_BYTE_OPERATOR)
        accounts = {name: self._seed(name, nkeys.PREFIX_BYTE_ACCOUNT) for name in deployment.accounts}
        system = public_of(accounts[SYSTEM])
        preload = {
            public_of(seed): token(_account(name, public_of(seed), deployment), operator)
            for name, seed in accounts.items()
        }
        # A server that runs does not take another one, be it only a newer one of the same operator.
        claims = _claims("testwright", public_of(operator), {"type": "operator", "system_account": system})
        return {
            "operator": kept(self._folder / "operator.jwt", lambda: token(claims, operator)),
            "system_account": system,
            "resolver": "MEMORY",
            "resolver_preload": preload,
            "max_control_line": _LONGEST_LINE,
        }

    def _content(self, user: User, granted: Mapping[str, Any], seed: str) -> str:
        about = {
            "type": "user",
            "pub": granted["publish"],
            "sub": granted["subscribe"],
            **({"resp": {"max": 1, "ttl": _ANSWER_NS}} if "allow_responses" in granted else {}),
            **dict.fromkeys(("subs", "data", "payload"), _UNLIMITED),
        }
        account = self._seed(user.account, nkeys.PREFIX_BYTE_ACCOUNT)
        signed = token(_claims(user.title, public_of(seed), about), account)
        parts = [_BEGIN, signed, f"{_END} NATS USER JWT------", "", _SEED, seed, f"{_END} USER NKEY SEED------", ""]
        return heading(user) + "\n".join(parts)

    def _seed(self, name: str, prefix: int) -> str:
        return kept(self._folder / f"{name}.seed", lambda: new_seed(prefix))


def _account(name: str, public: str, deployment: Deployment) -> dict[str, Any]:
    revoked = deployment.revoked.get(name)
    limits = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), _UNLIMITED)
    stores = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), _UNLIMITED)
    if deployment.storage is not None:
        stores["disk_storage"] = deployment.storage
    about = {"type": "account", "limits": {**limits, "wildcards": True, **({} if name == SYSTEM else stores)}}
    return _claims(name, public, {**about, **({"revocations": dict(revoked)} if revoked else {})})


def _claims(name: str, subject: str, about: Mapping[str, Any]) -> dict[str, Any]:
    return {"iat": int(clock.now().timestamp()), "name": name, "sub": subject, "nats": {**about, "version": 2}}


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")

"""What a connection signs in with: a name and password in its URL, or a file that the URL names.

``nats://host:4222?credentials=/run/secrets/generator.creds``: the file has the seed of an nkey, a token with its seed
as NATS' own tools write them, or a certificate with its key and the authority to trust, all in PEM. A line
``# inbox prefix: NAME`` says where its owner may listen for answers; ``?inbox=NAME`` says it where there is no file.
"""

import re
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from nats.aio.client import RawCredentials

from testwright.errors import ConnectError

_INBOX = re.compile(r"^# inbox prefix: (\S+)\s*$", re.MULTILINE)
_SEED = re.compile(r"^(SU[A-Z2-7]{56})\s*$", re.MULTILINE)
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_BESIDES = re.compile(r"/?\?(credentials|inbox)=.*$")
_JWT = "-----BEGIN NATS USER JWT-----"


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to sign in.

    Attributes:
        options: of nats-py.
        inbox: subject prefix for answers; ``None`` where nothing is said.
    """

    options: dict[str, Any]
    inbox: str | None = None


def credentials(server: str) -> Credentials:
    """Return how to sign in to a server, given by its URL.

    Raises:
        ConnectError: it is no URL, or the file that it names cannot be used.
    """
    # As options, they also hold for servers that the cluster makes known.
    parts = _parts(server)
    said = dict(parse_qsl(parts.query))
    if named := said.get("credentials"):
        return _of_file(Path(named))
    inbox = said.get("inbox")
    if parts.username is None:
        return Credentials({}, inbox)
    if parts.password is None:
        return Credentials({"token": unquote(parts.username)}, inbox)
    return Credentials({"user": unquote(parts.username), "password": unquote(parts.password)}, inbox)


def place(server: str) -> str:
    """Return the URL of a server as ``bare`` does, once it is seen that it is one.

    Raises:
        ConnectError: it is no URL.
    """
    _parts(server)
    return bare(server)


def bare(server: str) -> str:
    """Return a server's URL without what it says besides where the server is, and a name and password."""
    return _BESIDES.sub("", server)


def public(url: str) -> str:
    """Return a URL, or several, without credentials."""
    return ",".join(bare(server.strip().rsplit("@", 1)[-1]).removeprefix("nats://") for server in url.split(","))


def _parts(server: str) -> SplitResult:
    # The error may hold a part of the password: where it has a slash, what comes before is taken for a port.
    with suppress(ValueError):
        parts = urlsplit(server if "://" in server else f"nats://{server}")
        if parts.hostname and parts.port != 0:
            return parts
    raise ConnectError(f"{public(server)!r} is no server's URL: write nats://HOST:PORT")


def _of_file(path: Path) -> Credentials:
    try:
        text = path.read_text("utf-8")
        options = _options(path, text)
    except (OSError, ValueError) as error:  # a certificate that does not fit its key is an OSError
        raise ConnectError(f"the credentials in {path} cannot be used: {error}") from error
    if options is None:
        raise ConnectError(f"{path} has no credentials: neither an nkey's seed, nor a token, nor a certificate")
    said = _INBOX.search(text)
    return Credentials(options, said[1] if said else None)


def _options(path: Path, text: str) -> dict[str, Any] | None:
    if _JWT in text:
        return {"user_credentials": RawCredentials(text)}
    if seed := _SEED.search(text):
        return {"nkeys_seed_str": seed[1]}
    if certificates := _CERTIFICATE.findall(text):
        context = ssl.create_default_context()
        context.load_cert_chain(path)
        if authority := certificates[1:]:
            context.load_verify_locations(cadata="\n".join(authority))
        return {"tls": context}
    return None

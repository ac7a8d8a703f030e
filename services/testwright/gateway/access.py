"""Who may ask, and from which page: tokens, the page's cookie, and the checks of ``Host`` and ``Origin``. Pure.

A token in ``Authorization`` is for programs. The page trades it for a cookie that no script can read and no other site
can send; it is made from the token, so it outlives a restart of the gateway.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlsplit

from testwright.gateway.tables import ALL
from testwright_schemas import Record

COOKIE = "testwright-session"

_SAFE = ("GET", "HEAD")


class Grant(Record, frozen=True, kw_only=True):
    """A token, and the namespace whose tasks it opens: ``*`` for all."""

    token: str
    namespace: str = ALL

    @property
    def session(self) -> str:
        """The value of the page's cookie."""
        return hmac.new(self.token.encode(), b"testwright page", hashlib.sha256).hexdigest()

    def opens(self, namespace: str) -> bool:
        """Return whether a namespace may be seen with it."""
        return self.namespace in {ALL, namespace}


def read_grants(text: str) -> tuple[Grant, ...]:
    """Return the grants of a file: a token a line, and behind it the namespace it is for, if it is not for all."""
    lines = (line.split() for line in text.splitlines() if not line.lstrip().startswith("#"))
    return tuple(Grant(token=words[0], namespace=words[1] if len(words) > 1 else ALL) for words in lines if words)


def granted(grants: Sequence[Grant], authorization: str | None, cookies: Mapping[str, str]) -> Grant | None:
    """Return the grant that a request shows; every one is compared, each in constant time."""
    scheme, _, token = (authorization or "").partition(" ")
    shown = token.strip() if scheme.lower() == "bearer" else ""
    found: Grant | None = None
    for grant in grants:
        by_token = hmac.compare_digest(shown.encode(), grant.token.encode())
        by_cookie = hmac.compare_digest(cookies.get(COOKIE, "").encode(), grant.session.encode())
        if by_token or (by_cookie and not authorization):
            found = grant
    return found


def host_allowed(host: str | None, names: Collection[str]) -> bool:
    """Return whether a ``Host`` is one of ours: a name that we know, or an address.

    Another site can have a name of its own point here, and then read what its visitors may read; it cannot have an
    address say so.
    """
    try:
        name = urlsplit(f"//{host or ''}").hostname or ""
    except ValueError:
        return False
    return name in names or name == "localhost" or _is_address(name)


def origin_allowed(method: str, host: str | None, origin: str | None, site: str | None, *, by_cookie: bool) -> bool:
    """Return whether a request may come from where it says it comes from.

    Args:
        method: of the request.
        host: its ``Host``.
        origin: its ``Origin``; a browser sends one with everything that changes something.
        site: its ``Sec-Fetch-Site``.
        by_cookie: whether the cookie alone lets it in.
    """
    if origin is not None:
        return urlsplit(origin).netloc == host
    if site in {"cross-site", "same-site"} and method not in _SAFE:
        return False
    return method in _SAFE or not by_cookie or site == "same-origin"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True

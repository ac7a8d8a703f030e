"""Certificates: users whom an authority of our own vouches for; the server maps the names in them to rights."""

import ipaddress
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from testwright import clock
from testwright.auth import deployment as who
from testwright.auth import secret
from testwright.auth.deployment import Deployment, User, heading
from testwright.auth.keys import accounts
from testwright.errors import CredentialsError

_AUTHORITY_DAYS = 3650
_USER_DAYS = 398
_SKEW = timedelta(hours=1)

_Key = ec.EllipticCurvePrivateKey


class Certificates:
    """See the module.

    Args:
        folder: for the keys of the authority and of the server, and their certificates.
    """

    suffix = ".pem"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def issue(self, user: User, granted: Mapping[str, Any]) -> tuple[str, str]:
        """Return a new certificate with its key and the authority's certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        made = self._signed(_builder(user.title, key, _USER_DAYS).add_extension(usage, critical=False))
        return heading(user) + _pem(made) + _pem(self._authority()[1]) + _pem_key(key), ""

    def renewed(self, user: User, granted: Mapping[str, Any], content: str) -> str:
        """Return the content as it is: the rights are in the server's configuration."""
        return content

    def configuration(self, deployment: Deployment) -> dict[str, Any]:
        """Return the accounts with their users, and what the server needs to know and to show."""
        certificate, key = self._folder / "server.pem", self._folder / "server.key"
        if not certificate.exists():
            own = ec.generate_private_key(ec.SECP256R1())
            names = x509.SubjectAlternativeName([_general(host) for host in deployment.hosts])
            built = _builder(deployment.hosts[0], own, _USER_DAYS).add_extension(names, critical=False)
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
            secret.write(key, _pem_key(own))
            secret.write(certificate, _pem(self._signed(built.add_extension(usage, critical=False))))
        self._authority()
        found = accounts(
            deployment,
            lambda user: [{"user": f"CN={user.title}", "permissions": who.granted(user, deployment.engines)}],
        )
        files = {"cert_file": certificate, "key_file": key, "ca_file": self._folder / "authority.pem"}
        return {"tls": {name: str(path.absolute()) for name, path in files.items()} | {"verify_and_map": True}, **found}

    def _authority(self) -> tuple[_Key, x509.Certificate]:
        key_path, path = self._folder / "authority.key", self._folder / "authority.pem"
        if not path.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            built = _builder("testwright authority", key, _AUTHORITY_DAYS, authority=True)
            secret.write(key_path, _pem_key(key))
            secret.write(path, _pem(built.sign(key, hashes.SHA256())))
        found = serialization.load_pem_private_key(key_path.read_bytes(), None)
        if not isinstance(found, _Key):
            raise CredentialsError(f"{key_path} is no key of ours: make a new folder")
        return found, x509.load_pem_x509_certificate(path.read_bytes())

    def _signed(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        key, authority = self._authority()
        known = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        return builder.issuer_name(authority.subject).add_extension(known, critical=False).sign(key, hashes.SHA256())


def hosts(named: Sequence[str]) -> tuple[str, ...]:
    """Return the names and addresses of a server: this machine's own, and those that are named."""
    return tuple(dict.fromkeys(("localhost", "127.0.0.1", *named)))


def _builder(name: str, key: _Key, days: int, *, authority: bool = False) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = clock.now()
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_usage(authority=authority), critical=True)
    )
    return built.issuer_name(subject) if authority else built


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _pem_key(key: _Key) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()

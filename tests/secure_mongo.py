"""A MongoDB as production runs it: it wants TLS of everybody, and a user of everybody who asks for more than hello."""

from __future__ import annotations

import base64
import ipaddress
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from autopay_cli.addresses import free_ports
from autopay_cli.mongod import find
from autopay_cli.processes import Child

ADMIN: Final = "root"
ADMIN_PASSWORD: Final = "pass/word:with@signs"
_START_S_MAX: Final = 40.0
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureMongo:
    """A running one-member set.

    Attributes:
        port: where it listens on 127.0.0.1.
        authority: PEM file of the authority that signed its certificate.
    """

    port: int
    authority: Path

    def url(self, user: str, password: str, *, database: str = "autopay", tls: bool = True) -> str:
        """The connection string of a user."""
        options = "replicaSet=rs0" + (f"&tls=true&tlsCAFile={quote(str(self.authority), safe='')}" if tls else "")
        return f"mongodb://{quote(user, safe='')}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}?{options}"

    @property
    def admin_url(self) -> str:
        """The connection string of who may do everything."""
        return self.url(ADMIN, ADMIN_PASSWORD, database="admin")


@contextmanager
def running_secure_mongo(directory: Path, *, bare: bool = False) -> Iterator[SecureMongo]:
    """Run it while the context lasts; a bare one is no set yet and has no user."""
    authority, certificate = make_certificates(directory)
    (port,) = free_ports(1)
    key_file = _private(directory / "set.key", base64.b64encode(secrets.token_bytes(96)))
    data = directory / "data"
    data.mkdir()
    command = [str(find()), "--bind_ip", "127.0.0.1", "--port", str(port), "--dbpath", str(data), "--nounixsocket"]
    command += ["--replSet", "rs0", "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "256", "--quiet"]
    command += ["--auth", "--keyFile", str(key_file), "--tlsMode", "requireTLS", "--tlsCAFile", str(authority)]
    command += ["--tlsCertificateKeyFile", str(certificate), "--tlsAllowConnectionsWithoutCertificates"]
    command += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
    # What has expired is looked for every second, not every minute.
    command += ["--setParameter", "ttlMonitorSleepSecs=1"]
    mongod = Child("mongod", command, log=directory / "mongod.log")
    mongod.start()
    running = SecureMongo(port=port, authority=authority)
    try:
        if not bare:
            _initiate(running, mongod)
        yield running
    finally:
        mongod.kill()


def make_certificates(directory: Path) -> tuple[Path, Path]:
    """Make an authority, and a certificate with its key in one file for a server on loopback."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "MongoDB test authority")])
    itself = _builder(name, name, authority_key).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    server = _builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mongod")]), name, key)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    server = server.add_extension(x509.SubjectAlternativeName(names), critical=False)
    server = server.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    authority = directory / "mongo-ca.pem"
    authority.write_bytes(itself.sign(authority_key, SHA256()).public_bytes(Encoding.PEM))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = server.sign(authority_key, SHA256()).public_bytes(Encoding.PEM)
    return authority, _private(directory / "mongod.pem", secret + public)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
    )


def _private(path: Path, content: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def _initiate(running: SecureMongo, mongod: Child) -> None:
    """Make it a set and make its first user, as loopback may while there is none."""
    deadline = time.monotonic() + _START_S_MAX
    client: MongoClient[dict[str, Any]] = MongoClient(
        "127.0.0.1", running.port, directConnection=True, tls=True, tlsCAFile=str(running.authority)
    )
    with client:
        member = {"_id": 0, "host": f"127.0.0.1:{running.port}"}
        _attempt(lambda: client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]}), mongod, deadline)
        while not client.admin.command("hello")["isWritablePrimary"]:
            assert time.monotonic() < deadline, mongod.last_words()
            time.sleep(_POLL_S)
        client.admin.command("createUser", ADMIN, pwd=ADMIN_PASSWORD, roles=["root"])


def _attempt(command: Callable[[], object], mongod: Child, deadline: float) -> None:
    while mongod.alive and time.monotonic() < deadline:
        try:
            command()
            return
        except PyMongoError:
            time.sleep(_POLL_S)
    raise AssertionError(mongod.last_words())

"""A certificate authority for development, and a certificate signed by it for each process."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from autopay_cli.certificates_directory import AUTHORITY, certificate_of, key_of
from autopay_cli.failure import Failure
from autopay_cli.meshfile import replace_private

# The four processes, and this command line, which reads the ledger.
NAMES: Final = ("edge", "ingest", "ledger", "insight", "cli")
_AUTHORITY_DAYS: Final = 1_825
_TRUST_DOMAIN: Final = re.compile(r"[a-z0-9._-]{1,255}", re.ASCII)
# Clocks of two machines differ a little.
_BACKDATED: Final = timedelta(minutes=5)

_Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """One certificate with its key, PEM files of one directory.

    Attributes:
        name: the process.
        spiffe_id: how others know it.
        certificate: path of the certificate.
        key: path of its private key, mode 0600.
        expires_at: when the certificate ends.
        fresh: whether it was made just now.
    """

    name: str
    spiffe_id: str
    certificate: Path
    key: Path
    expires_at: datetime
    fresh: bool


def issue(directory: Path, *, days: int, trust_domain: str, renew: bool, now: datetime) -> Sequence[Issued]:
    """Return a certificate per process, made where there is none that can be used for a third of `days`.

    Args:
        directory: where the files are and are made, mode 0700.
        days: how long a new certificate is valid.
        trust_domain: the part of the SPIFFE ids that says whose they are.
        renew: whether to make new ones in place of good ones; the authority stays.
        now: when it is.

    Raises:
        Failure: the directory can't be used, or the trust domain is malformed.
    """
    if not _TRUST_DOMAIN.fullmatch(trust_domain):
        raise Failure(f"--trust-domain: {trust_domain!r} may hold lower-case letters, digits, dots and dashes only.")
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        authority = _Authority.of(directory, until=now + timedelta(days=days), now=now)
        return [authority.provide(name, trust_domain, days=days, renew=renew) for name in NAMES]
    except OSError as error:
        raise Failure(f"can't keep certificates in {directory} ({error.strerror}): name another --dir.") from error


class _Authority:
    """Signs certificates of one directory."""

    def __init__(self, directory: Path, certificate: x509.Certificate, key: _Key, *, now: datetime) -> None:
        self._directory = directory
        self._certificate = certificate
        self._key = key
        self._now = now

    @classmethod
    def of(cls, directory: Path, *, until: datetime, now: datetime) -> _Authority:
        """Return the directory's authority; a new one where there is none that lives until then."""
        kept = _load(directory, AUTHORITY)
        if kept is not None and kept[0].not_valid_after_utc >= until:
            return cls(directory, kept[0], kept[1], now=now)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "AutoPay development authority")])
        expires_at = max(until, now + timedelta(days=_AUTHORITY_DAYS))
        builder = (
            _builder(name, name, key, now=now, expires_at=expires_at)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
        )
        certificate = builder.sign(key, SHA256())
        _save(directory, AUTHORITY, certificate, key)
        return cls(directory, certificate, key, now=now)

    def provide(self, name: str, trust_domain: str, *, days: int, renew: bool) -> Issued:
        """Return the certificate of a process, a new one where there is none, or where one is asked for."""
        spiffe_id = f"spiffe://{trust_domain}/sa/{name}"
        kept = None if renew else _load(self._directory, name)
        fresh = kept is None or not self._is_good(kept[0], spiffe_id, lasting=timedelta(days=days) / 3)
        certificate = self._sign(name, spiffe_id, days) if kept is None or fresh else kept[0]
        return Issued(
            name=name,
            spiffe_id=spiffe_id,
            certificate=certificate_of(self._directory, name),
            key=key_of(self._directory, name),
            expires_at=certificate.not_valid_after_utc,
            fresh=fresh,
        )

    def _is_good(self, certificate: x509.Certificate, spiffe_id: str, *, lasting: timedelta) -> bool:
        from mesh.identity import spiffe_id_of

        try:
            certificate.verify_directly_issued_by(self._certificate)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it is replaced
            return False
        return certificate.not_valid_after_utc >= self._now + lasting and spiffe_id_of(certificate) == spiffe_id

    def _sign(self, name: str, spiffe_id: str, days: int) -> x509.Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName(
            [
                x509.UniformResourceIdentifier(spiffe_id),
                x509.DNSName("localhost"),
                x509.DNSName(name),
                x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                x509.IPAddress(ipaddress.ip_address("::1")),
            ]
        )
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        expires_at = self._now + timedelta(days=days)
        builder = (
            _builder(subject, self._certificate.subject, key, now=self._now, expires_at=expires_at)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(names, critical=False)
        )
        certificate = builder.sign(self._key, SHA256())
        _save(self._directory, name, certificate, key)
        return certificate


def _builder(
    subject: x509.Name, issuer: x509.Name, key: _Key, *, now: datetime, expires_at: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(expires_at)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _load(directory: Path, name: str) -> tuple[x509.Certificate, _Key] | None:
    """Return a certificate and its key; None where they are not there, or not a pair."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_of(directory, name).read_bytes())
        key = load_pem_private_key(key_of(directory, name).read_bytes(), password=None)
    except (FileNotFoundError, TypeError, ValueError):
        return None
    if not isinstance(key, _Key) or key.public_key() != certificate.public_key():
        return None
    return certificate, key


def _save(directory: Path, name: str, certificate: x509.Certificate, key: _Key) -> None:
    """Write both files, each replaced at once; between them is a pair that doesn't match, which readers pass over."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    replace_private(key_of(directory, name), pem.decode())
    fresh = directory / f".{name}.pem.{os.getpid()}"
    fresh.write_bytes(certificate.public_bytes(Encoding.PEM))
    fresh.replace(certificate_of(directory, name))

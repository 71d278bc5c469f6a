"""Signs with a certificate of an authority made on the spot, as PayPal signs with one of a public authority."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from autopay_cli.recipes.signing import MESSAGE_ID, NOW_S, Request, flipped, substituted

NOW: Final = datetime.fromtimestamp(NOW_S, UTC)
YEAR: Final = timedelta(days=365)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who signs certificates."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(Encoding.PEM)


def authority(name: str, by: Issuer | None = None) -> Issuer:
    """Make an authority: its own root, or one that another vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = _builder(name, key, by, since=NOW - YEAR, until=NOW + YEAR)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(usage, critical=True)
    return Issuer(certificate=builder.sign(by.key if by else key, SHA256()), key=key)


def issued(
    by: Issuer, key: Key, names: Sequence[str], *, since: datetime = NOW - YEAR / 2, until: datetime = NOW + YEAR / 2
) -> bytes:
    """Issue a certificate for host names, in PEM, with its issuer's after it."""
    builder = _builder(names[0] if names else "nobody", key, by, since=since, until=until)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    if names:
        hosts = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(hosts, critical=False)
    return builder.sign(by.key, SHA256()).public_bytes(Encoding.PEM) + by.pem


def _builder(name: str, key: Key, by: Issuer | None, *, since: datetime, until: datetime) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = (by.key if by else key).public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


@cache
def root() -> Issuer:
    """The tests' own root."""
    return authority("Root of the tests")


@cache
def intermediate() -> Issuer:
    """Who issues certificates for hosts, for the root."""
    return authority("Issuer of the tests", root())


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    """The key that signs messages."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


@cache
def _chain(host: str) -> bytes:
    return issued(intermediate(), rsa_key(), [host])


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRecipe:
    """RSA-SHA256 over a text, by the certificate of a host."""

    content: str
    templates: Mapping[str, str]
    host: str
    unsigned: Sequence[str]
    dated: bool = True
    skew_s: float = 5
    signs_bytes: bool = True

    @property
    def headers(self) -> Sequence[str]:
        """The names of all headers."""
        return tuple(self.templates)

    @property
    def signature_headers(self) -> Sequence[str]:
        """The names of those that hold the signature."""
        return tuple(name for name, template in self.templates.items() if "{signature}" in template)

    @property
    def options(self) -> Mapping[str, object]:
        """The tests' own root."""
        return {"roots": root().pem.decode()}

    def sign(self, body: bytes, secret: str, *, at: int | str = NOW_S) -> Request:
        """Return the request with its headers and the chain."""
        return self._signed(body, secret, at, SHA256())

    def sign_otherwise(self, body: bytes, secret: str, *, at: int | str = NOW_S) -> Request:
        """Return the request signed with another hash."""
        return self._signed(body, secret, at, SHA1())  # noqa: S303 - what must be refused

    def sign_twice(self, body: bytes, first: str, second: str) -> None:
        """The header holds one signature."""

    def flips(self, request: Request) -> int:
        """Return the bits of the body and of the headers that are signed or the signature."""
        return 8 * (len(request.body) + sum(len(request.value(name)) for name in self._bound()))

    def flip(self, request: Request, bit: int) -> Request:
        """Flip a bit of the body, or of a header's character."""
        place, mask = bit // 8, 1 << bit % 8
        if place < len(request.body):
            return replace(request, body=flipped(request.body, place, mask))
        place -= len(request.body)
        for name in self._bound():
            value = request.value(name)
            if place < len(value):
                return request.having(name, value[:place] + chr(ord(value[place]) ^ mask) + value[place + 1 :])
            place -= len(value)
        raise IndexError(bit)

    def _bound(self) -> Sequence[str]:
        return [name for name in self.templates if name not in self.unsigned]

    def _signed(self, body: bytes, secret: str, at: int | str, algorithm: HashAlgorithm) -> Request:
        time = at if isinstance(at, str) else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        words = {"{id}": MESSAGE_ID, "{time}": time, "{crc32}": str(zlib.crc32(body)), "{secret}": secret}
        signed = substituted(self.content, words).encode("utf-8", "surrogatepass")
        signature = rsa_key().sign(signed, PKCS1v15(), algorithm)
        words["{signature}"] = base64.b64encode(signature).decode()
        headers = [(name, substituted(template, words)) for name, template in self.templates.items()]
        return Request(body=body, headers=tuple(headers), chain=_chain(self.host))

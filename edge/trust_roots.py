"""The authorities that this machine trusts, for providers that sign with certificates."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

_FILES_MAX: Final = 1_000


def system_roots() -> str:
    """Return in PEM what TLS trusts here: OpenSSL's default file or directory, or SSL_CERT_FILE and SSL_CERT_DIR.

    One that can't be read as a certificate is left out: it would vouch for nobody.
    """
    readable = []
    with warnings.catch_warnings():
        # Old roots break rules of RFC 5280 that a warning announces: they sign nothing that we want to believe.
        warnings.simplefilter("error", CryptographyDeprecationWarning)
        for der in _trusted():
            try:
                readable.append(x509.load_der_x509_certificate(der))
            except (ValueError, CryptographyDeprecationWarning):
                continue
    return b"".join(root.public_bytes(Encoding.PEM) for root in readable).decode()


def _trusted() -> Iterator[bytes]:
    context = ssl.create_default_context()
    if loaded := context.get_ca_certs(binary_form=True):
        yield from loaded
        return
    # A directory is read by OpenSSL only when it looks for one authority, so it lists none of them.
    directory = ssl.get_default_verify_paths().capath
    for path in sorted(Path(directory).glob("*.0"))[:_FILES_MAX] if directory else ():
        try:
            yield ssl.PEM_cert_to_DER_cert(path.read_text(encoding="ascii").strip())
        except (OSError, ValueError):
            continue

"""PayPal's certificates: which are trusted, for whom and when; nothing is fetched from anywhere else."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from autopay_cli.recipes.signing import NOW_S, Request
from autopay_cli.recipes.signing_certificates import (
    NOW,
    Issuer,
    authority,
    intermediate,
    issued,
    root,
    rsa_key,
)
from providers.contract import Certified, Options, Provider, Refused, Secret, Verified
from providers.paypal import PROVIDER, PayPalProvider
from tests.conformance import vectors
from tests.unit.providers.signing import WINDOW

FILE = vectors.load("paypal")
HOST = "messageverificationcerts.paypal.com"
SANDBOX = "messageverificationcerts.sandbox.paypal.com"
WEBHOOK = FILE.secrets.current
DAY = timedelta(days=1)
LIVE_URL = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42"


def trusting(*issuers: Issuer, live: bool | None = None) -> PayPalProvider:
    """The provider with roots."""
    pem = "".join(issuer.pem.decode() for issuer in issuers)
    provider = PROVIDER.configured(Options(live=live, table={"roots": pem}))
    assert isinstance(provider, PayPalProvider)
    return provider


def verify(chain: bytes, *, provider: PayPalProvider | None = None, request: Request | None = None) -> Verified:
    """Verify the first delivery of the vectors file with another chain."""
    sent = request or FILE.signed(FILE.first)
    return (provider or trusting(root())).verify_certified(
        sent.body, sent.lookup, (WEBHOOK,), chain=chain, now_s=NOW_S, window=WINDOW
    )


def refused(chain: bytes, *, provider: PayPalProvider | None = None) -> str:
    """Why a chain is refused."""
    with pytest.raises(Refused) as refusal:
        verify(chain, provider=provider)
    return refusal.value.reason


def chain_for(*names: str, by: Issuer | None = None, since: datetime = NOW - DAY, until: datetime = NOW + DAY) -> bytes:
    """A chain for host names whose key signed the vectors."""
    return issued(by or intermediate(), rsa_key(), names, since=since, until=until)


@pytest.mark.parametrize("names", [(HOST,), (SANDBOX,), ("example.com", HOST), (HOST, "example.com")])
def test_a_chain_to_a_trusted_root_verifies(names: Sequence[str]) -> None:
    """By an authority that the root vouches for, for a host under paypal.com, now."""
    assert verify(chain_for(*names)) == Verified(WEBHOOK.key_id, FILE.first.body, NOW_S)


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("example.com",),
        ("paypal.com.example.com",),
        ("evilpaypal.com",),
        ("*.paypal.com",),
    ],
)
def test_a_certificate_of_somebody_else_is_refused(names: Sequence[str]) -> None:
    """A public authority vouches for anybody: the name must be PayPal's."""
    assert refused(chain_for(*names)) == "SIGNATURE_INVALID"


@pytest.mark.parametrize(("since", "until"), [(NOW - 2 * DAY, NOW - DAY), (NOW + DAY, NOW + 2 * DAY)])
def test_a_certificate_is_valid_for_a_time(since: datetime, until: datetime) -> None:
    """Neither expired nor not yet valid, by our clock."""
    assert refused(chain_for(HOST, since=since, until=until)) == "SIGNATURE_INVALID"


def test_a_chain_that_ends_elsewhere_is_refused() -> None:
    """Another root, no authority in between, a certificate that vouches for itself, and no root at all."""
    leaf = chain_for(HOST)
    other = authority("Root of the tests")
    alone = leaf[: leaf.index(b"-----END CERTIFICATE-----") + 26]
    assert refused(chain_for(HOST, by=authority("Issuer of the tests", other))) == "SIGNATURE_INVALID"
    assert refused(alone) == "SIGNATURE_INVALID"
    assert refused(leaf, provider=trusting(other)) == "SIGNATURE_INVALID"
    assert refused(leaf, provider=PayPalProvider()) == "SIGNATURE_INVALID"
    assert verify(leaf, provider=trusting(other, root())).key_id == WEBHOOK.key_id


def test_the_sources_file_adds_roots() -> None:
    """`extra_roots` are trusted beside those that the process brings; what is no PEM is found at start."""
    own = authority("Root of an operator")
    table = {"roots": root().pem.decode(), "extra_roots": own.pem.decode()}
    provider = PROVIDER.configured(Options(table=table))
    assert isinstance(provider, PayPalProvider)
    for by in (own, intermediate()):
        assert verify(chain_for(HOST, by=by), provider=provider).key_id == WEBHOOK.key_id
    for wrong in ("", "nonsense", 7, ["x"]):
        with pytest.raises(ValueError, match="extra_roots"):
            PROVIDER.configured(Options(table={"extra_roots": wrong}))


@pytest.mark.parametrize("chain", [b"", b"\0", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAA==\n", b"x" * 100_000])
def test_what_is_no_chain_is_refused(chain: bytes) -> None:
    """Whatever was fetched, it is a refusal."""
    assert refused(chain) == "SIGNATURE_INVALID"
    assert refused(chain_for(HOST) + chain_for(HOST) * 5) == "SIGNATURE_INVALID"


def test_every_byte_of_a_certificate_counts() -> None:
    """A certificate with a byte changed anywhere is refused, never a bug."""
    chain = chain_for(HOST)
    end = chain.index(b"-----END CERTIFICATE-----")
    for place in range(28, end, 7):
        altered = chain[:place] + (b"B" if chain[place : place + 1] != b"B" else b"C") + chain[place + 1 :]
        assert refused(altered) == "SIGNATURE_INVALID"


def test_the_key_is_a_long_rsa_key() -> None:
    """Another kind of key can't have made the signature; one that made it but is short can be broken."""
    assert refused(issued(intermediate(), ec.generate_private_key(ec.SECP256R1()), [HOST])) == "SIGNATURE_INVALID"
    short = rsa.generate_private_key(public_exponent=65_537, key_size=1_024)  # noqa: S505 - what must be refused
    request = FILE.signed(FILE.first)
    words = [request.value(f"PAYPAL-TRANSMISSION-{name}") for name in ("ID", "TIME")]
    signed = "|".join([*words, WEBHOOK.value, str(zlib.crc32(request.body))]).encode()
    signature = base64.b64encode(short.sign(signed, PKCS1v15(), SHA256())).decode()
    with pytest.raises(Refused, match="2,048"):
        verify(issued(intermediate(), short, [HOST]), request=request.having("PAYPAL-TRANSMISSION-SIG", signature))


def test_live_payments_are_signed_by_the_live_host() -> None:
    """A source for live payments trusts nothing of the sandbox: neither its address nor its certificate."""
    live = trusting(root(), live=True)
    request = FILE.signed(FILE.first).having("PAYPAL-CERT-URL", LIVE_URL)
    assert live.certificate_url(request.lookup) == LIVE_URL
    assert verify(chain_for(HOST), provider=live, request=request).key_id == WEBHOOK.key_id
    with pytest.raises(Refused):
        verify(chain_for(SANDBOX), provider=live, request=request)
    with pytest.raises(Refused):
        verify(chain_for(HOST), provider=live)


def test_the_address_is_checked_before_anything_is_fetched() -> None:
    """The provider gives the address to fetch from, and gives none that is not PayPal's."""
    assert isinstance(PROVIDER, Certified)
    request = FILE.signed(FILE.first).having("PAYPAL-CERT-URL", "https://169.254.169.254/latest/meta-data")
    with pytest.raises(Refused):
        PROVIDER.certificate_url(request.lookup)


def test_without_a_certificate_nothing_verifies() -> None:
    """A process that doesn't fetch certificates can't accept PayPal's deliveries by mistake."""
    request, provider = FILE.signed(FILE.first), FILE.provider
    with pytest.raises(Refused):
        provider.verify(request.body, request.lookup, (WEBHOOK,), now_s=NOW_S, window=WINDOW)


def test_a_message_for_another_webhook_is_not_ours() -> None:
    """PayPal signs for everybody with one key: the webhook's id is what makes a message ours."""
    provider: Provider = FILE.provider
    request = FILE.recipe.sign(FILE.first.body, "2WH00000000000000")
    assert isinstance(provider, Certified)
    with pytest.raises(Refused):
        provider.verify_certified(
            request.body,
            request.lookup,
            (WEBHOOK, Secret("empty", "")),
            chain=request.chain,
            now_s=NOW_S,
            window=WINDOW,
        )

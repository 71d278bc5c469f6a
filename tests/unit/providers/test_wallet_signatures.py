"""What the vectors don't say of how Square, Mollie and the others without a timestamp verify."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from providers import mollie, square
from providers.contract import Options, Provider, Refused, Secret
from tests.conformance import vectors
from tests.unit.providers.signing import NOW_S, SECRET, WINDOW

WITHOUT_A_TIME = ("mollie", "paystack", "razorpay", "shopify", "square")


def refused(provider: Provider, body: bytes, headers: CIMultiDictProxy[str], secret: Secret) -> bool:
    """Whether a request is refused, for its signature."""
    with pytest.raises(Refused) as refusal:
        provider.verify(body, headers, (secret,), now_s=NOW_S, window=WINDOW)
    return refusal.value.reason == "SIGNATURE_INVALID"


def test_square_without_its_url_refuses_everything() -> None:
    """Unconfigured, Square's verifier believes nobody, not even who signs the body alone."""
    with pytest.raises(ValueError, match="url"):
        square.PROVIDER.configured(Options())
    file = vectors.load("square")
    secret = file.secrets.current
    assert refused(square.PROVIDER, file.first.body, file.signed(file.first).lookup, secret)
    alone = vectors.load("shopify").recipe.sign(file.first.body, secret.value)
    signature = alone.value("X-Shopify-Hmac-Sha256")
    headers = CIMultiDictProxy(CIMultiDict({"X-Square-HmacSha256-Signature": signature}))
    assert refused(square.PROVIDER, file.first.body, headers, secret)


def test_square_signs_where_it_was_sent_to() -> None:
    """The same request, signed for another notification URL, is refused."""
    file = vectors.load("square")
    elsewhere = square.PROVIDER.configured(Options(url="https://pay.example.com/webhooks/square/"))
    assert refused(elsewhere, file.first.body, file.signed(file.first).lookup, file.secrets.current)


def test_mollie_classic_is_unsigned_and_refused() -> None:
    """The classic webhook carries an id and no signature: it is no reason to believe anything."""
    assert refused(mollie.PROVIDER, b"id=tr_5B8cwPMGnU6qLbRvo7qEZo", CIMultiDictProxy(CIMultiDict()), SECRET)


def mollie_values(*names: str) -> tuple[str, ...]:
    """Values of Mollie's header over the first body of its file: by its secrets, by a foreign one, or no signature."""
    file = vectors.load("mollie")
    secrets = {"current": file.secrets.current, "previous": file.secrets.previous, "foreign": file.secrets.foreign}
    signed = {name: file.recipe.sign(file.first.body, each.value) for name, each in secrets.items()}
    texts = {name: request.value("X-Mollie-Signature") for name, request in signed.items()}
    return tuple(
        {**texts, "malformed": "sha256=zz", "bare": texts["current"].removeprefix("sha256=")}[name] for name in names
    )


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (("current", "previous"), "current"),
        (("foreign", "current"), "current"),
        (("current", "foreign"), "current"),
        (("foreign", "foreign"), ""),
        (("current", "current"), ""),
        (("current", "malformed"), ""),
        (("current", "bare"), ""),
        (("current", "previous", "foreign"), ""),
    ],
)
@pytest.mark.parametrize("joined", [False, True], ids=["two headers", "one list"])
def test_mollie_signs_twice_while_it_rotates(names: tuple[str, ...], key: str, joined: bool) -> None:
    """Of two different signatures one has to be right; the same one twice, a third, or none that is one is refused."""
    file, values = vectors.load("mollie"), mollie_values(*names)
    given = [("X-Mollie-Signature", value) for value in ([", ".join(values)] if joined else values)]
    headers, body = CIMultiDictProxy(CIMultiDict(given)), file.first.body
    if not key:
        assert refused(file.provider, body, headers, file.secrets.current)
        return
    verified = file.provider.verify(body, headers, file.secrets, now_s=NOW_S, window=WINDOW)
    assert verified.key_id == key


@pytest.mark.parametrize("name", WITHOUT_A_TIME)
def test_another_schemes_digest_is_no_signature(name: str) -> None:
    """The right secret under another scheme's algorithm, encoding or prefix does not verify."""
    file = vectors.load(name)
    header = file.recipe.signature_headers[0]
    right = file.signed(file.first)
    others = [vectors.load(other).recipe for other in WITHOUT_A_TIME]
    values = {r.sign(right.body, file.secrets.current.value).value(r.signature_headers[0]) for r in others}
    for value in values - {right.value(header)}:
        assert refused(file.provider, right.body, right.having(header, value).lookup, file.secrets.current)

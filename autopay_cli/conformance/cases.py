"""The cases: a provider's delivery as it is, replaced, altered, late, doubled, and what a receiver must make of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from autopay_cli.recipes import spoiling
from autopay_cli.recipes.samples import Sample
from autopay_cli.recipes.signing import MESSAGE_ID, Request

_FAR_S: Final = 3_600
_GARBAGE: Final = "not a signature: \u00e9\u4e2d"
_ANOTHER_ID: Final = "another-id-0123456789"
_SAYS_NOTHING: Final = frozenset({"content-type", "user-agent"})
_NO_TIME: Final = "the provider signs no time"
_IN_BODY: Final = "the signature is inside the body"


class Expected(StrEnum):
    """What a receiver must answer: 2xx, 4xx, or either, as long as it answers."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request and what must become of it; without a request it is skipped, for the reason."""

    name: str
    expected: Expected
    request: Request | None = None
    skipped: str = ""


def cases(sample: Sample, secrets: Sequence[str], *, now_s: int, kept_headers: Sequence[str] = ()) -> Sequence[Case]:
    """Return every case of a provider, in the order in which they are best sent.

    Args:
        sample: the delivery and how its provider signs.
        secrets: the receiver's, the one in use first.
        now_s: the receiver's time, Unix seconds.
        kept_headers: headers that the provider sends besides; those that it does not sign a replay can change.
    """
    valid = _signed(sample, secrets[0], now_s)
    if valid.chain:
        return tuple(_without_a_key(valid, sample))
    return (
        Case(name="valid", expected=Expected.ACCEPTED, request=valid),
        _rotated(sample, secrets, now_s),
        *_altered(sample, valid),
        *_forged(sample, secrets[0], valid, now_s),
        *_dated(sample, secrets[0], now_s),
        _not_utf8(sample, secrets[0], now_s),
        _replayed(sample, valid, kept_headers),
    )


def _signed(sample: Sample, secret: str, at: int, body: bytes | None = None) -> Request:
    request = sample.recipe.sign(sample.body if body is None else body, secret, at=at)
    for name, value in sample.unsigned.items():
        request = request.having(name, value)
    return request


def _without_a_key(valid: Request, sample: Sample) -> Iterator[Case]:
    """Yield what anybody can send where only the provider can sign: its certificate is on a host of its own."""
    why = "only the provider can sign: its certificate is on a host of its own"
    yield Case(name="valid", expected=Expected.ACCEPTED, skipped=why)
    yield _unsigned(sample, valid)
    foreign = valid
    for name, value in valid.headers:
        if value.startswith("https://"):
            foreign = foreign.having(name, "https://certificates.example/chain.pem")
    yield Case(name="foreign certificate", expected=Expected.REFUSED, request=foreign)


def _rotated(sample: Sample, secrets: Sequence[str], now_s: int) -> Case:
    if len(secrets) == 1:
        return Case(name="rotated", expected=Expected.ACCEPTED, skipped="needs both secrets: --secret NEW,OLD")
    return Case(name="rotated", expected=Expected.ACCEPTED, request=_signed(sample, secrets[1], now_s))


def _altered(sample: Sample, valid: Request) -> Iterator[Case]:
    """Yield deliveries that were changed after they had been signed."""
    yield Case(name="tampered", expected=Expected.REFUSED, request=spoiling.tampered(sample.recipe, valid))
    yield Case(name="truncated", expected=Expected.REFUSED, request=replace(valid, body=valid.body[:-1]))
    if sample.recipe.signs_bytes:
        encoded = json.dumps(json.loads(valid.body), indent=1).encode()
        yield Case(name="re-encoded", expected=Expected.REFUSED, request=replace(valid, body=encoded))
    else:
        yield Case(name="re-encoded", expected=Expected.ACCEPTED, skipped="the provider signs fields, not bytes")


def _forged(sample: Sample, secret: str, valid: Request, now_s: int) -> Iterator[Case]:
    """Yield deliveries whose signature is none, or not the receiver's."""
    yield _unsigned(sample, valid)
    foreign = _signed(sample, spoiling.another(secret), now_s)
    yield Case(name="foreign secret", expected=Expected.REFUSED, request=foreign)
    other = sample.recipe.sign_otherwise(sample.body, secret, at=now_s)
    yield Case(name="wrong algorithm", expected=Expected.REFUSED, request=other)
    headers = sample.recipe.signature_headers
    if not headers:
        yield Case(name="garbage signature", expected=Expected.REFUSED, skipped=_IN_BODY)
        yield Case(name="duplicate header", expected=Expected.REFUSED, skipped=_IN_BODY)
        return
    garbage, doubled = valid, valid
    for name in headers:
        garbage = garbage.having(name, _GARBAGE)
        doubled = doubled.having(name, valid.value(name), valid.value(name))
    yield Case(name="garbage signature", expected=Expected.REFUSED, request=garbage)
    yield Case(name="duplicate header", expected=Expected.REFUSED, request=doubled)


def _unsigned(sample: Sample, valid: Request) -> Case:
    bare = spoiling.unsigned(sample.recipe, valid, sample.body)
    return Case(name="unsigned", expected=Expected.REFUSED, request=bare)


def _dated(sample: Sample, secret: str, now_s: int) -> Iterator[Case]:
    for name, at in (("stale", now_s - _FAR_S), ("future", now_s + _FAR_S)):
        if sample.recipe.dated:
            yield Case(name=name, expected=Expected.REFUSED, request=_signed(sample, secret, at))
        else:
            yield Case(name=name, expected=Expected.REFUSED, skipped=_NO_TIME)


def _not_utf8(sample: Sample, secret: str, now_s: int) -> Case:
    if not sample.recipe.signs_bytes:
        return Case(name="bad UTF-8", expected=Expected.ANSWERED, skipped=_IN_BODY)
    body = sample.body[:-1] + b',"\xff\xfe":"\xc3"}'
    return Case(name="bad UTF-8", expected=Expected.ANSWERED, request=_signed(sample, secret, now_s, body))


def _replayed(sample: Sample, valid: Request, kept_headers: Sequence[str]) -> Case:
    """Return the delivery under another id: an unsigned one may not matter, a signed one can't be changed."""
    name = "replayed under another id"
    signed = {header.lower() for header in sample.recipe.headers}
    replayed, changed = valid, False
    for header in kept_headers:
        if header.lower() not in signed | _SAYS_NOTHING:
            replayed, changed = replayed.having(header, _ANOTHER_ID), True
    if changed:
        return Case(name=name, expected=Expected.ACCEPTED, request=replayed)
    for header, value in valid.headers:
        if value == MESSAGE_ID:
            return Case(name=name, expected=Expected.REFUSED, request=valid.having(header, _ANOTHER_ID))
    return Case(name=name, expected=Expected.ACCEPTED, skipped="the provider has no id in a header")

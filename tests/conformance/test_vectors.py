"""Every provider against its vectors file: both are found by their names, so a new one is tested by being there."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as replace_struct

from autopay_cli.recipes.signing import NOW_S, Request, substituted
from providers import registry
from providers.contract import Secret, Unprocessable
from tests.conformance import vectors
from tests.conformance.folding import Book, fact_of, standing
from tests.conformance.vectors import WINDOW, Course, Delivery, Vectors
from tests.conformance.verifying import refusal, verify

INVALID = "SIGNATURE_INVALID"
OUTSIDE = "TIMESTAMP_OUTSIDE_WINDOW"
_FLIPS_MAX = 1_500
_ORDERS_MAX = 24
_LONG = "A" * 5_000
_NOT_TIMES = ("", "1_000", "+1700000000", " 1700000000", "\uff11\uff17", "1700000000.0", "17e8", "9" * 13, "-1")
_UNSTATED = {"authorized": 0, "captured": 0, "refunded": 0, "disputed": 0, "flags": []}

FILES = [vectors.load(name) for name in vectors.names()]


def every(part: str) -> list[Any]:
    """Every item of a part of every file, with a readable id."""
    found = [(file, getattr(file, part)) for file in FILES]
    return [
        pytest.param(file, item, id=f"{file.name}: {item.name}")
        for file, items in found
        for item in (items.values() if isinstance(items, dict) else items)
    ]


each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


def signed(file: Vectors) -> Request:
    """The file's first delivery as it is sent."""
    return file.signed(file.first)


def own(file: Vectors) -> Sequence[Secret]:
    """The secret that requests are signed with."""
    return (file.secrets.current,)


def test_every_provider_has_a_vectors_file() -> None:
    """A provider without vectors is not finished."""
    assert {file.provider.name for file in FILES} == set(registry.load())


@pytest.mark.parametrize(("file", "published"), every("published"))
def test_what_the_provider_published_verifies(file: Vectors, published: vectors.Published) -> None:
    """The provider's own example is accepted, and not with a bit of it flipped."""
    secrets = (Secret("published", published.secret),)
    verified = verify(file.provider, published.request, secrets, now_s=published.now_s)
    assert verified.key_id == "published"
    for bit in _some(file.recipe.flips(published.request), 200):
        if altered := file.recipe.flip(published.request, bit):
            assert refusal(file.provider, altered, secrets, now_s=published.now_s) == INVALID


@pytest.mark.parametrize(("file", "delivery"), every("deliveries"))
def test_deliveries_mean_what_the_file_says(file: Vectors, delivery: Delivery) -> None:
    """A body as the provider sends it verifies, and maps to exactly the events stated, which the ledger takes."""
    request = file.signed(delivery)
    verified = verify(file.provider, request, own(file))
    if delivery.unprocessable:
        with pytest.raises(Unprocessable) as refused:
            vectors.mapped(file.provider, verified, request.lookup)
        assert sorted(wrong.field for wrong in refused.value.wrong) == sorted(delivery.unprocessable)
        return
    events = vectors.mapped(file.provider, verified, request.lookup)
    assert tuple(events) == delivery.events
    for event in events:
        assert event.tx_id or event.aliases
        fact_of(event if event.tx_id else replace_struct(event, tx_id="resolved"))


@pytest.mark.parametrize(("file", "delivery"), every("deliveries"))
def test_unsigned_headers_change_nothing(file: Vectors, delivery: Delivery) -> None:
    """A replay under another unsigned id, or with any other header that is kept, is the same events."""
    request = file.signed(delivery)
    bound = {name.lower() for name in file.recipe.headers}
    altered = request
    for name in file.provider.kept_headers:
        if name not in bound:
            altered = altered.having(name, "changed-by-a-replay")
    verified = verify(file.provider, altered, own(file))
    try:
        assert tuple(vectors.mapped(file.provider, verified, altered.lookup)) == delivery.events
    except Unprocessable:
        assert delivery.unprocessable


@pytest.mark.parametrize(("file", "variation"), every("variations"))
def test_variations_of_the_headers(file: Vectors, variation: vectors.Variation) -> None:
    """What the file says of headers written otherwise holds."""
    request = file.signed(file.deliveries[variation.delivery])
    words = {f"{{{name.lower()}}}": value for name, value in request.headers}
    for name, values in variation.headers.items():
        request = request.having(name, *(substituted(value, words) for value in values))
    if variation.refused:
        assert refusal(file.provider, request, own(file)) == variation.refused
    else:
        assert verify(file.provider, request, own(file)).key_id == "current"


@pytest.mark.parametrize(("file", "sequence"), every("sequences"))
def test_sequences_end_right_in_every_order(file: Vectors, sequence: Course) -> None:
    """A payment's deliveries, in whatever order and however often, end in the one state stated."""
    parts = [file.deliveries[name].events for name in sequence.deliveries]
    ends: dict[str, object] = {**_UNSTATED, **sequence.ends}
    for order in _orders(parts):
        book = Book()
        for events in (*order, *order):
            book.record(events)
        assert not book.waiting
        (payment,) = book.payments.values()
        stands = standing(payment)
        assert {name: stands[name] for name in ends} == ends


@each_file
def test_both_secrets_of_a_rotation_verify(file: Vectors) -> None:
    """Whichever of the active secrets signed, it passes, and it is the one recorded."""
    current, previous = file.secrets
    for secret in file.secrets:
        request = file.recipe.sign(file.first.body, secret.value)
        for active in ((current, previous), (previous, current)):
            assert verify(file.provider, request, active).key_id == secret.key_id


@each_file
def test_a_right_signature_among_others_is_found(file: Vectors) -> None:
    """Where a header lists signatures, any of them may be ours: the first as well as the last."""
    current, foreign = file.secrets.current.value, file.secrets.foreign.value
    for first, second in ((current, foreign), (foreign, current)):
        request = file.recipe.sign_twice(file.first.body, first, second)
        if request is None:
            return
        assert verify(file.provider, request, own(file)).key_id == "current"
    neither = file.recipe.sign_twice(file.first.body, foreign, foreign)
    assert neither is not None
    assert refusal(file.provider, neither, own(file)) == INVALID


@each_file
def test_nothing_fails_open(file: Vectors) -> None:
    """Without secrets, with another one, with an empty or a senseless one, nothing verifies."""
    nonsense = [Secret("x", value) for value in ("", "whsec_", "whpk_", "\ud800", "é", "=", "0", "{}")]
    for secrets in ((), (file.secrets.previous,), (file.secrets.foreign,), nonsense):
        assert refusal(file.provider, signed(file), secrets) == INVALID
    assert verify(file.provider, signed(file), (*nonsense, *own(file))).key_id == "current"


@each_file
def test_a_header_that_is_missing_doubled_or_senseless_is_refused(file: Vectors) -> None:
    """Every header of the scheme occurs once, and says what it must."""
    request = signed(file)
    for name in file.recipe.headers:
        value = request.value(name)
        for values in ((), ("",), (value, value), (value, "x"), ("x", value), (_LONG,), ("\udcff\0",)):
            assert refusal(file.provider, request.having(name, *values), own(file)) == INVALID
    for name in file.recipe.signature_headers:
        value = request.value(name)
        for senseless in (value[:-1], value[: len(value) // 2], f"{value}A", f"{value}=", "é" * 64):
            assert refusal(file.provider, request.having(name, senseless), own(file)) == INVALID


@each_file
def test_every_bit_counts(file: Vectors) -> None:
    """One bit flipped anywhere in what is signed, or in the signature, is refused."""
    request = signed(file)
    assert verify(file.provider, request, own(file)).key_id == "current"
    for bit in _some(file.recipe.flips(request), _FLIPS_MAX):
        if altered := file.recipe.flip(request, bit):
            assert refusal(file.provider, altered, own(file)) == INVALID


@each_file
def test_another_body_is_refused(file: Vectors) -> None:
    """Longer, shorter, re-encoded or no UTF-8: the bytes that came are the bytes that were signed."""
    request = signed(file)
    bodies = [request.body[:-1], b"", request.body + b"\xff", b"[" * 5_000, b"[]", b"null"]
    if file.recipe.signs_bytes:
        bodies += [request.body + b"\n", json.dumps(json.loads(request.body), indent=1).encode()]
    for body in bodies:
        assert refusal(file.provider, replace(request, body=body), own(file)) == INVALID


@each_file
def test_another_algorithm_is_refused(file: Vectors) -> None:
    """The provider's algorithm, and no other, whoever knows the secret."""
    request = file.recipe.sign_otherwise(file.first.body, file.secrets.current.value)
    assert refusal(file.provider, request, own(file)) == INVALID


@each_file
def test_the_replay_window_holds_where_a_time_is_signed(file: Vectors) -> None:
    """Too old and too far ahead are refused, by the second; without a signed time nothing depends on the clock."""
    request = signed(file)
    age_s, skew_s = WINDOW.age_s_max, file.recipe.skew_s
    for now_s in (NOW_S + age_s, NOW_S - skew_s):
        assert verify(file.provider, request, own(file), now_s=now_s).key_id == "current"
    for now_s in (NOW_S + age_s + 1, NOW_S - skew_s - 1):
        if file.recipe.dated:
            assert refusal(file.provider, request, own(file), now_s=now_s) == OUTSIDE
        else:
            assert verify(file.provider, request, own(file), now_s=now_s).signed_at_s is None


@each_file
@pytest.mark.parametrize("written", _NOT_TIMES)
def test_what_is_no_time_is_refused_though_it_is_signed(file: Vectors, written: str) -> None:
    """A time is plain ASCII digits (or the provider's own form): nothing that int() alone would take."""
    if file.recipe.dated:
        request = file.recipe.sign(file.first.body, file.secrets.current.value, at=written)
        assert refusal(file.provider, request, own(file)) == INVALID


def _some(count: int, most: int) -> Sequence[int]:
    """All numbers below `count`, or so many of them, always the same."""
    return range(count) if count <= most else random.Random(7).sample(range(count), most)


def _orders(parts: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """All orders of a few, some of many; the order given comes first."""
    if len(parts) <= 4:
        yield from itertools.permutations(parts)
        return
    yield parts
    yield parts[::-1]
    chance = random.Random(7)
    for _ in range(_ORDERS_MAX):
        yield chance.sample(parts, len(parts))

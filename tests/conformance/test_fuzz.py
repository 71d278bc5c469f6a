"""Whatever comes, a provider answers with events, Refused or Unprocessable, never with a bug."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as replace_struct

from autopay_cli.recipes.signing import NOW_S, Request
from mesh.errors import Fault
from providers.contract import Refused, Unprocessable
from tests.conformance import vectors
from tests.conformance.folding import fact_of
from tests.conformance.vectors import Vectors
from tests.conformance.verifying import verify

each_file = pytest.mark.parametrize("name", vectors.names())
# The first draw of text loads tables, which on a busy machine takes longer than the check allows.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

odd: st.SearchStrategy[object] = st.sampled_from(
    [
        *(None, True, False, 0, -1, 1.5, 1e308, 2**53 + 1, 2**63, 10**30, [], {}, [[]], [{}]),
        *(
            "",
            " ",
            "0",
            "-5",
            "1.50",
            "1e400",
            "a" * 100,
            "a" * 200,
            "a" * 300,
            "\0",
            "é",
            "\ud800",
            "{}",
            "<b>",
            "2026-13-01T00:00:00Z",
        ),
    ]
)
anything = st.recursive(
    odd | st.text(max_size=20) | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


def check_mapping(file: Vectors, body: bytes) -> None:
    """Map a body: it is unprocessable with its fields named, or the ledger takes every event of it."""
    try:
        events = file.provider.map(body, {})
    except Unprocessable as refused:
        named = {wrong.field for wrong in refused.wrong}
    else:
        named = {"events"}
        for event in events:
            assert event.tx_id or event.aliases
            try:
                fact_of(event if event.tx_id else replace_struct(event, tx_id="resolved"))
            except Fault as fault:
                raise AssertionError(f"the ledger refuses it: {fault.message}") from fault
    assert named


@each_file
@patient
@given(data=st.data())
def test_a_real_body_with_anything_in_any_place(name: str, data: st.DataObject) -> None:
    """A real body with one value replaced, removed or repeated maps, or is unprocessable."""
    file = vectors.load(name)
    delivery = data.draw(st.sampled_from([each for each in file.deliveries.values() if each.body[:1] == b"{"]))
    fields = json.loads(delivery.body)
    holder, key = data.draw(st.sampled_from(_places(fields)))
    if data.draw(st.booleans()):
        holder[key] = data.draw(anything)
    elif isinstance(holder, dict):
        del holder[key]
    else:
        holder.append(copy.deepcopy(holder[key]))
    check_mapping(file, json.dumps(fields).encode())


@each_file
@patient
@given(body=st.binary(max_size=300) | anything.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_and_any_json(name: str, body: bytes) -> None:
    """What is no body of the provider's maps to nothing, or is unprocessable."""
    check_mapping(vectors.load(name), body)


@each_file
@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 50_000, b"9" * 100_000, b'{"amount":' + b"9" * 9_000 + b"}"]
)
def test_what_is_made_to_hurt_a_parser(name: str, body: bytes) -> None:
    """Depth and digits without end are refused in words."""
    check_mapping(vectors.load(name), body)


@each_file
@patient
@given(body=st.binary(max_size=100), data=st.data())
def test_any_values_of_the_headers(name: str, body: bytes, data: st.DataObject) -> None:
    """Any text in the headers that sign, however often, is refused."""
    file = vectors.load(name)
    words = st.text(max_size=80) | st.binary(max_size=70).map(bytes.hex) | st.just(str(NOW_S))
    request = Request(body=body, headers=())
    for header in file.recipe.headers:
        request = request.having(header, *data.draw(st.lists(words, max_size=3)))
    with pytest.raises(Refused):
        verify(file.provider, request, (file.secrets.current,), now_s=NOW_S)


def _places(fields: Any) -> list[tuple[Any, Any]]:
    """Every place of a JSON value, as its container and key."""
    places: list[tuple[Any, Any]] = []
    keys = list(fields) if isinstance(fields, dict) else range(len(fields)) if isinstance(fields, list) else ()
    for key in keys:
        places.append((fields, key))
        places += _places(fields[key])
    return places

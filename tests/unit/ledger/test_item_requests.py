"""What a Record item may carry beside its facts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from mesh.errors import Fault, Kind
from services.ledger.item_requests import check_delivery, check_risk
from services.ledger.model import Delivery

REASON = {"code": "BURST", "sentence": "Many.", "contribution": 0.4, "evidence": {"n": "9"}}


def delivery(**changes: Any) -> Delivery:
    """A valid delivery with some fields changed."""
    fields = {
        "body": b"{}",
        "provider": "autopay",
        "headers": (("user-agent", b"\xff"),),
        "key_id": "k1",
        "received_at_ms": 1,
        "signed_at_ms": 0,
        "traceparent": "",
        **changes,
    }
    return Delivery(**fields)


def risk(**changes: Any) -> Mapping[str, Any]:
    """A valid risk with some fields changed."""
    return {"score": 1.0, "level": "low", "reasons": [REASON], "model_version": "1", **changes}


def test_what_is_within_the_limits_passes() -> None:
    """The largest body, with the largest headers, and a risk with every field."""
    check_delivery(delivery(body=b"x" * 262_144, headers=(("n" * 200, b"v" * 65_336),)))
    check_risk(risk())
    check_risk(risk(score=0.0, reasons=[REASON] * 32))


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("body", {"body": b"x" * 262_145}),
        ("headers", {"headers": (("n", b""),) * 33}),
        ("headers", {"headers": (("n", b"v" * 65_536),)}),
        ("headers[1].name", {"headers": (("n", b""), ("n" * 201, b""))}),
        ("headers[0].name", {"headers": (("a\0b", b""),)}),
        ("provider", {"provider": "p" * 201}),
        ("key_id", {"key_id": "\0"}),
        ("traceparent", {"traceparent": "0" * 201}),
        ("received_at_ms", {"received_at_ms": -1}),
        ("signed_at_ms", {"signed_at_ms": 2**63 - 1}),
    ],
)
def test_a_wrong_field_of_a_delivery_is_named(field: str, changes: Mapping[str, Any]) -> None:
    """Each limit is refused by the name of its field."""
    with pytest.raises(Fault) as refused:
        check_delivery(delivery(**changes))
    assert (refused.value.kind, refused.value.fields[0].field) == (Kind.INVALID, f"delivery.{field}")


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("score", {"score": math.nan}),
        ("score", {"score": 1.01}),
        ("model_version", {"model_version": "\0"}),
        ("reasons", {"reasons": [REASON] * 33}),
        ("reasons[0].code", {"reasons": [{**REASON, "code": "x" * 201}]}),
        ("reasons[0].sentence", {"reasons": [{**REASON, "sentence": "x" * 501}]}),
        ("reasons[0].evidence", {"reasons": [{**REASON, "evidence": {str(n): "" for n in range(33)}}]}),
        ("reasons[1].evidence", {"reasons": [REASON, {**REASON, "evidence": {"a\0": "1"}}]}),
        ("reasons[0].evidence", {"reasons": [{**REASON, "evidence": {"a": "1" * 201}}]}),
    ],
)
def test_a_wrong_field_of_a_risk_is_named(field: str, changes: Mapping[str, Any]) -> None:
    """Each limit is refused by the name of its field, and a score that is no number too."""
    with pytest.raises(Fault) as refused:
        check_risk(risk(**changes))
    assert (refused.value.kind, refused.value.fields[0].field) == (Kind.INVALID, f"risk.{field}")

"""What the OpenAPI document shows: one payment's delivery and answers, as they really look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edge.representations import Acknowledgement, Errors, Health, NativeDelivery, Payment, PaymentPage, Problem, Risk

_REQUEST: Final = "hR3kq0aXmP2f-1c9"
_TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
_AT: Final = "2026-01-31T12:00:00.250Z"

_RISK: Final[Risk] = {
    "score": 0.62,
    "level": "medium",
    "reasons": [
        {
            "code": "new_receiver",
            "sentence": "alice never paid bobs-bakery before.",
            "contribution": 0.31,
            "evidence": {"payments": "0"},
        }
    ],
}

DELIVERY: Final[NativeDelivery] = {
    "tx_id": "order-1001",
    "amount": "12.50",
    "currency": "EUR",
    "sender_account": "alice",
    "receiver_account": "bobs-bakery",
    "status": "success",
    "description": "Two loaves of bread",
}
ACKNOWLEDGEMENT: Final[Acknowledgement] = {
    "status": "processed",
    "source": "autopay",
    "request_id": _REQUEST,
    "trace_id": _TRACE,
    "tx_id": "order-1001",
    "event_id": "sha256:9f2c1b7a",
    "outcome": "CREATED",
    "transaction_status": "success",
    "version": 1,
    "risk": _RISK,
}
PAYMENT: Final[Payment] = {
    "source": "autopay",
    "tx_id": "order-1001",
    "version": 2,
    "status": "partially_refunded",
    "amount": "12.50",
    "currency": "EUR",
    "sender_account": "alice",
    "receiver_account": "bobs-bakery",
    "totals": {"authorized": "0.00", "captured": "12.50", "refunded": "2.50", "disputed": "0.00"},
    "flags": [],
    "aliases": [],
    "risk": _RISK,
    "event_count": 2,
    "analysis_state": "none",
    "recorded_at": _AT,
    "updated_at": "2026-01-31T12:05:11.020Z",
}
PAGE: Final[PaymentPage] = {
    "transactions": [PAYMENT],
    "cursor": "f26ZD2XD3ki7",
    "next": "/transactions?limit=1&cursor=f26ZD2XD3ki7",
}
PROBLEM: Final[Problem] = {
    "type": "about:blank",
    "title": "Fields are wrong",
    "status": 422,
    "detail": "Nothing was stored. Put right: amount.",
    "reason": "INVALID_FIELD",
    "request_id": _REQUEST,
    "trace_id": _TRACE,
    "errors": [{"field": "amount", "description": "must be greater than 0"}],
}
HEALTH: Final[Health] = {
    "status": "ok",
    "dependencies": [
        {
            "name": "ledger",
            "state": "up",
            "reported_by": None,
            "latency_ms": 1.9,
            "last_success": _AT,
            "needed": True,
        },
        {
            "name": "mongodb",
            "state": "up",
            "reported_by": "ledger",
            "latency_ms": 2.1,
            "last_success": _AT,
            "needed": True,
        },
    ],
    "checked_at": _AT,
}
ERRORS: Final[Errors] = {
    "scope": "this replica",
    "windows": {
        "5m": {"total": 1, "by_reason": {"SIGNATURE_INVALID": 1}},
        "1h": {"total": 1, "by_reason": {"SIGNATURE_INVALID": 1}},
        "24h": {"total": 3, "by_reason": {"SIGNATURE_INVALID": 2, "INVALID_FIELD": 1}},
    },
    "recent": [
        {
            "at": _AT,
            "reason": "SIGNATURE_INVALID",
            "status": 403,
            "where": "stripe",
            "request_id": _REQUEST,
            "trace_id": _TRACE,
        }
    ],
    "checked_at": _AT,
}
# By the name of its type.
EXAMPLES: Final[Mapping[str, Any]] = {
    "Acknowledgement": ACKNOWLEDGEMENT,
    "Errors": ERRORS,
    "Health": HEALTH,
    "NativeDelivery": DELIVERY,
    "Payment": PAYMENT,
    "PaymentPage": PAGE,
    "Problem": PROBLEM,
}

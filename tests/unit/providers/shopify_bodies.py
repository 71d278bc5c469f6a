"""Shopify's bodies."""

from __future__ import annotations

from tests.unit.providers.written import written

ORDER = 820_982_911_946_154_508


def transaction(number: int, kind: str, amount: str, *, status: str = "success", **changes: object) -> bytes:
    """A transaction as `order_transactions/create` sends it."""
    return written({**fields_of(number, kind, amount, status=status), **changes})


def refund(number: int, *transactions: dict[str, object]) -> bytes:
    """A refund with its transactions, as `refunds/create` sends it."""
    return written(
        {
            "id": number,
            "order_id": ORDER,
            "created_at": "2026-02-06T00:00:00-05:00",
            "note": "wrong size",
            "user_id": 548_380_009,
            "processed_at": "2026-02-06T00:00:00-05:00",
            "restock": True,
            "refund_line_items": [{"id": 1, "quantity": 1, "subtotal": 49.5}],
            "transactions": list(transactions),
            "order_adjustments": [],
        }
    )


def dispute(status: str, *, kind: str = "chargeback") -> bytes:
    """A dispute as `disputes/create` and `disputes/update` send it."""
    return written(
        {
            "id": 285_332_461_850_802_050,
            "order_id": ORDER,
            "type": kind,
            "amount": "99.00",
            "currency": "USD",
            "reason": "fraudulent",
            "network_reason_code": "4837",
            "status": status,
            "evidence_due_by": "2026-03-01T00:00:00-05:00",
            "evidence_sent_on": None,
            "finalized_on": None,
            "initiated_at": "2026-02-20T00:00:00-05:00",
        }
    )


def fields_of(number: int, kind: str, amount: str, *, status: str = "success") -> dict[str, object]:
    """A transaction's fields."""
    return {
        "id": number,
        "order_id": ORDER,
        "kind": kind,
        "gateway": "shopify_payments",
        "status": status,
        "message": "Transaction approved",
        "created_at": "2026-02-05T09:50:00-05:00",
        "test": False,
        "authorization": "ch_3abc",
        "location_id": None,
        "user_id": None,
        "parent_id": None,
        "processed_at": "2026-02-05T09:50:00-05:00",
        "device_id": None,
        "error_code": None,
        "source_name": "web",
        "receipt": {},
        "amount": amount,
        "currency": "USD",
        "payment_id": "c901414060.1",
        "manual_payment_gateway": False,
        "admin_graphql_api_id": f"gid://shopify/OrderTransaction/{number}",
    }

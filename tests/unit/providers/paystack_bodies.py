"""Paystack's bodies."""

from __future__ import annotations

from tests.unit.providers.written import written

REFERENCE = "qTPrJoy9Bx"


def charge(event: str = "charge.success", **changes: object) -> bytes:
    """An event of the charge."""
    data = {
        "id": 302_961,
        "domain": "live",
        "status": "success",
        "reference": REFERENCE,
        "amount": 10_000,
        "message": None,
        "gateway_response": "Approved by Financial Institution",
        "paid_at": "2026-09-30T21:10:19.000Z",
        "created_at": "2026-09-30T21:09:56.000Z",
        "channel": "card",
        "currency": "NGN",
        "ip_address": "41.242.49.37",
        "metadata": 0,
        "fees": None,
        "customer": {"id": 68_324, "email": "payer@example.com", "customer_code": "CUS_qo38as2hpsgk2r0"},
        "authorization": {"authorization_code": "AUTH_f5rnfq9p", "bin": "539999", "last4": "8877"},
        "plan": {},
    }
    return written({"event": event, "data": {**data, **changes}})


def refund(event: str, reference: str | None, amount: str, **changes: object) -> bytes:
    """An event of a refund; its amount is text."""
    data = {
        "status": event.removeprefix("refund."),
        "transaction_reference": REFERENCE,
        "refund_reference": reference,
        "amount": amount,
        "currency": "NGN",
        "processor": "mpgs_zen",
        "customer": {"first_name": "Damilola", "last_name": "Kwabena", "email": "payer@example.com"},
        "integration": 412_829,
        "domain": "live",
    }
    return written({"event": event, "data": {**data, **changes}})


def dispute(event: str, *, amount: int | None = 5_000, resolution: str | None = None) -> bytes:
    """An event of the dispute."""
    data = {
        "id": 358_950,
        "refund_amount": amount,
        "currency": "NGN",
        "status": "resolved" if resolution else "awaiting-merchant-feedback",
        "resolution": resolution,
        "domain": "live",
        "transaction": {"id": 302_961, "domain": "live", "reference": REFERENCE, "amount": 10_000, "currency": "NGN"},
        "category": None,
        "dueAt": "2026-10-09T19:00:00.000Z",
        "created_at": "2026-10-08T11:25:26.000Z",
        "updated_at": "2026-10-08T11:25:26.000Z",
    }
    return written({"event": event, "data": data})

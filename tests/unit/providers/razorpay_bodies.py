"""Razorpay's bodies."""

from __future__ import annotations

from collections.abc import Mapping

from tests.unit.providers.written import written

PAYMENT = "pay_DESlfW9H8K9uqM"


def payment(event: str, *, at_s: int = 1_567_674_606, **changes: object) -> bytes:
    """An event of the payment."""
    contains = ["payment", "order"] if event == "order.paid" else ["payment"]
    payload: dict[str, object] = {"payment": {"entity": {**_payment(), **changes}}}
    if event == "order.paid":
        payload["order"] = {"entity": {"id": "order_DESlLckIVRkHWj", "amount": 50_000, "amount_paid": 50_000}}
    return _event(event, contains, payload, at_s)


def refund(event: str, refund_id: str, amount: int, *, refunded: int, status: str = "processed") -> bytes:
    """An event of a refund; the payment beside it states what was refunded of it in all."""
    entity = {
        "id": refund_id,
        "entity": "refund",
        "amount": amount,
        "currency": "INR",
        "payment_id": PAYMENT,
        "notes": {"comment": "Customer asked"},
        "receipt": None,
        "acquirer_data": {"arn": None},
        "created_at": 1_567_700_000,
        "batch_id": None,
        "status": status,
        "speed_processed": "normal",
        "speed_requested": "optimum",
    }
    beside = {**_payment(), "amount_refunded": refunded, "refund_status": "partial"}
    payload = {"refund": {"entity": entity}, "payment": {"entity": beside}}
    return _event(event, ["refund", "payment"], payload, 1_567_700_001)


def dispute(event: str, amount: int = 30_000, *, status: str = "open") -> bytes:
    """An event of the dispute."""
    entity = {
        "id": "disp_EsIAlDcoUr8CaQ",
        "entity": "dispute",
        "payment_id": PAYMENT,
        "amount": amount,
        "currency": "INR",
        "amount_deducted": amount,
        "reason_code": "processing_error",
        "respond_by": 1_568_000_000,
        "status": status,
        "phase": "chargeback",
        "created_at": 1_567_800_000,
    }
    payload = {"dispute": {"entity": entity}, "payment": {"entity": _payment()}}
    return _event(event, ["payment", "dispute"], payload, 1_567_800_001)


def _payment() -> dict[str, object]:
    return {
        "id": PAYMENT,
        "entity": "payment",
        "amount": 50_000,
        "currency": "INR",
        "base_amount": 50_000,
        "status": "captured",
        "order_id": "order_DESlLckIVRkHWj",
        "invoice_id": None,
        "international": False,
        "method": "netbanking",
        "amount_refunded": 0,
        "refund_status": None,
        "captured": True,
        "description": "Tickets",
        "card_id": None,
        "bank": "HDFC",
        "email": "payer@example.com",
        "contact": "+919876543210",
        "notes": [],
        "fee": 1_000,
        "tax": 180,
        "error_code": None,
        "created_at": 1_567_674_599,
    }


def _event(event: str, contains: list[str], payload: Mapping[str, object], at_s: int) -> bytes:
    return written(
        {
            "entity": "event",
            "account_id": "acc_BFQ7uQEaa7j2z7",
            "event": event,
            "contains": contains,
            "payload": payload,
            "created_at": at_s,
        }
    )

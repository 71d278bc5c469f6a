"""Mollie's bodies: events with their entity, and the entity alone."""

from __future__ import annotations

import json

from tests.unit.providers.written import written

PAYMENT = "tr_5B8cwPMGnU6qLbRvo7qEZo"


def wrapped(entity: bytes, event: str, event_id: str = "event_GvJ8WHrp5isUdRub9CJyH") -> bytes:
    """The event that holds an entity."""
    fields = json.loads(entity)
    return written(
        {
            "resource": "event",
            "id": event_id,
            "type": event,
            "entityId": fields["id"],
            "createdAt": "2026-12-16T15:57:04.0Z",
            "_embedded": {"entity": fields},
            "_links": {"self": {"href": "https://api.mollie.com/v2/events/event_G", "type": "application/hal+json"}},
        }
    )


def payment(status: str, **changes: object) -> bytes:
    """The payment in a status."""
    fields = {
        "resource": "payment",
        "id": PAYMENT,
        "mode": "live",
        "amount": _euro("100.00"),
        "description": "Order #12345",
        "method": "creditcard",
        "sequenceType": "oneoff",
        "metadata": '{"order_id":12345}',
        "profileId": "pfl_QkEhN94Ba",
        "customerId": "cst_8wmqcHMN4U",
        "status": status,
        "createdAt": "2026-03-20T09:13:37+00:00",
        "authorizedAt": "2026-03-20T09:15:02+00:00",
    }
    if status == "paid":
        fields["paidAt"] = "2026-03-21T10:00:00+00:00"
    return written({**fields, **changes})


def capture(capture_id: str, value: str, status: str = "succeeded") -> bytes:
    """A capture in a status."""
    return _of_payment("capture", capture_id, value, status=status)


def refund(refund_id: str, value: str, status: str) -> bytes:
    """A refund in a status."""
    return _of_payment("refund", refund_id, value, status=status, description="Order #12345")


def chargeback(value: str, *, reversed_at: str | None = None) -> bytes:
    """The chargeback, as received or reversed."""
    return _of_payment("chargeback", "chb_xFzwUN4ci8HAmSGUACS4J", value, reversedAt=reversed_at)


def _euro(value: str) -> dict[str, str]:
    return {"value": value, "currency": "EUR"}


def _of_payment(resource: str, entity_id: str, value: str, **fields: object) -> bytes:
    return written(
        {
            "resource": resource,
            "id": entity_id,
            "mode": "live",
            "amount": _euro(value),
            "paymentId": PAYMENT,
            "createdAt": "2026-03-22T09:15:02+00:00",
            **fields,
        }
    )

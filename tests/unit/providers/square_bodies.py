"""Square's bodies."""

from __future__ import annotations

from tests.unit.providers.written import written

URL = "https://pay.example.com/webhooks/square"
PAYMENT = "hYy9pRFVxpDsO1FB05SunFWUe9JZY"


def payment(status: str, version: int, /, *, event: str = "payment.updated", **changes: object) -> bytes:
    """The payment in a status."""
    state = {
        "id": PAYMENT,
        "amount_money": {"amount": 1_000, "currency": "USD"},
        "approved_money": {"amount": 1_100, "currency": "USD"},
        "total_money": {"amount": 1_100, "currency": "USD"},
        "card_details": {"card": {"card_brand": "VISA", "last_4": "9760"}, "entry_method": "KEYED", "status": status},
        "created_at": "2026-11-22T21:16:51.086Z",
        "updated_at": f"2026-11-22T21:16:{51 + version:02}.198Z",
        "customer_id": "NQBWMQ4RVX5R9BP7",
        "delay_action": "CANCEL",
        "location_id": "S8GWD5R9QB376",
        "order_id": "03O3USaPaAaFnI6kkwB1JxGgBsUZY",
        "receipt_number": "hYy9",
        "risk_evaluation": {"risk_level": "NORMAL"},
        "source_type": "CARD",
        "status": status,
        "version": version,
    }
    return _event(event, "payment", {**state, **changes}, f"pay-{version}")


def refund(refund_id: str, amount: int, status: str, *, event: str = "refund.updated") -> bytes:
    """A refund in a status."""
    state = {
        "id": refund_id,
        "created_at": "2026-11-23T21:27:41.836Z",
        "updated_at": "2026-11-23T21:27:41.846Z",
        "amount_money": {"amount": amount, "currency": "USD"},
        "status": status,
        "location_id": "S8GWD5R9QB376",
        "order_id": "03O3USaPaAaFnI6kkwB1JxGgBsUZY",
        "payment_id": PAYMENT,
        "version": 10,
    }
    return _event(event, "refund", state, f"{refund_id}-{status}-{event}")


def dispute(state: str, *, event: str = "dispute.state.updated") -> bytes:
    """The dispute in a state."""
    fields = {
        "id": "ORSEVtZAJxb37RA1EiGw",
        "amount_money": {"amount": 1_100, "currency": "USD"},
        "brand_dispute_id": "r5On0UaZQgW5Ho30jQ2XRg",
        "card_brand": "VISA",
        "created_at": "2026-12-01T21:27:41.836Z",
        "disputed_payment": {"payment_id": PAYMENT},
        "due_at": "2026-12-14T00:00:00.000Z",
        "location_id": "S8GWD5R9QB376",
        "reason": "AMOUNT_DIFFERS",
        "state": state,
        "updated_at": "2026-12-01T21:27:41.836Z",
        "version": 2,
    }
    return _event(event, "dispute", fields, f"dispute-{state}")


def _event(event: str, family: str, state: object, event_id: str) -> bytes:
    return written(
        {
            "merchant_id": "6SSW7HV8K2ST5",
            "type": event,
            "event_id": event_id,
            "created_at": "2026-11-22T21:16:52.498Z",
            "data": {"type": family, "id": PAYMENT, "object": {family: state}},
        }
    )

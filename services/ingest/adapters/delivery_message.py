"""A delivery's message in ingest's own words."""

from __future__ import annotations

from autopay.type.v1 import delivery_pb2

from services.ingest.model import Delivery, DeliveryMessage


def to_delivery(message: delivery_pb2.Delivery) -> Delivery:
    """Return the delivery, which goes on to the ledger as the message it came as."""
    return Delivery(
        delivery_id=message.delivery_id,
        source=message.source,
        provider=message.provider,
        body=message.body,
        headers={header.name: header.value for header in message.headers},
        received_at_ms=message.received_at_ms,
        traceparent=message.traceparent,
        message=DeliveryMessage(message),
    )

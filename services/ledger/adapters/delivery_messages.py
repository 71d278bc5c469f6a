"""Kept deliveries as messages."""

from __future__ import annotations

from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import delivery_pb2

from services.ledger.adapters.payment_messages import event_message
from services.ledger.quarantine_ports import KeptDelivery


def delivery_message(kept: KeptDelivery) -> ledger_pb2.StoredDelivery:
    """Return a delivery as its message, with bytes and headers where they were read."""
    delivery = kept.delivery
    return ledger_pb2.StoredDelivery(
        id=kept.id,
        delivery=delivery_pb2.Delivery(
            delivery_id=kept.delivery_id,
            source=kept.source,
            provider=delivery.provider,
            body=delivery.body,
            headers=[delivery_pb2.Header(name=name, value=value) for name, value in delivery.headers],
            key_id=delivery.key_id,
            received_at_ms=delivery.received_at_ms,
            signed_at_ms=delivery.signed_at_ms,
            traceparent=delivery.traceparent,
        ),
        disposition=kept.disposition,  # type: ignore[arg-type]  # the numbers are the same
        disposition_detail=kept.detail,
        count=kept.count,
        last_seen_at_ms=kept.last_seen_at_ms,
        transactions=[
            ledger_pb2.TransactionName(source=kept.source, tx_id=payment_id.partition(":")[2])
            for payment_id in kept.payments
        ],
        conflicts=[
            ledger_pb2.ConflictingEvent(event=event_message(conflict.event), field=conflict.field)
            for conflict in kept.conflicts
        ],
        resolutions=[
            ledger_pb2.DeliveryResolution(
                resolution=resolved.resolution,  # type: ignore[arg-type]  # the numbers are the same
                author=resolved.author,
                note=resolved.note,
                resolved_at_ms=resolved.at_ms,
            )
            for resolved in kept.resolutions
        ],
        recorded_at_ms=kept.recorded_at_ms,
        lease_count=kept.lease_count,
        erased=kept.erased,
    )

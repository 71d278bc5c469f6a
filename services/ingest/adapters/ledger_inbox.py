"""The ledger's inbox, over gRPC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import grpc
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from mesh.channel import call
from services.ingest.adapters.delivery_message import to_delivery
from services.ingest.model import Delivery

_WORKER: Final = "ingest"
_ANSWER_S: Final = 5.0


class LedgerInbox:
    """Leases waiting deliveries from the ledger. Fits `ports.Inbox`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Call through `channel`, which the caller closes."""
        self._lease = ledger_pb2_grpc.LedgerServiceStub(channel).LeaseDeliveries

    async def lease(self, *, count_max: int, lease_s: float, wait_s: float) -> Sequence[Delivery]:
        """Take waiting deliveries.

        Raises:
            Fault: what the ledger or the channel said.
        """
        request = ledger_pb2.LeaseDeliveriesRequest(
            worker=_WORKER, deliveries_max=count_max, lease_ms=int(lease_s * 1000), wait_ms=int(wait_s * 1000)
        )
        response: ledger_pb2.LeaseDeliveriesResponse = await call(self._lease, request, timeout_s=wait_s + _ANSWER_S)
        return [to_delivery(stored.delivery) for stored in response.deliveries]

"""The ledger's feed by WatchTransactions: resumed after every interruption, every stream with a deadline."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

import grpc
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from autopay.type.v1 import payment_pb2
from structlog.typing import FilteringBoundLogger

from mesh.errors import Kind, from_rpc_error
from services.insight.labels import Dispute, Turn, label_of_dispute
from services.insight.model import Page, Payment
from services.insight.pause import pause

# A stream ends by itself after so long and is resumed, perhaps at another replica.
_STREAM_S: Final = 600.0
# Heartbeats tell a quiet feed from a dead one, and bring newer tokens.
_HEARTBEAT_MS: Final = 5_000
_PAUSE_S_MIN: Final = 0.1
_PAUSE_S_MAX: Final = 5.0

# Events that state what a sender pays or tries to: a declined attempt is the sender's act as much, and where it opened
# the payment, the capture that follows is no new one. A refund or a dispute states nothing of it.
_PAYMENT_KINDS: Final = frozenset(
    {
        payment_pb2.EVENT_KIND_FAILED,
        payment_pb2.EVENT_KIND_PENDING,
        payment_pb2.EVENT_KIND_AUTHORIZED,
        payment_pb2.EVENT_KIND_CAPTURED,
    }
)
_TURNS: Final[frozenset[int]] = frozenset(Turn)


class LedgerFeed:
    """Follows the ledger's changes."""

    def __init__(
        self,
        stub: ledger_pb2_grpc.LedgerServiceStub,
        *,
        log: FilteringBoundLogger,
        fraud_reasons: frozenset[int] = frozenset(),
    ) -> None:
        """Call through `stub`; disputes for these reasons say that a payment was fraud."""
        self._stub = stub
        self._fraud_reasons = fraud_reasons
        self._log = log

    async def follow(self, token: str) -> AsyncGenerator[Page, None]:
        """Yield pages after `token` for ever, or from now on where it is empty.

        Raises:
            Fault: OUT_OF_RANGE or INVALID where the token can't be resumed.
        """
        failures, pause_s = 0, _PAUSE_S_MIN
        while True:
            request = ledger_pb2.WatchTransactionsRequest(resume_token=token, heartbeat_ms=_HEARTBEAT_MS)
            stream = self._stub.WatchTransactions(request, timeout=_STREAM_S)
            try:
                async for response in stream:
                    if failures > 1:
                        self._log.info("feed_resumed", failures=failures)
                    failures, pause_s = 0, _PAUSE_S_MIN
                    token = response.resume_token or token
                    changes = response.changes
                    payments = [payment for change in changes if (payment := _payment(change)) is not None]
                    disputes = [dispute for change in changes if (dispute := self._dispute(change)) is not None]
                    yield Page(changes=len(changes), payments=payments, token=token, disputes=disputes)
            except grpc.aio.AioRpcError as error:
                fault = from_rpc_error(error)
                if token and fault.kind in {Kind.OUT_OF_RANGE, Kind.INVALID}:
                    raise fault from error
                failures += 1
                # One interruption is a deadline or a rollout; a second without a message between is worth a
                # line.
                if failures == 2:  # noqa: PLR2004 - see above
                    self._log.warning("feed_unreachable", reason=fault.reason, message=fault.message[:200])
            finally:
                stream.cancel()
            await pause(pause_s)
            pause_s = min(pause_s * 2, _PAUSE_S_MAX)

    def _dispute(self, change: ledger_pb2.TransactionChange) -> Dispute | None:
        """Return what a change says of its payment by way of a dispute; nearly none says anything."""
        for event in change.events:
            if event.kind in _TURNS:
                break
        else:
            return None
        label = label_of_dispute(
            [(event.kind, event.dispute_reason) for event in change.events],
            disputed=change.status == payment_pb2.PAYMENT_STATUS_DISPUTED,
            fraud_reasons=self._fraud_reasons,
        )
        if label is None:
            return None
        return Dispute(source=change.source, tx_id=change.tx_id, version=change.version, label=label)


def _payment(change: ledger_pb2.TransactionChange) -> Payment | None:
    """Return the payment a change opened, None where it opened none."""
    if change.outcome != ledger_pb2.OUTCOME_CREATED or not change.events:
        return None
    event = change.events[0]
    amount = event.amount
    minor_units = amount.minor_units
    if minor_units <= 0 or event.kind not in _PAYMENT_KINDS:
        return None
    sender = change.sender_account or event.sender_account
    receiver = change.receiver_account or event.receiver_account
    return Payment(change.source, change.tx_id, sender, receiver, minor_units, amount.currency, change.recorded_at_ms)

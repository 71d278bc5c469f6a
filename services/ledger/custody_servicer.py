"""LedgerService's custody of raw bytes: proto ⇄ domain, no decisions."""

from __future__ import annotations

import re
from typing import Any, Final

import grpc
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from mesh.errors import invalid
from services.ledger import read_requests as rules
from services.ledger.custody import Custodian

_AUTHOR_MAX: Final = 100
_NOTE_MAX: Final = 500
# What is not sealed yet travels: up to 256 KiB each.
_RESEALED_MAX: Final = 1_000
_RESEALED_DEFAULT: Final = 200

_id = re.compile(r"[a-z0-9_-]{1,40}:[0-9a-f]{64}", re.ASCII).fullmatch

Context = grpc.aio.ServicerContext[Any, Any]


class CustodyServicer(ledger_pb2_grpc.LedgerServiceServicer):
    """The RPCs over raw bytes."""

    def __init__(self, custodian: Custodian) -> None:
        """Erase and reseal through `custodian`."""
        self._custodian = custodian

    async def EraseDeliveries(
        self, request: ledger_pb2.EraseDeliveriesRequest, context: Context
    ) -> ledger_pb2.EraseDeliveriesResponse:
        """Erase the bytes behind the next page of an account's payments."""
        del context
        rules.check_account(request.account, "account")
        rules.check_text(request.author, _AUTHOR_MAX, "author")
        rules.check_text(request.note, _NOTE_MAX, "note")
        page = await self._custodian.erase(
            request.account, author=request.author, note=request.note, token=request.page_token
        )
        return ledger_pb2.EraseDeliveriesResponse(
            payments=page.payments,
            erased=page.erased.count,
            held_ids=page.erased.held,
            next_page_token=page.next_token,
        )

    async def ResealDeliveries(
        self, request: ledger_pb2.ResealDeliveriesRequest, context: Context
    ) -> ledger_pb2.ResealDeliveriesResponse:
        """Have the next deliveries under the first key."""
        del context
        if request.after_id and not _id(request.after_id):
            raise invalid("after_id", "must be the last_id of the answer before")
        count_max = request.deliveries_max or _RESEALED_DEFAULT
        rules.check_range(count_max, 1, _RESEALED_MAX, "deliveries_max")
        done = await self._custodian.reseal(after_id=request.after_id, count_max=count_max)
        return ledger_pb2.ResealDeliveriesResponse(
            examined=done.examined,
            resealed=done.resealed,
            unopenable=done.unopenable,
            key_id=done.key_id,
            last_id=done.last_id,
        )

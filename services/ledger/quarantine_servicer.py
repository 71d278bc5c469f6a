"""LedgerService's quarantine: proto ⇄ domain, no decisions."""

from __future__ import annotations

import re
from typing import Any, Final

import grpc
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from mesh import callers
from mesh.errors import invalid
from services.ledger import read_requests as rules
from services.ledger.adapters.delivery_messages import delivery_message
from services.ledger.auditing import Action, Auditor
from services.ledger.dispositions import LISTED, QUARANTINE, Resolution
from services.ledger.quarantine import DeliveryQuery, Quarantine
from services.ledger.requests import check_source

_PAGE_ROWS_MAX: Final = 200
_BODIES_MAX: Final = 20
_AUTHOR_MAX: Final = 100
_NOTE_MAX: Final = 500
_LEASED_MAX: Final = 50
# A page of bodies has to fit into one message, as many as are leased at once do.
_LEASED_BODIES_MAX: Final = 20
_LEASE_MS_MIN: Final = 5_000
_LEASE_MS_MAX: Final = 300_000
_WAIT_MS_MAX: Final = 30_000

_id = re.compile(r"([a-z0-9_-]{1,40}):[0-9a-f]{64}", re.ASCII).fullmatch
_RESOLUTIONS: Final = {int(resolution): resolution for resolution in Resolution}
_LISTED: Final = {0: QUARANTINE} | {int(each): frozenset({each}) for each in LISTED}

Context = grpc.aio.ServicerContext[Any, Any]


class QuarantineServicer(ledger_pb2_grpc.LedgerServiceServicer):
    """The RPCs over what is not recorded."""

    def __init__(self, quarantine: Quarantine, auditor: Auditor) -> None:
        """List and resolve through `quarantine`; `auditor` notes who saw bytes and who decided."""
        self._quarantine = quarantine
        self._auditor = auditor

    async def ListDeliveries(
        self, request: ledger_pb2.ListDeliveriesRequest, context: Context
    ) -> ledger_pb2.ListDeliveriesResponse:
        """Return one page, or the one delivery that is named."""
        del context
        if request.id:
            rows, next_token = [await self._one(request)], ""
        else:
            page = await self._quarantine.page(_query(request), request.page_token)
            rows, next_token = list(page.rows), page.next_token
        if request.with_body and rows:
            await self._auditor.note(Action.READ_DELIVERY, [kept.id for kept in rows])
        return ledger_pb2.ListDeliveriesResponse(
            deliveries=[delivery_message(kept) for kept in rows], next_page_token=next_token
        )

    async def ResolveDelivery(
        self, request: ledger_pb2.ResolveDeliveryRequest, context: Context
    ) -> ledger_pb2.ResolveDeliveryResponse:
        """End one delivery's quarantine."""
        del context
        source = _source_of(request.id)
        resolution = _RESOLUTIONS.get(request.resolution)
        if resolution is None:
            raise invalid("resolution", "must be one of Resolution")
        _check_text(request.author, _AUTHOR_MAX, "author")
        _check_text(request.note, _NOTE_MAX, "note")
        callers.current().demand(source)
        await self._auditor.note(
            Action.RESOLVE_DELIVERY,
            [request.id],
            resolution=resolution.name.lower(),
            author=request.author,
            note=request.note,
        )
        kept = await self._quarantine.resolve(request.id, resolution, author=request.author, note=request.note)
        return ledger_pb2.ResolveDeliveryResponse(delivery=delivery_message(kept))

    async def LeaseDeliveries(
        self, request: ledger_pb2.LeaseDeliveriesRequest, context: Context
    ) -> ledger_pb2.LeaseDeliveriesResponse:
        """Hand out waiting deliveries."""
        del context
        _check_text(request.worker, _AUTHOR_MAX, "worker")
        rules.check_range(request.deliveries_max, 1, _LEASED_MAX, "deliveries_max")
        rules.check_range(request.lease_ms, _LEASE_MS_MIN, _LEASE_MS_MAX, "lease_ms")
        rules.check_range(request.wait_ms, 0, _WAIT_MS_MAX, "wait_ms")
        leased = await self._quarantine.lease(
            worker=request.worker,
            count_max=min(request.deliveries_max, _LEASED_BODIES_MAX),
            lease_ms=request.lease_ms,
            wait_s=request.wait_ms / 1000,
        )
        if leased:
            # Where this fails, they come again.
            await self._auditor.note(Action.READ_DELIVERY, [kept.id for kept in leased], worker=request.worker)
        return ledger_pb2.LeaseDeliveriesResponse(deliveries=[delivery_message(kept) for kept in leased])

    async def _one(self, request: ledger_pb2.ListDeliveriesRequest) -> Any:
        _source_of(request.id)
        others = (request.disposition, request.source, request.received_since_ms, request.page_token)
        if any(others):
            raise invalid("id", "must stand alone: it names one delivery")
        return await self._quarantine.get(request.id, body=request.with_body)


def _query(request: ledger_pb2.ListDeliveriesRequest) -> DeliveryQuery:
    wanted = _LISTED.get(request.disposition)
    if wanted is None:
        raise invalid("disposition", "must be CONFLICT, UNPROCESSABLE, WAITING, IGNORED, DISMISSED or unset")
    if request.source:
        check_source(request.source, "source")
    rules.check_range(request.received_since_ms, 0, rules.TIME_MS_MAX, "received_since_ms")
    rows_max = _BODIES_MAX if request.with_body else _PAGE_ROWS_MAX
    page_rows = request.page_size or min(rules.PAGE_ROWS_DEFAULT, rows_max)
    rules.check_range(page_rows, 1, rows_max, "page_size")
    return DeliveryQuery(
        dispositions=wanted,
        source=request.source,
        received_since_ms=request.received_since_ms,
        page_rows=page_rows,
        body=request.with_body,
    )


def _source_of(delivery_key: str) -> str:
    matched = _id(delivery_key)
    if matched is None:
        raise invalid("id", "must be {source}:{sha256 of the body in hex}")
    return matched[1]


def _check_text(text: str, most: int, field: str) -> None:
    if not text.strip() or len(text) > most or "\0" in text:
        raise invalid(field, f"must be 1 to {most} characters without NUL")

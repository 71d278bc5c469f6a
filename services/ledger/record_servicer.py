"""LedgerService's recording side: proto ⇄ domain, no decisions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, Final

import grpc
from autopay.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from mesh import callers
from mesh.errors import Fault, Kind, invalid
from services.ledger.adapters.record_messages import fill_refused, fill_result, fill_unrecorded, to_item
from services.ledger.intake import Intake
from services.ledger.model import Item, ItemResult
from services.ledger.ordered import answers_in_order
from services.ledger.requests import ITEMS_MAX

# Of one stream so many batches are recorded at once; the next one is not even read before one of them is answered.
_STREAM_PENDING_MAX: Final = 4
_FULL_PAUSE_S: Final = 0.05
_UNANSWERED: Final = ItemResult(disposition=None)


class RecordServicer(ledger_pb2_grpc.LedgerServiceServicer):
    """The RPCs that write."""

    def __init__(self, intake: Intake) -> None:
        """Record through `intake`."""
        self._intake = intake

    async def Record(
        self, request: ledger_pb2.RecordRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> ledger_pb2.RecordResponse:
        """Record a batch; an item with a wrong field, or of a source the caller may not write, fails alone."""
        del context
        _check_count(len(request.items))
        response = ledger_pb2.RecordResponse()
        _fill(response, await self._record(request.items, size=request.ByteSize()))
        return response

    async def RecordStream(
        self,
        request_iterator: AsyncIterator[ledger_pb2.RecordStreamRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[ledger_pb2.RecordStreamResponse]:
        """Record batches as they come and answer in their order; only a malformed batch ends the stream."""
        del context
        answers = answers_in_order(request_iterator, self._record_patiently, pending_max=_STREAM_PENDING_MAX)
        async with aclosing(answers):
            async for answer in answers:
                yield answer

    async def _record_patiently(self, request: ledger_pb2.RecordStreamRequest) -> ledger_pb2.RecordStreamResponse:
        """Record one batch of a stream; a full queue slows the stream down, a lost answer is its items' alone."""
        _check_count(len(request.items))
        response = ledger_pb2.RecordStreamResponse()
        while True:
            try:
                ends = await self._record(request.items, size=request.ByteSize())
            except Fault as fault:
                if not fault.retryable:
                    raise
                if fault.kind is not Kind.EXHAUSTED:
                    for place in range(len(request.items)):
                        fill_unrecorded(response.results.add(), place, fault)
                    return response
                await asyncio.sleep(_FULL_PAUSE_S)
            else:
                _fill(response, ends)
                return response

    async def _record(self, items: Sequence[ledger_pb2.RecordItem], *, size: int) -> Sequence[ItemResult | Fault]:
        """Return how each item ended, in order: with a result, or refused."""
        caller = callers.current()
        limited = not caller.unlimited
        if limited and not any(caller.may_write(message.source) for message in items):
            caller.demand(items[0].source)
        ends: list[ItemResult | Fault] = [_UNANSWERED] * len(items)
        good: list[Item] = []
        places: list[int] = []
        for place, message in enumerate(items):
            try:
                if limited:
                    caller.demand(message.source)
                good.append(to_item(message))
                places.append(place)
            except Fault as fault:
                ends[place] = fault
        if good:
            recorded = await self._intake.record(good, size=size)
            for place, result in zip(places, recorded, strict=True):
                ends[place] = result
        return ends


def _fill(
    response: ledger_pb2.RecordResponse | ledger_pb2.RecordStreamResponse, ends: Sequence[ItemResult | Fault]
) -> None:
    for place, end in enumerate(ends):
        message = response.results.add()
        if isinstance(end, Fault):
            fill_refused(message, place, end)
        else:
            fill_result(message, place, end)


def _check_count(count: int) -> None:
    if not count:
        raise invalid("items", f"must hold 1 to {ITEMS_MAX} items")
    if count > ITEMS_MAX:
        raise Fault(
            kind=Kind.OUT_OF_RANGE,
            reason="TOO_LARGE",
            message=f"items: holds {count}, the most is {ITEMS_MAX}",
            metadata={"limit": str(ITEMS_MAX)},
        )

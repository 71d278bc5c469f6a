"""Exporting payments as rows: the list gives the names, each payment's events are read one payment at a time."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Final

from autopay_cli.event_rows import Row, rows_of

if TYPE_CHECKING:
    from autopay.ledger.v1 import ledger_pb2
    from autopay_client import AsyncLedgerClient
    from autopay_client.requests import Selection

_READS_MAX: Final = 16


async def payments(client: AsyncLedgerClient, wanted: Selection, *, limit: int) -> AsyncIterator[Sequence[Row]]:
    """Yield the rows of each payment, newest first, up to `limit` payments (0 for all).

    Raises:
        LedgerError: the ledger stopped answering.
    """
    reads: collections.deque[asyncio.Task[ledger_pb2.Transaction]] = collections.deque()
    count = 0
    try:
        async for each in client.list(**wanted):
            reads.append(asyncio.create_task(client.get(each.source, each.tx_id, full=True)))
            count += 1
            if len(reads) == _READS_MAX:
                yield rows_of(await reads.popleft())
            if count == limit:
                break
        while reads:
            yield rows_of(await reads.popleft())
    finally:
        for read in reads:
            read.cancel()
        await asyncio.gather(*reads, return_exceptions=True)

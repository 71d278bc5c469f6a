"""Times the ledger's reads, one at a time: one payment, first pages, and a page deep inside a list."""

from __future__ import annotations

import random
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from autopay.ledger.v1 import ledger_pb2

from bench import ledger_payments
from bench.ledger_process import LedgerLostError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopay.ledger.v1 import ledger_pb2_grpc

PAGE_ROWS: Final = 50
_DEEP_PAGE: Final = 1_000
_GETS: Final = 300
_FIRST_PAGES: Final = 25
_PAGE_PAIRS: Final = 60
_WARM: Final = 10
_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """Medians in milliseconds; `deep_page` is the number of the page held against page 2."""

    get_ms: float
    first_page_ms: Mapping[str, float]
    page_2_ms: float
    deep_page: int
    deep_page_ms: float

    @property
    def deep_ratio(self) -> float:
        """What the deep page costs in pages 2."""
        return self.deep_page_ms / self.page_2_ms


class Readers:
    """Asks the ledger the same questions at every size."""

    def __init__(self, stub: ledger_pb2_grpc.LedgerServiceStub) -> None:
        """Ask through `stub`."""
        self._stub = stub

    async def measure(self, payments: int) -> Reads:
        """Read from a ledger of so many payments."""
        first_ms = {name: await self._first_page_ms(selector) for name, selector in ledger_payments.selectors().items()}
        get_ms = await self._get_ms(payments)
        deep_page = min(_DEEP_PAGE, payments // PAGE_ROWS)
        page_2_ms, deep_page_ms = await self._deep_ms(deep_page)
        return Reads(
            get_ms=get_ms, first_page_ms=first_ms, page_2_ms=page_2_ms, deep_page=deep_page, deep_page_ms=deep_page_ms
        )

    async def _get_ms(self, payments: int) -> float:
        chance, taken_ms = random.Random(payments), list[float]()
        for _ in range(_WARM + _GETS):
            name = ledger_payments.name_of(chance.randrange(payments))
            request = ledger_pb2.GetTransactionRequest(source=name.source, tx_id=name.tx_id)
            started = time.perf_counter()
            await self._stub.GetTransaction(request, timeout=_TIMEOUT_S)
            taken_ms.append((time.perf_counter() - started) * 1e3)
        return statistics.median(taken_ms[_WARM:])

    async def _first_page_ms(self, selector: ledger_pb2.TransactionSelector) -> float:
        taken_ms = [(await self._page(selector))[0] for _ in range(_FIRST_PAGES)]
        return statistics.median(taken_ms)

    async def _deep_ms(self, deep_page: int) -> tuple[float, float]:
        """Walk to the deep page, then read page 2 and it in turns."""
        everything, tokens = ledger_pb2.TransactionSelector(), [""]
        while len(tokens) < deep_page:
            tokens.append((await self._page(everything, tokens[-1]))[1])
        taken_ms: tuple[list[float], list[float]] = ([], [])
        for _ in range(_PAGE_PAIRS):
            for token, taken in zip((tokens[1], tokens[-1]), taken_ms, strict=True):
                taken.append((await self._page(everything, token))[0])
        return statistics.median(taken_ms[0]), statistics.median(taken_ms[1])

    async def _page(self, selector: ledger_pb2.TransactionSelector, token: str = "") -> tuple[float, str]:
        """Return the milliseconds a full page took, and the token of the next one."""
        request = ledger_pb2.ListTransactionsRequest(selector=selector, page_size=PAGE_ROWS, page_token=token)
        started = time.perf_counter()
        answer = await self._stub.ListTransactions(request, timeout=_TIMEOUT_S)
        taken_ms = (time.perf_counter() - started) * 1e3
        if len(answer.transactions) != PAGE_ROWS:
            # A page with fewer rows would be quick, and say nothing.
            message = f"a page holds {len(answer.transactions)} payments, not {PAGE_ROWS}"
            raise LedgerLostError(message)
        return taken_ms, answer.next_page_token

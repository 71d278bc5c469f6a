"""HTTP reads: one payment by its id, and what is served here."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import orjson
from aiohttp import web

from edge.api_keys import ApiKeys
from edge.key_entries import Scope
from edge.ports import Ledger
from edge.problems import bug, of_fault
from edge.readiness import Readiness
from edge.webhooks import RequestIds
from mesh.errors import Fault, Kind, invalid
from mesh.tracing import Tracing

_READ_BUDGET_S: Final = 2.0
_tx_id = re.compile(r"[A-Za-z0-9_.:-]{1,100}", re.ASCII).fullmatch
_source = re.compile(r"[a-z0-9_-]{1,40}", re.ASCII).fullmatch
_JSON: Final = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}

Read = Callable[[web.Request], Awaitable[bytes]]


class Reads:
    """Answers questions about payments."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        sources: Sequence[str],
        keys: ApiKeys,
        ids: RequestIds,
        readiness: Readiness,
        tracing: Tracing,
    ) -> None:
        """Read from `ledger`, looking under `sources` where the caller names none."""
        self._ledger = ledger
        self._sources = tuple(sources)
        self._keys = keys
        self._ids = ids
        self._readiness = readiness
        self._tracing = tracing

    def routes(self) -> list[web.RouteDef]:
        """Return the routes served."""
        return [
            web.get("/", self._answered(self._index)),
            web.get("/transaction/{tx_id}", self._answered(self._transaction)),
        ]

    def _answered(self, read: Read) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            request_id = self._ids.next()
            name = f"GET {request.match_info.route.resource.canonical}"  # type: ignore[union-attr]
            root = self._tracing.root(name)
            try:
                response = web.Response(body=await read(request), headers=_JSON)
            except Fault as fault:
                response = of_fault(fault, request_id=request_id, trace_id=root.trace_id)
            except Exception:  # noqa: BLE001 - logged with its traceback, and answered like every error
                response = bug(name, request_id=request_id, trace_id=root.trace_id)
            if not self._readiness.ready:
                response.force_close()
            if root.span is not None:
                root.span.set_attribute("http.response.status_code", response.status)
                root.span.end()
            return response

        return handle

    async def _index(self, request: web.Request) -> bytes:
        del request
        return orjson.dumps(
            {
                "name": "AutoPay mesh",
                "webhooks": ["/webhooks/payments", "/webhook/payment"],
                "reads": ["/transaction/{tx_id}"],
                "about": "Send signed payment webhooks here; read what became of them with an API key.",
            }
        )

    async def _transaction(self, request: web.Request) -> bytes:
        self._keys.check(request, Scope.TRANSACTIONS_READ)
        tx_id = request.match_info["tx_id"]
        if not _tx_id(tx_id):
            raise invalid("tx_id", "must be 1 to 100 of A-Z, a-z, 0-9, _, ., : and -")
        source = request.query.get("source")
        if source is not None and not _source(source):
            raise invalid("source", "must be 1 to 40 of a-z, 0-9, _ and -")
        sources = self._sources if source is None else (source,)
        found = await self._ledger.find(sources, tx_id, timeout_s=_READ_BUDGET_S) if sources else ()
        if not found:
            raise Fault(kind=Kind.NOT_FOUND, reason="NOT_FOUND", message="There is no payment of this id.")
        if len(found) > 1:
            names = ", ".join(sorted(each["source"] for each in found))
            raise Fault(
                kind=Kind.CONFLICT,
                reason="AMBIGUOUS",
                message=f"Several sources know this id; name one with ?source= ({names}).",
                metadata={"sources": names},
            )
        return orjson.dumps(found[0])

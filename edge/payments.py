"""Payments over HTTP: one by its id, and page by page."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

import orjson
from aiohttp import web

from edge import questions
from edge.api_keys import Reader
from edge.key_entries import Scope
from edge.ports import Ledger
from edge.questions import PaymentQuestion, PaymentsQuestion
from edge.representations import FullPayment, Payment, PaymentPage
from edge.surface import Surface, json_answer
from mesh.errors import Fault, Kind, invalid

_READ_BUDGET_S: Final = 2.0
_ETAG_BYTES: Final = 12
# A reader may keep it, and has to ask whether it still holds. Other keys' readers must not get it from a cache.
_ASK_AGAIN: Final = {"Cache-Control": "private, no-cache", "Vary": "Authorization, X-API-Key"}


class Payments:
    """Answers questions about payments."""

    def __init__(self, ledger: Ledger, *, sources: Sequence[str]) -> None:
        """Read from `ledger`, looking under `sources` where the caller names none."""
        self._ledger = ledger
        self._sources = tuple(sources)

    def routes(self, surface: Surface) -> list[web.RouteDef]:
        """Return the routes served."""
        return [
            surface.keyed("/transaction/{tx_id}", Scope.TRANSACTIONS_READ, self._one),
            surface.keyed("/transactions", Scope.TRANSACTIONS_READ, self._page),
        ]

    async def _one(self, request: web.Request, reader: Reader) -> web.Response:
        tx_id = request.match_info["tx_id"]
        question = questions.read(PaymentQuestion, _parameters(request))
        if not questions.is_tx_id(tx_id):
            raise invalid("tx_id", "must be 1 to 100 of A-Z, a-z, 0-9, _, ., : and -")
        payment: Payment | FullPayment
        if question.view == "full":
            reader.demand(Scope.TRANSACTIONS_FULL)
            source = question.source or (await self._only(tx_id))["source"]
            payment = await self._ledger.full(source, tx_id, reader=reader.key_id, timeout_s=_READ_BUDGET_S)
        else:
            payment = await self._only(tx_id, question.source)
        return _unless_known(request, payment)

    async def _only(self, tx_id: str, source: str | None = None) -> Payment:
        sources = self._sources if source is None else (source,)
        found = await self._ledger.find(sources, tx_id, timeout_s=_READ_BUDGET_S) if sources else ()
        if not found:
            raise Fault(kind=Kind.NOT_FOUND, reason="NOT_FOUND", message="There is no payment of this id.")
        if len(found) > 1:
            names = ",".join(sorted(each["source"] for each in found))
            raise Fault(
                kind=Kind.CONFLICT,
                reason="AMBIGUOUS",
                message="Several sources know this id; name one with ?source=.",
                metadata={"sources": names},
            )
        return found[0]

    async def _page(self, request: web.Request, reader: Reader) -> web.Response:
        del reader
        question = questions.read(PaymentsQuestion, _parameters(request))
        payments, cursor = await self._ledger.page(question, timeout_s=_READ_BUDGET_S)
        if not cursor:
            return json_answer(PaymentPage(transactions=list(payments), cursor=None, next=None))
        following = f"{request.path}?{urlencode({**request.query, 'cursor': cursor})}"
        page = PaymentPage(transactions=list(payments), cursor=cursor, next=following)
        return json_answer(page, headers={"Link": f'<{following}>; rel="next"'})


def _parameters(request: web.Request) -> Mapping[str, Sequence[str]]:
    return {name: request.query.getall(name) for name in request.query}


def _unless_known(request: web.Request, payment: Payment | FullPayment) -> web.Response:
    """Return the payment, or 304 where the reader has exactly this representation."""
    body = orjson.dumps(payment)
    # Over the bytes, and not of the version alone: risk and analysis come without a new version.
    tag = f"{payment['version']}-{hashlib.blake2b(body, digest_size=_ETAG_BYTES).hexdigest()}"
    headers = {**_ASK_AGAIN, "ETag": f'"{tag}"'}
    known = request.if_none_match or ()
    if any(each.value in (tag, "*") for each in known):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers={"Content-Type": "application/json", **headers})

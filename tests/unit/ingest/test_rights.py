"""Whose deliveries a caller may send: others' are refused alone, and alone they are refused whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from autopay.ingest.v1 import ingest_pb2
from autopay.type.v1 import delivery_pb2, error_pb2

from mesh import callers
from mesh.callers import Caller
from mesh.errors import Fault, Kind
from services.ingest.servicer import IngestServicer
from tests.unit.ingest.bodies import native_body
from tests.unit.ingest.rig import Rig


class Context:
    """As much of a call's context as the servicer reads."""

    def time_remaining(self) -> float:
        """Seconds until the deadline."""
        return 2.0


@pytest.fixture
def partner() -> Iterator[Caller]:
    """The current caller, which may send one source's deliveries."""
    caller = Caller(name="spiffe://partners/sa/a", writes=frozenset({"partner_a"}))
    token = callers._current.set(caller)
    yield caller
    callers._current.reset(token)


async def send(rig: Rig, *sources: str) -> list[ingest_pb2.IngestResult]:
    """Send a delivery of each source in one call."""
    deliveries = [
        delivery_pb2.Delivery(
            delivery_id=f"d-{place}", source=source, provider="autopay", body=native_body(), received_at_ms=1
        )
        for place, source in enumerate(sources)
    ]
    context: Any = Context()
    response = await IngestServicer(rig.intake).Ingest(ingest_pb2.IngestRequest(deliveries=deliveries), context)
    return list(response.results)


@pytest.mark.usefixtures("partner")
async def test_of_a_mixed_batch_others_deliveries_are_refused_alone() -> None:
    """The answers stay in order: a refusal where the source is another's, the ledger's answer elsewhere."""
    rig = Rig()
    results = await send(rig, "autopay", "partner_a", "partner_b", "partner_a")
    assert [result.reason == error_pb2.ERROR_REASON_FORBIDDEN for result in results] == [True, False, True, False]
    assert [result.durable for result in results] == [False, True, False, True]
    assert [entry.delivery.source for entry in rig.ledger.entries] == ["partner_a", "partner_a"]


async def test_a_batch_of_nothing_but_others_is_permission_denied(partner: Caller) -> None:
    """The whole call is refused, and nothing is recorded."""
    rig = Rig()
    with pytest.raises(Fault) as raised:
        await send(rig, "autopay", "partner_b")
    assert raised.value.kind is Kind.FORBIDDEN
    assert raised.value.metadata == {"caller": partner.name, "source": "autopay"}
    assert rig.ledger.entries == []


@pytest.mark.usefixtures("partner")
async def test_an_empty_batch_is_wrong_before_it_is_forbidden() -> None:
    """A caller with few rights learns what is wrong with its request."""
    with pytest.raises(Fault) as raised:
        await send(Rig())
    assert raised.value.kind is Kind.INVALID


async def test_in_plaintext_every_source_is_taken() -> None:
    """Without names there are no rights to check."""
    assert [result.durable for result in await send(Rig(), "autopay", "partner_a")] == [True, True]

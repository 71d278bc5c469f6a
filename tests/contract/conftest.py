"""The ledger's stores, in memory and on a real MongoDB: every contract is run over both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from services.ledger.adapters import mongo
from services.ledger.adapters.mongo_deliveries import MongoDeliveries
from services.ledger.adapters.mongo_payments import MongoPayments
from services.ledger.ports import Deliveries, Payments
from tests.fakes.deliveries import MemoryDeliveries
from tests.fakes.payments import MemoryPayments

Lookup = Callable[[str], Awaitable[dict[str, Any] | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """One implementation of the ports, and how to look into it from outside."""

    payments: Payments
    deliveries: Deliveries
    payment_document: Lookup
    delivery_document: Lookup


@pytest.fixture(params=["memory", "mongo"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    """Empty stores of each implementation."""
    if request.param == "memory":
        yield _in_memory()
        return
    url = request.getfixturevalue("mongo_url")
    client = mongo.connect(url, pool_min=0, pool_max=4, budget_s=5)
    database = mongo.database_of(client, url)
    payments = mongo.durable(database, "transactions", wtimeout_s=5)
    deliveries = mongo.durable(database, "deliveries", wtimeout_s=5)
    yield Stores(
        payments=MongoPayments(payments),
        deliveries=MongoDeliveries(deliveries),
        payment_document=lambda key: payments.find_one({"_id": key}),
        delivery_document=lambda key: deliveries.find_one({"_id": key}),
    )
    client.close()


def _in_memory() -> Stores:
    payments, deliveries = MemoryPayments(), MemoryDeliveries()

    async def payment_document(key: str) -> dict[str, Any] | None:
        return payments.documents.get(key)

    async def delivery_document(key: str) -> dict[str, Any] | None:
        return deliveries.documents.get(key)

    return Stores(
        payments=payments,
        deliveries=deliveries,
        payment_document=payment_document,
        delivery_document=delivery_document,
    )

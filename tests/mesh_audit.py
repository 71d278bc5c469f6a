"""Looks into the ledger's collections behind its back: is what was accepted stored, once, with its exact bytes?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.read_concern import ReadConcern

Document = dict[str, Any]


class Audit:
    """Reads what a majority holds."""

    def __init__(self, client: MongoClient[Document]) -> None:
        """Read the database that the client's URL names."""
        database = client.get_default_database(read_concern=ReadConcern("majority"))
        self.transactions = database["transactions"]
        self.deliveries = database["deliveries"]

    def payments(self, tx_ids: Iterable[str]) -> Mapping[str, Document]:
        """Return the documents of these native payments by their ids."""
        names = [f"autopay:{tx_id}" for tx_id in tx_ids]
        return {document["tx_id"]: document for document in self.transactions.find({"_id": {"$in": names}})}

    def bodies(self, keys: Iterable[str]) -> Mapping[str, bytes]:
        """Return the stored bytes of these deliveries by their ids."""
        found = self.deliveries.find({"_id": {"$in": list(keys)}}, {"body": True})
        return {document["_id"]: bytes(document["body"]) for document in found}

    def captured_minor_units(self) -> int:
        """Return the sum of all that was captured, added up exactly by the server."""
        total = {"$sum": {"$toDecimal": "$totals.captured"}}
        rows = list(self.transactions.aggregate([{"$group": {"_id": None, "total": total}}]))
        return int(rows[0]["total"].to_decimal()) if rows else 0

    def event_count(self) -> int:
        """Return how many events all payments hold."""
        rows = list(self.transactions.aggregate([{"$group": {"_id": None, "n": {"$sum": {"$size": "$events"}}}}]))
        return int(rows[0]["n"]) if rows else 0

    def assert_stored_once(self, accepted: Mapping[str, Sequence[bytes]]) -> None:
        """Assert that each payment has one document, each of its events once, with the bytes that brought it.

        Args:
            accepted: for each payment's id the body of each of its events, as first accepted.
        """
        payments = self.payments(accepted)
        assert set(payments) == set(accepted)
        events = {tx_id: document["events"] for tx_id, document in payments.items()}
        stored = self.bodies(event["delivery"] for each in events.values() for event in each)
        for tx_id, bodies in accepted.items():
            ids = [event["event_id"] for event in events[tx_id]]
            assert len(ids) == len(set(ids)) == len(bodies), f"{tx_id} has the events {ids}"
            keys = [event["delivery"] for event in events[tx_id]]
            assert sorted(keys) == sorted(key_of(body) for body in bodies)
            assert sorted(stored[key] for key in keys) == sorted(bodies)

    def assert_absent(self, tx_ids: Iterable[str], bodies: Iterable[bytes]) -> None:
        """Assert that neither collection holds anything of these payments and deliveries."""
        assert not self.payments(tx_ids)
        assert not self.bodies(key_of(body) for body in bodies)


@contextmanager
def auditing(mongo_url: str) -> Iterator[Audit]:
    """Yield an audit of the database at this URL."""
    with MongoClient[Document](mongo_url, serverSelectionTimeoutMS=10_000) as client:
        yield Audit(client)


def key_of(body: bytes) -> str:
    """Return the id under which the ledger keeps a native delivery."""
    return f"autopay:{hashlib.sha256(body).hexdigest()}"

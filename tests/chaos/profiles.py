"""Whether insight learnt what a run without any fault would have taught it, each payment exactly once."""

from __future__ import annotations

import math
import time
from typing import Any, Final

from services.insight.memory import sums_of
from services.insight.model import Payment
from tests.chaos.history import History
from tests.insight_teaching import taught
from tests.mesh_audit import Audit

# What was not saved before a crash is learnt again once the lease has ended.
_LEARN_S_MAX: Final = 30.0
# Sums are of doubles, and two batches may have been learnt in either order. One payment too many is a fifth.
_TOLERANCE: Final = 1e-6
# Of a memory's numbers these add up, each payment by its own time; the others depend on the order of arrival.
_ADDED: Final = ("count_day", "count_week", "log_week", "dollars_week", "count_month", "log_month", "square_month")


def unlike_a_clean_run(history: History, audit: Audit) -> list[str]:
    """Return what is wrong with the profiles of a history's accounts, waiting a while for it to become right."""
    expected = taught(_paid(history, audit))
    accounts = [key for key in expected if key.startswith("a:")]
    profiles = audit.transactions.database["profiles"]
    deadline = time.monotonic() + _LEARN_S_MAX
    while True:
        found = {document["_id"]: document for document in profiles.find({"_id": {"$in": accounts}})}
        wrong = [key for key in accounts if not _alike(expected[key], found.get(key, {}))]
        if not wrong or time.monotonic() > deadline:
            return [f"profile: {key} is not what {len(accounts)} accounts' payments teach" for key in wrong[:5]]
        time.sleep(0.2)


def _paid(history: History, audit: Audit) -> list[Payment]:
    documents = sorted(audit.payments(history.tx_ids).values(), key=lambda document: document["recorded_at"])
    return [
        Payment(
            "autopay",
            document["tx_id"],
            document["sender_account"],
            document["receiver_account"],
            int(document["amount"]),
            document["currency"],
            int(document["recorded_at"].timestamp() * 1000),
        )
        for document in documents
    ]


def _alike(expected: tuple[bytes, bytes], found: dict[str, Any]) -> bool:
    return all(
        _sums_alike(memory, bytes(found.get(side) or b""))
        for memory, side in zip(expected, ("sends", "receives"), strict=True)
    )


def _sums_alike(expected: bytes, found: bytes) -> bool:
    if not any(expected):
        return not any(found)
    if len(found) != len(expected):
        return False
    wanted, got = sums_of(expected), sums_of(found)
    return all(math.isclose(getattr(wanted, name), getattr(got, name), rel_tol=_TOLERANCE) for name in _ADDED)

"""What a webhook and a batch cost, from what several rates spent."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo import MongoClient

from bench import costs, mongod
from bench.costs import Spent
from bench.server import Server


@given(webhook_us=st.floats(1, 2_000), batch_us=st.floats(1, 20_000), sizes=st.sets(st.integers(1, 256), min_size=2))
def test_what_was_spent_by_two_prices_gives_both_prices_back(
    webhook_us: float, batch_us: float, sizes: set[int]
) -> None:
    """However large the batches were, as long as they were not all alike."""
    spent = [
        Spent(webhooks=50 * size, batches=50, cpu_s=50 * (size * webhook_us + batch_us) / 1e6) for size in sorted(sizes)
    ]
    found = costs.fitted(spent)
    # Sizes that are next to each other tell nearly nothing apart.
    if found is not None:
        assert found.webhook_us == pytest.approx(webhook_us, rel=1e-3, abs=0.5)
        assert found.batch_us == pytest.approx(batch_us, rel=1e-3, abs=0.5)


def test_batches_that_are_all_alike_tell_nothing() -> None:
    """One rate alone can't say which part of the cost comes with each batch."""
    assert costs.fitted([Spent(webhooks=n * 20, batches=n, cpu_s=n * 0.01) for n in (10, 20, 40)]) is None
    assert costs.fitted([]) is None


def test_a_batch_is_one_command_whatever_is_in_it() -> None:
    """Counted from when the count began, and of the deliveries alone."""
    with tempfile.TemporaryDirectory() as folder, mongod.fresh(Path(folder)) as database:
        server = Server(
            name="x", port=1, path="/", secret=b"", processes={}, mongo_url=database.url, database="autopay"
        )
        with MongoClient[dict[str, object]](database.url) as client:
            client["autopay"]["deliveries"].insert_one({"_id": "before"})
            count = costs.BatchCount(server)
            client["autopay"].command({"insert": "deliveries", "documents": [{"_id": n} for n in range(200)]})
            client["autopay"].command({"insert": "transactions", "documents": [{"_id": n} for n in range(200)]})
        assert count.seen() == 1

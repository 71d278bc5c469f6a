"""Mixed traffic: its shares, its signatures, and what has to become of it."""

from __future__ import annotations

from typing import Any

import pytest

from bench import mixture
from bench.mixture import Mixture
from bench.server import Server
from bench.wrk import Reading

SERVER = Server(name="mesh", port=1, path="/webhooks/payments", secret=b"s" * 32, processes={})
COUNT = 3_000


def test_the_shares_are_as_promised() -> None:
    """A tenth comes again, a twentieth is forged, and each of three sources has a third."""
    sent = list(Mixture(SERVER, seed=1).take(COUNT, timestamp_s=1_700_000_000))
    again = [one for one in sent if not one.forged and not one.fresh]
    forged = [one for one in sent if one.forged]
    assert len(again) / COUNT == pytest.approx(0.10, abs=0.02)
    assert len(forged) / COUNT == pytest.approx(0.05, abs=0.015)
    for path in (b"/webhooks/payments ", b"/webhooks/stripe ", b"/webhooks/standardwebhooks "):
        assert sum(path in one.raw for one in sent) / COUNT == pytest.approx(1 / 3, abs=0.05)


def test_what_is_fresh_is_new_and_what_is_again_is_not() -> None:
    """No fresh request repeats another; each one sent again has the very bytes of an earlier one."""
    sent = list(Mixture(SERVER, seed=1).take(COUNT, timestamp_s=1_700_000_000))
    seen: set[bytes] = set()
    for one in sent:
        if one.fresh:
            assert one.raw not in seen
            seen.add(one.raw)
        elif not one.forged:
            assert one.raw in seen
        else:
            assert one.raw not in seen


def reading(**changes: Any) -> Reading:
    """Return what the driver saw of 1,000 requests, 50 of them refused."""
    counts: dict[str, Any] = {"requests": 1_000, "failed": 50, "socket_errors": 0, "timeouts": 0, "issued": 1_000}
    times = {"duration_s": 1.0, "p50_ms": 1.0, "p99_ms": 1.0, "p999_ms": 1.0, "max_ms": 1.0}
    return Reading(**{**counts, **times, "ran_out": False, **changes})


@pytest.mark.parametrize(
    ("changes", "forged", "problems"),
    [({}, 50, 0), ({}, 60, 0), ({}, 49, 1), ({}, 67, 1), ({"timeouts": 1}, 50, 1), ({"ran_out": True}, 50, 1)],
)
def test_every_forged_request_is_refused_and_no_other(changes: dict[str, Any], forged: int, problems: int) -> None:
    """More refused than forged, or fewer than all but those cut off, is a problem."""
    assert len(mixture.unexpected(reading(**changes), forged, cut_off_max=16)) == problems

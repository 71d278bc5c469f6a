"""What went wrong: counted by reason over three windows, merged over workers, in bounded memory."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from edge import incidents
from edge.board import SLOT_BYTES_MAX
from edge.incidents import RECENT_MAX, Incidents, latest, merged, windows

NOW_S = 1_800_000_000.0


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        """Begin at a fixed time."""
        self.now_s = NOW_S

    def __call__(self) -> float:
        """Tell the time."""
        return self.now_s


def note(noted: Incidents, reason: str = "SIGNATURE_INVALID", *, times: int = 1) -> None:
    """Note incidents of a reason."""
    for number in range(times):
        noted.note(reason, status=403, where="autopay", request_id=f"r-{number}", trace_id="t")


def totals(noted: Incidents, now_s: float) -> list[int]:
    """Return the totals of the three windows."""
    found = windows(merged([noted.state()]), now_s)
    return [found[name]["total"] for name in ("5m", "1h", "24h")]


def test_each_window_counts_what_lies_in_it() -> None:
    """What is older than a window falls out of it."""
    clock = Clock()
    noted = Incidents(clock)
    note(noted)
    assert totals(noted, NOW_S) == [1, 1, 1]
    clock.now_s += 400
    note(noted, times=2)
    assert totals(noted, clock.now_s) == [2, 3, 3]
    assert totals(noted, NOW_S + 3_800) == [0, 2, 3]
    assert totals(noted, NOW_S + 90_000) == [0, 0, 0]


def test_reasons_are_counted_apart_the_most_frequent_first() -> None:
    """A window tells how often each reason was."""
    noted = Incidents(Clock())
    note(noted, "NOT_DURABLE")
    note(noted, "SIGNATURE_INVALID", times=3)
    found = windows(merged([noted.state()]), NOW_S)["5m"]
    assert list(found["by_reason"].items()) == [("SIGNATURE_INVALID", 3), ("NOT_DURABLE", 1)]


def test_the_latest_are_kept_the_newest_first() -> None:
    """However many there were, fifty are shown."""
    noted = Incidents(Clock())
    note(noted, times=RECENT_MAX + 10)
    found = latest(merged([noted.state(), noted.state()]))
    assert len(found) == RECENT_MAX
    assert found[0] == {
        "at": "2027-01-15T08:00:00Z",
        "reason": "SIGNATURE_INVALID",
        "status": 403,
        "where": "autopay",
        "request_id": f"r-{RECENT_MAX + 9}",
        "trace_id": "t",
    }


def test_workers_are_added_up_also_through_json() -> None:
    """What others published is the same after its way over the board."""
    one, two = Incidents(Clock()), Incidents(Clock())
    note(one, times=2)
    note(two, "NOT_DURABLE")
    published = orjson.loads(orjson.dumps(two.state()))
    assert totals_of(merged([one.state(), published])) == [3, 3, 3]


def totals_of(state: incidents.State) -> list[int]:
    """Return the totals of a merged state now."""
    return [each["total"] for each in windows(state, NOW_S).values()]


def test_a_day_of_every_reason_fits_on_the_board() -> None:
    """Memory is bounded in time and in reasons: more reasons than there are become one, old counts are dropped."""
    clock = Clock()
    noted = Incidents(clock)
    for minute in range(3_000):
        clock.now_s = NOW_S + minute * 60
        for number in range(40):
            note(noted, f"REASON_OF_SOME_LENGTH_{number}")
    state = noted.state()
    assert (len(state["minutes"]), len(state["quarters"])) == (60, 96)
    assert len(orjson.dumps(state)) < SLOT_BYTES_MAX / 2
    assert windows(merged([state]), clock.now_s)["5m"]["by_reason"]["OTHER"] == 8 * 5


@given(st.lists(st.integers(0, 100_000), max_size=60))
def test_no_window_ever_counts_one_twice(ages_s: list[int]) -> None:
    """Whatever the times, each window has at least what is surely in it and at most what may be."""
    clock = Clock()
    noted = Incidents(clock)
    for age_s in sorted(ages_s, reverse=True):
        clock.now_s = NOW_S - age_s
        note(noted)
    for total, length_s, bucket_s in zip(totals(noted, NOW_S), (300, 3_600, 86_400), (60, 60, 900), strict=True):
        assert sum(age < length_s - bucket_s for age in ages_s) <= total <= sum(age < length_s for age in ages_s)

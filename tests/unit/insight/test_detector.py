"""The detector: scores, levels, reasons."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.insight.detector import ORDINARY, REASONS_MAX, Finding, assess, combine, level_of
from services.insight.magnitude import log_amount
from services.insight.model import Level, Payment
from services.insight.profile import DAY_S, WIDE, Profile, prior_of

START_MS = 1_700_000_000_000
SENDER = "ACC-4711-secret"


def payment(minor_units: int, *, at_ms: int = START_MS, currency: str = "USD", sender: str = SENDER) -> Payment:
    """A payment now."""
    return Payment(source="autopay", sender=sender, minor_units=minor_units, currency=currency, at_ms=at_ms)


def regular(*, payments: int = 30, minor_units: int = 2_500, every_s: float = DAY_S) -> Profile:
    """A sender who paid about the same, up to now."""
    profile = Profile()
    for number in range(payments):
        at_s = START_MS / 1000 - (payments - number) * every_s
        profile.learn(at_s, log_amount(minor_units + 100 * (number % 7), "USD"))
    return profile


histories = st.lists(st.tuples(st.integers(0, 90 * 86_400), st.integers(1, 2**63 - 1)), max_size=40)


@given(histories, st.integers(0, 2**63 - 1), st.sampled_from(["USD", "JPY", "KWD", "XXX"]))
def test_every_risk_is_in_bounds_and_repeatable(
    history: list[tuple[int, int]], minor_units: int, currency: str
) -> None:
    """Whatever a sender did and pays, the score is within 0 and 1, fits its level, and comes out the same again."""
    sender = Profile()
    for age_s, amount in history:
        sender.learn(START_MS / 1000 - age_s, log_amount(amount, "USD"))
    before = sender.state()
    risk = assess(payment(minor_units, currency=currency), sender, WIDE)
    assert 0.0 <= risk.score <= 1.0
    assert risk.level is level_of(risk.score)
    assert len(risk.reasons) <= REASONS_MAX
    assert risk == assess(payment(minor_units, currency=currency), sender, WIDE)
    assert sender.state() == before
    shares = [reason.contribution for reason in risk.reasons]
    assert shares == sorted(shares, reverse=True)
    assert abs(ORDINARY.score + sum(shares) - risk.score) < 1e-3


def test_an_ordinary_payment_has_no_reasons() -> None:
    """A payment like those before is low, without a reason, and shares one answer with all others."""
    assert assess(payment(2_600), regular(), WIDE) is ORDINARY
    assert ORDINARY.level is Level.LOW
    assert ORDINARY.reasons == ()


def test_a_hundredfold_amount_is_high() -> None:
    """A hundred times the usual amount is high or worse, and the reason says by how much."""
    risk = assess(payment(270_000), regular(), WIDE)
    assert risk.level >= Level.HIGH
    assert risk.reasons[0].code == "AMOUNT_ABOVE_HISTORY"
    assert float(risk.reasons[0].evidence["times_usual"]) > 50
    assert float(risk.reasons[0].evidence["z"]) > 5


def test_the_same_amount_in_yen_is_ordinary() -> None:
    """An amount of the same worth in a currency without decimals is not unusual."""
    assert assess(payment(3_900, currency="JPY"), regular(), WIDE) is ORDINARY


def test_a_small_amount_is_no_reason() -> None:
    """An amount far below the usual is not unusual: the rule looks upwards."""
    assert assess(payment(1), regular(), WIDE) is ORDINARY


def test_a_stranger_is_mild() -> None:
    """Without history the score stays low and the reason says so; even a huge amount stays below high."""
    mild = assess(payment(2_500), Profile(), WIDE)
    assert [reason.code for reason in mild.reasons] == ["NO_HISTORY"]
    assert mild.level is Level.LOW
    huge = assess(payment(10**15), Profile(), WIDE)
    assert huge.level <= Level.MEDIUM
    assert {reason.code for reason in huge.reasons} == {"AMOUNT_ABOVE_HISTORY", "NO_HISTORY"}


def test_an_unknown_history_is_not_called_missing() -> None:
    """Where the history can't be read, nothing is said about the sender."""
    assert assess(payment(2_500), None, WIDE) is ORDINARY
    assert [reason.code for reason in assess(payment(10**15), None, WIDE).reasons] == ["AMOUNT_ABOVE_HISTORY"]


def test_a_burst_is_noticed() -> None:
    """Fifteen payments within two minutes from a sender of one a day are a burst."""
    sender = regular()
    for second in range(0, 120, 8):
        sender.learn(START_MS / 1000 + second, log_amount(2_500, "USD"))
    risk = assess(payment(2_500, at_ms=START_MS + 120_000), sender, WIDE)
    assert [reason.code for reason in risk.reasons] == ["VELOCITY"]
    assert risk.level >= Level.MEDIUM


def test_a_busy_sender_is_no_burst() -> None:
    """A shop that always pays every ten seconds makes no burst by doing so."""
    sender = regular(payments=60_000, every_s=10.0)
    assert assess(payment(2_500), sender, WIDE) is ORDINARY


def test_on_the_first_day_only_those_who_stand_out_are_bursts() -> None:
    """While a source is young, a sender with its share of the traffic is no burst; one with most of it is."""
    population, ordinary, loud = Profile(), Profile(), Profile()
    for number in range(2_000):
        for profile in (population, *([ordinary] if number % 100 == 0 else []), *([loud] if number % 4 == 0 else [])):
            profile.learn(START_MS / 1000 + number / 10, log_amount(2_500, "USD"))
    now = payment(2_500, at_ms=START_MS + 200_000)
    prior = prior_of(population)
    assert assess(now, ordinary, prior) is ORDINARY
    assert assess(now, ordinary, WIDE).reasons[0].code == "VELOCITY"
    assert [reason.code for reason in assess(now, loud, prior).reasons] == ["VELOCITY"]
    population.since_s -= DAY_S
    assert prior_of(population).usual_burst == 0.0


def test_a_new_busy_sender_is_known_by_the_next_day() -> None:
    """A sender who began a day ago and pays every five seconds since is not called a burst any more."""
    sender = regular(payments=17_280, every_s=5.0)
    assert assess(payment(2_500), sender, WIDE) is ORDINARY
    assert assess(payment(2_500), regular(payments=720, every_s=5.0), WIDE).reasons[0].code == "VELOCITY"


def test_a_few_payments_are_no_burst() -> None:
    """A handful of payments in a minute stays below the floor."""
    sender = regular()
    for second in range(6):
        sender.learn(START_MS / 1000 + second, log_amount(2_500, "USD"))
    assert assess(payment(2_500, at_ms=START_MS + 7_000), sender, WIDE) is ORDINARY


def test_an_event_without_an_amount_is_ordinary() -> None:
    """A cancellation has nothing to rate."""
    assert assess(payment(0), regular(), WIDE) is ORDINARY


def test_reasons_name_nobody() -> None:
    """No sentence and no evidence holds the account."""
    sender = regular()
    for second in range(30):
        sender.learn(START_MS / 1000 + second, log_amount(2_500, "USD"))
    risk = assess(payment(10**12, at_ms=START_MS + 31_000), sender, WIDE)
    assert {reason.code for reason in risk.reasons} == {"AMOUNT_ABOVE_HISTORY", "VELOCITY"}
    assert SENDER not in repr(risk)
    assert all(reason.sentence.endswith(".") for reason in risk.reasons)


def test_only_the_weightiest_reasons_are_told() -> None:
    """At most eight reasons are given, the weightiest first."""
    findings = [Finding(code=f"RULE_{n}", points=n / 10, sentence="It is so.") for n in range(1, 12)]
    risk = combine(findings)
    assert [reason.code for reason in risk.reasons] == [f"RULE_{n}" for n in range(11, 3, -1)]


def test_levels_begin_where_the_contract_says() -> None:
    """The bounds 0.3, 0.6 and 0.85 belong to the level above."""
    assert [level_of(score) for score in (0.0, 0.2999, 0.3, 0.5999, 0.6, 0.8499, 0.85, 1.0)] == [
        Level.LOW,
        Level.LOW,
        Level.MEDIUM,
        Level.MEDIUM,
        Level.HIGH,
        Level.HIGH,
        Level.CRITICAL,
        Level.CRITICAL,
    ]

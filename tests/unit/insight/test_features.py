"""Features: what each rule notices, and what it does not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.insight.features import FEATURES, NAMES, is_near
from services.insight.knowledge import look, teach, tell_verdict
from services.insight.memory import WIDE, Prior
from services.insight.model import Payment
from services.insight.profile import Profile, prior_of
from tests.insight_teaching import DAY_MS, START_MS, a_payment, keys_of


class World:
    """Profiles that learn payments in order."""

    def __init__(self) -> None:
        self.profiles: dict[str, Profile] = {}
        self.count = 0

    def __call__(self, payment: Payment, prior: Prior | None = None) -> dict[str, float]:
        """Return a payment's features by name, without those that are 0."""
        sender, receiver, population = self._of(payment)
        vector = look(payment, sender, receiver, prior or prior_of(population))
        return {name: value for name, value in zip(NAMES, vector, strict=True) if value}

    def learn(self, payment: Payment) -> None:
        """Learn a payment."""
        self.count += 1
        teach(payment, *self._of(payment), self.count)

    def _of(self, payment: Payment) -> tuple[Profile | None, Profile | None, Profile]:
        def of(key: str) -> Profile:
            return self.profiles.setdefault(key, Profile.of(key))

        sender, receiver, population = keys_of(payment)
        return of(sender) if sender else None, of(receiver) if receiver else None, of(population)


def regular(days: int = 30, *, every_ms: int = DAY_MS) -> World:
    """A world in which A paid R about the same again and again, up to now."""
    world = World()
    for number in range(days):
        world.learn(a_payment(2_500 + 100 * (number % 7), at_ms=START_MS - (days - number) * every_ms))
    return world


def test_an_ordinary_payment_has_small_features() -> None:
    """A payment like those before has none but its size."""
    found = regular()(a_payment(2_600))
    assert set(found) <= {"times_source_0_1", "times_sender_1_2", "amount_z", "week_spending", "week_size"}
    assert all(abs(value) < 0.5 for name, value in found.items() if name != "times_source_0_1")


def test_a_large_amount_fills_the_steps() -> None:
    """A hundred times the usual amount fills each step of the ratio, and its deviation is far out."""
    found = regular()(a_payment(270_000))
    assert found["amount_z"] > 5
    assert found["times_sender_8_16"] == 1.0


def test_the_same_worth_in_yen_is_ordinary() -> None:
    """An amount of the same worth in a currency without decimals is not unusual."""
    assert regular()(a_payment(3_900, currency="JPY")).get("amount_z", 0.0) < 0.7


def test_a_new_receiver_is_news_for_who_pays_the_same_ones() -> None:
    """A receiver never paid before is told; one paid yesterday is not; nor for who always pays new ones."""
    world = regular()
    assert world(a_payment(receiver="NEW"))["new_receiver"] > 0.8
    assert "new_receiver" not in world(a_payment(receiver="R"))
    rover = World()
    for number in range(30):
        rover.learn(a_payment(receiver=f"SHOP-{number}", at_ms=START_MS - (30 - number) * DAY_MS))
    assert rover(a_payment(receiver="NEW"))["new_receiver"] < 0.2


def test_many_new_receivers_in_a_day_stand_out() -> None:
    """The eighth new receiver within an hour is a drain."""
    world = regular()
    for number in range(7):
        world.learn(a_payment(receiver=f"MULE-{number}", at_ms=START_MS + number * 60_000))
    assert world(a_payment(receiver="MULE-8", at_ms=START_MS + 480_000))["new_receivers"] > 3


def test_many_new_senders_stand_out_where_there_were_few() -> None:
    """Twenty strangers pay within an hour whom one sender used to pay: fan-in; a busy shop has none."""
    world = regular()
    for number in range(20):
        world.learn(a_payment(sender=f"S-{number}", at_ms=START_MS + number * 120_000))
    assert world(a_payment(sender="S-99", at_ms=START_MS + 2_500_000))["fan_in"] > 10
    shop = World()
    for number in range(600):
        shop.learn(a_payment(sender=f"S-{number}", at_ms=START_MS - (600 - number) * DAY_MS // 20))
    assert "fan_in" not in shop(a_payment(sender="S-999"))


def test_paying_back_an_unusual_amount_is_a_round_trip() -> None:
    """Who was paid by the receiver before and now pays an unusual amount goes round; others don't."""
    world = regular()
    assert "round_trip" not in world(a_payment(90_000))
    world.learn(a_payment(sender="R", receiver="A", at_ms=START_MS - 1_000))
    assert world(a_payment(90_000))["round_trip"] > 2


def test_repeated_amounts_just_below_a_round_one_are_structuring() -> None:
    """The fifth payment of 9,500 or so within a week is structuring; a first one is chance."""
    world = regular()
    assert "structuring" not in world(a_payment(950_000))
    for number in range(4):
        world.learn(a_payment(940_000 + number * 9_000, at_ms=START_MS + number * 3_600_000))
    assert world(a_payment(961_000, at_ms=START_MS + 5 * 3_600_000))["structuring"] > 0.2
    assert "structuring" not in world(a_payment(1_010_000, at_ms=START_MS + 5 * 3_600_000))


def test_just_below_is_the_last_tenth() -> None:
    """9,000 to 9,999 and 4,500 to 4,999 are just below, in any unit; 10,000 and 5,000 are not."""
    near = [900, 999, 9_500_00, 45_000, 49_999, 4_999]
    assert all(map(is_near, near))
    assert not any(map(is_near, [1, 10, 100, 500, 1_000, 44_000, 50_000, 89_000, 100_000_00, 2_500]))


def test_a_burst_is_noticed() -> None:
    """Fifteen payments within two minutes from a sender of one a day are a burst; six are a person shopping."""
    world = regular()
    for number in range(15):
        if number == 6:
            assert "burst" not in world(a_payment(at_ms=START_MS + 60_000), WIDE)
        world.learn(a_payment(at_ms=START_MS + number * 8_000))
    assert world(a_payment(at_ms=START_MS + 120_000), WIDE)["burst"] > 8


def test_a_busy_sender_is_no_burst() -> None:
    """A shop that always pays every ten seconds makes no burst by doing so, from its second day on."""
    assert "burst" not in regular(20_000, every_ms=10_000)(a_payment(), WIDE)
    assert regular(720, every_ms=5_000)(a_payment(), WIDE)["burst"] > 5


def test_on_a_source_s_first_day_a_sender_s_steady_part_is_no_burst() -> None:
    """However large its part of a young source's traffic, who always had that part makes no burst; a jump does."""
    world, quiet = World(), 0
    for number in range(4_000):
        sender = "HEAVY" if number % 2 else f"S-{number}"
        if number > 3_900 and number % 4 == 0:
            sender, quiet = "JUMPS", quiet + 1
        world.learn(a_payment(sender=sender, at_ms=START_MS + number * 100))
    now_ms = START_MS + 400_100
    assert "burst" not in world(a_payment(sender="HEAVY", at_ms=now_ms))
    assert quiet > 20
    assert world(a_payment(sender="JUMPS", at_ms=now_ms)).get("burst", 0.0) == 0.0
    day_later = a_payment(sender="HEAVY", at_ms=now_ms + 2 * DAY_MS)
    world.learn(day_later)
    assert "burst" not in world(day_later)


def test_on_a_source_s_first_days_new_counterparties_are_no_news() -> None:
    """Where everybody is new to everybody, a busy sender and a busy shop stand out neither at once nor a day later."""
    world = World()
    for number in range(3_000):
        sender, receiver = ("HEAVY", f"R-{number}") if number % 2 else (f"S-{number}", "SHOP")
        world.learn(a_payment(sender=sender, receiver=receiver, at_ms=START_MS + number * DAY_MS // 1_500))
        if number % 500 == 499:
            at_ms = START_MS + number * DAY_MS // 1_500
            found = world(a_payment(sender="HEAVY", receiver="NEW", at_ms=at_ms))
            found |= world(a_payment(sender="NEW", receiver="SHOP", at_ms=at_ms))
            assert not {"new_receivers", "fan_in"} & set(found)


def test_verdicts_raise_the_share_of_fraud() -> None:
    """A receiver half of whose judged payments were fraud is told so, and its sender as well."""
    world = regular()
    sender, receiver = world.profiles["a:autopay:A"], world.profiles["a:autopay:R"]
    for ordinal in range(1, 5):
        at_s = START_MS / 1000 - ordinal * 86_400
        tell_verdict(at_s, sender, receiver, None, ordinal, float(ordinal % 2), 1.0)
    found = world(a_payment())
    assert 2.0 < found["receiver_fraud_week"] < 3.0
    assert found["sender_fraud_week"] > 1.0


def test_unknown_accounts_have_no_history_to_compare() -> None:
    """Without a sender or a receiver only the source is compared with; an empty profile says there is no history."""
    found = look(a_payment(10**9), None, None, WIDE)
    assert {name for name, value in zip(NAMES, found, strict=True) if value} <= {
        name for name in NAMES if name.startswith("times_source")
    }
    assert World()(a_payment(), WIDE)["no_history"] == 1.0


histories = st.lists(
    st.tuples(
        st.integers(0, 90 * 86_400_000), st.integers(1, 2**63 - 1), st.sampled_from("AB"), st.sampled_from("RAB")
    ),
    max_size=25,
)


@given(histories, st.integers(1, 2**63 - 1), st.sampled_from(["USD", "JPY", "KWD", "XXX"]))
def test_every_feature_is_bounded_and_repeatable(
    history: list[tuple[int, int, str, str]], minor_units: int, currency: str
) -> None:
    """Whatever was paid, features lie within -20 and 20, looking changes nothing, and comes out the same again."""
    world = World()
    for age_ms, amount, sender, receiver in history:
        if sender != receiver:
            world.learn(a_payment(amount, sender=sender, receiver=receiver, at_ms=START_MS - age_ms))
    before = {key: profile.state() for key, profile in world.profiles.items()}
    payment = a_payment(minor_units, receiver="B", currency=currency)
    found = world(payment)
    assert all(-20.0 <= value <= 20.0 for value in found.values())
    assert found == world(payment)
    assert {key: state for key, state in before.items() if state.sequence} == {
        key: profile.state() for key, profile in world.profiles.items() if profile.sequence
    }


def test_each_feature_is_described_once() -> None:
    """Names are unique, and every reason's code is in capitals."""
    assert len(set(NAMES)) == len(FEATURES)
    assert all(feature.reason.replace("_", "").isupper() for feature in FEATURES)

"""Teaching profiles by hand, without any of the machinery that must come to the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.insight.knowledge import teach
from services.insight.model import Payment
from services.insight.profile import Profile, ProfileState
from services.insight.scoring import account_key, population_key

START_MS = 1_700_000_000_000
DAY_MS = 86_400_000


def a_payment(
    minor_units: int = 2_500, *, sender: str = "A", receiver: str = "R", at_ms: int = START_MS, currency: str = "USD"
) -> Payment:
    """A payment of the native source."""
    return Payment("autopay", f"T-{at_ms}", sender, receiver, minor_units, currency, at_ms)


def keys_of(payment: Payment) -> tuple[str, str, str]:
    """The keys of who is taught: sender, receiver, source; empty where there is no account."""
    return (
        account_key(payment.source, payment.sender) if payment.sender else "",
        account_key(payment.source, payment.receiver) if payment.receiver else "",
        population_key(payment.source),
    )


def taught(
    payments: Iterable[Payment | None], known: Mapping[str, ProfileState] | None = None
) -> dict[str, tuple[bytes, bytes]]:
    """The memories after each payment was learnt once on top of what was known."""
    return memories_of(taught_profiles(payments, known))


def taught_profiles(
    payments: Iterable[Payment | None], known: Mapping[str, ProfileState] | None = None
) -> dict[str, ProfileState]:
    """The profiles after the same."""
    profiles = {key: Profile.of(key, state) for key, state in (known or {}).items()}
    for ordinal, payment in enumerate(filter(None, payments)):
        keys = keys_of(payment)
        sender, receiver, population = (profiles.setdefault(key, Profile.of(key)) if key else None for key in keys)
        teach(payment, sender, receiver, population, 2**60 + ordinal)
    return {key: profile.state() for key, profile in profiles.items()}


def memories_of(profiles: Mapping[str, ProfileState]) -> dict[str, tuple[bytes, bytes]]:
    """What is compared: the memories, without the ordinals."""
    return {key: (state.sends, state.receives) for key, state in profiles.items()}

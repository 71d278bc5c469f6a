"""Which payments are queued for analysis."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from services.ledger.model import Payment

Selects = Callable[[Payment], bool]

_RISKY: Final = frozenset({"high", "critical"})
_SAMPLE: Final = "sample:"
_SCALE: Final = 2**64


def policy(text: str) -> Selects | None:
    """Return what `off`, `all`, `risky` or `sample:P` (P from 0 to 1) selects; None for `off`.

    Raises:
        ValueError: it is none of these.
    """
    if text == "off":
        return None
    if text == "all":
        return lambda _: True
    if text == "risky":
        return _is_risky
    if text.startswith(_SAMPLE):
        try:
            share = float(text[len(_SAMPLE) :])
        except ValueError:
            share = -1.0
        if 0 <= share <= 1:
            return _sample(share)
    raise ValueError("must be off, all, risky or sample:P with P from 0 to 1")


def _is_risky(payment: Payment) -> bool:
    return payment.risk is not None and payment.risk.get("level") in _RISKY


def _sample(share: float) -> Selects:
    def selects(payment: Payment) -> bool:
        # By the payment's name, so that every replica and every attempt decides alike.
        digest = hashlib.blake2b(payment.id.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") < share * _SCALE

    return selects

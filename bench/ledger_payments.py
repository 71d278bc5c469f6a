"""Payments for the ledger's own section: spread over every value that a list can be asked for."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import money_pb2, payment_pb2, risk_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCES: Final = ("native", "partner-a", "partner-b", "partner-c")
CURRENCIES: Final = ("EUR", "USD", "GBP", "SEK")
# Few enough that each has more than a page of payments among the first thousand.
_ACCOUNTS: Final = 12
_KINDS: Final = (
    *(payment_pb2.EVENT_KIND_CAPTURED,) * 6,
    payment_pb2.EVENT_KIND_AUTHORIZED,
    payment_pb2.EVENT_KIND_FAILED,
)
_LEVELS: Final = (
    *(risk_pb2.RISK_LEVEL_LOW,) * 5,
    risk_pb2.RISK_LEVEL_MEDIUM,
    risk_pb2.RISK_LEVEL_HIGH,
    risk_pb2.RISK_LEVEL_CRITICAL,
)
_FIRST_MS: Final = 1_750_000_000_000


def name_of(number: int) -> ledger_pb2.TransactionName:
    """Name the payment with this number."""
    return ledger_pb2.TransactionName(source=SOURCES[number % len(SOURCES)], tx_id=f"tx-{number:08}")


def id_of(number: int) -> str:
    """Return the key under which the payment with this number is stored."""
    name = name_of(number)
    return f"{name.source}:{name.tx_id}"


def selectors() -> dict[str, ledger_pb2.TransactionSelector]:
    """Return one of each kind of selector, each of which finds more than a page among a thousand payments."""
    account, by = f"account-{_ACCOUNTS // 2}", ledger_pb2.TransactionSelector
    roles = {
        "sender": ledger_pb2.ACCOUNT_ROLE_SENDER,
        "receiver": ledger_pb2.ACCOUNT_ROLE_RECEIVER,
        "either side": ledger_pb2.ACCOUNT_ROLE_EITHER,
    }
    return {
        "all": by(),
        "source": by(source=SOURCES[1]),
        **{name: by(account=ledger_pb2.AccountSelector(account=account, role=role)) for name, role in roles.items()},
        "status": by(status=payment_pb2.PAYMENT_STATUS_SUCCESS),
        "currency": by(currency=CURRENCIES[1]),
        "risk level": by(risk_level=risk_pb2.RISK_LEVEL_MEDIUM),
        "analysis state": by(analysis_state=ledger_pb2.ANALYSIS_STATE_QUEUED),
    }


def items(numbers: Sequence[int]) -> list[ledger_pb2.RecordItem]:
    """Return payments of one event each, every call's the same for the same numbers."""
    return [_item(number) for number in numbers]


def _item(number: int) -> ledger_pb2.RecordItem:
    chance, name = random.Random(number), name_of(number)
    sender, receiver = chance.sample(range(_ACCOUNTS), 2)
    amount = money_pb2.Money(minor_units=chance.randint(100, 500_000), currency=chance.choice(CURRENCIES), exponent=2)
    event = payment_pb2.PaymentEvent(
        tx_id=name.tx_id,
        event_id=f"e-{number:08}",
        kind=chance.choice(_KINDS),
        amount=amount,
        amount_fixed=True,
        sender_account=f"account-{sender}",
        receiver_account=f"account-{receiver}",
        description="Order of a benchmark",
        event_time_ms=_FIRST_MS + number,
        event_time_signed=True,
    )
    level = chance.choice(_LEVELS)
    risk = risk_pb2.Risk(score=level / 5, level=level, model_version="1")
    recorded = ledger_pb2.RecordEvent(event=event, risk=risk)
    return ledger_pb2.RecordItem(delivery_id=f"d-{number:08}", source=name.source, events=[recorded])

"""Why payments are disputed: every stated reason has a meaning, and only claims of fraud mean fraud."""

from __future__ import annotations

import pytest
from autopay.type.v1 import payment_pb2

from providers.contract import DisputeReason, Unprocessable
from providers.dispute_reasons import by_network_code, by_own_word, by_word
from providers.registry import load

BODY = (
    b'{"tx_id":"T-1","event_id":"d-1","status":"%s","amount":"1","currency":"EUR","sender_account":"a",'
    b'"receiver_account":"b","dispute_reason":%s}'
)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("10.1", DisputeReason.FRAUD),
        ("10.5", DisputeReason.FRAUD),
        ("11.3", DisputeReason.PROCESSING),
        ("12.5", DisputeReason.WRONG_AMOUNT),
        ("12.7", DisputeReason.PROCESSING),
        ("13.1", DisputeReason.NOT_RECEIVED),
        ("13.8", DisputeReason.OTHER),
        ("4837", DisputeReason.FRAUD),
        ("4853", DisputeReason.OTHER),
        ("F29", DisputeReason.FRAUD),
        ("UA02", DisputeReason.FRAUD),
        ("10", DisputeReason.OTHER),
        ("", DisputeReason.UNSPECIFIED),
    ],
)
def test_codes_of_networks(code: str, reason: DisputeReason) -> None:
    """A network's code means what the network says; an unknown one is another reason, none states nothing."""
    assert by_network_code(code) is reason


def test_words() -> None:
    """Shared words, and our own in any case; what is neither is another reason."""
    assert by_word("debit_not_authorized") is DisputeReason.FRAUD
    assert by_word("general") is DisputeReason.OTHER
    assert by_own_word("Not_Received") is DisputeReason.NOT_RECEIVED
    assert by_own_word("fraudulent") is DisputeReason.FRAUD
    assert by_own_word("UNSPECIFIED") is DisputeReason.UNSPECIFIED
    assert by_own_word("a change of mind") is DisputeReason.OTHER


def test_the_numbers_are_the_contract_s() -> None:
    """Mapped reasons travel as numbers, so both enums must have the same."""
    ours = {f"DISPUTE_REASON_{reason.name}": reason.value for reason in DisputeReason}
    assert ours == dict(payment_pb2.DisputeReason.items())


@pytest.mark.parametrize(("status", "reason"), [(b"captured", b'"fraud"'), (b"dispute_opened", b'"greed"')])
def test_a_native_reason_that_is_none_is_named(status: bytes, reason: bytes) -> None:
    """A native sender is told of a word that there isn't, and of a reason for what is no dispute."""
    with pytest.raises(Unprocessable) as refused:
        load()["autopay"].map(BODY % (status, reason), {})
    assert [wrong.field for wrong in refused.value.wrong] == ["dispute_reason"]

"""Why payments are disputed: the words that Stripe and Shopify share, and the card networks' codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from providers.contract import DisputeReason

# What is stated, but is none of the words that are known.
OTHER: Final = DisputeReason.OTHER

# https://docs.stripe.com/disputes/categories; Shopify's disputes have the same.
_WORDS: Final[Mapping[str, DisputeReason]] = {
    "fraudulent": DisputeReason.FRAUD,
    # The holder of the bank account says that they never authorized the debit.
    "debit_not_authorized": DisputeReason.FRAUD,
    "unrecognized": DisputeReason.UNRECOGNIZED,
    "product_not_received": DisputeReason.NOT_RECEIVED,
    "product_unacceptable": DisputeReason.NOT_AS_DESCRIBED,
    "credit_not_processed": DisputeReason.CREDIT_NOT_PROCESSED,
    "duplicate": DisputeReason.DUPLICATE,
    "subscription_canceled": DisputeReason.CANCELED,
    "bank_cannot_process": DisputeReason.PROCESSING,
    "bank_not_process": DisputeReason.PROCESSING,
    "check_returned": DisputeReason.PROCESSING,
    "incorrect_account_details": DisputeReason.PROCESSING,
    "insufficient_funds": DisputeReason.PROCESSING,
    "noncompliant": DisputeReason.PROCESSING,
}

# No network's code is another's: Visa's have a point, Mastercard's are 48…, the others' begin with letters.
_CODES: Final[Mapping[str, DisputeReason]] = {
    "12.5": DisputeReason.WRONG_AMOUNT,
    "12.6": DisputeReason.DUPLICATE,
    "12.6.1": DisputeReason.DUPLICATE,
    "12.6.2": DisputeReason.DUPLICATE,
    "13.1": DisputeReason.NOT_RECEIVED,
    "13.2": DisputeReason.CANCELED,
    "13.3": DisputeReason.NOT_AS_DESCRIBED,
    "13.4": DisputeReason.NOT_AS_DESCRIBED,
    "13.5": DisputeReason.NOT_AS_DESCRIBED,
    "13.6": DisputeReason.CREDIT_NOT_PROCESSED,
    "13.7": DisputeReason.CANCELED,
    "13.9": DisputeReason.NOT_RECEIVED,
    "4837": DisputeReason.FRAUD,
    "4840": DisputeReason.FRAUD,
    "4849": DisputeReason.FRAUD,
    "4870": DisputeReason.FRAUD,
    "4871": DisputeReason.FRAUD,
    "4863": DisputeReason.UNRECOGNIZED,
    "4855": DisputeReason.NOT_RECEIVED,
    "4841": DisputeReason.CANCELED,
    "4860": DisputeReason.CREDIT_NOT_PROCESSED,
    "4831": DisputeReason.WRONG_AMOUNT,
    "4834": DisputeReason.PROCESSING,
    "4808": DisputeReason.PROCESSING,
    "F10": DisputeReason.FRAUD,
    "F14": DisputeReason.FRAUD,
    "F24": DisputeReason.FRAUD,
    "F29": DisputeReason.FRAUD,
    "F30": DisputeReason.FRAUD,
    "F31": DisputeReason.FRAUD,
    "C02": DisputeReason.CREDIT_NOT_PROCESSED,
    "C05": DisputeReason.CANCELED,
    "C08": DisputeReason.NOT_RECEIVED,
    "C14": DisputeReason.DUPLICATE,
    "C28": DisputeReason.CANCELED,
    "C31": DisputeReason.NOT_AS_DESCRIBED,
    "C32": DisputeReason.NOT_AS_DESCRIBED,
    "P05": DisputeReason.WRONG_AMOUNT,
    "P08": DisputeReason.DUPLICATE,
    "UA01": DisputeReason.FRAUD,
    "UA02": DisputeReason.FRAUD,
    "UA05": DisputeReason.FRAUD,
    "UA06": DisputeReason.FRAUD,
    "AA": DisputeReason.UNRECOGNIZED,
    "AP": DisputeReason.CANCELED,
    "DP": DisputeReason.DUPLICATE,
    "RG": DisputeReason.NOT_RECEIVED,
    "RM": DisputeReason.NOT_AS_DESCRIBED,
    "RN2": DisputeReason.CREDIT_NOT_PROCESSED,
}
# Visa's families: fraud, authorization, processing errors.
_FAMILIES: Final[Mapping[str, DisputeReason]] = {
    "10": DisputeReason.FRAUD,
    "11": DisputeReason.PROCESSING,
    "12": DisputeReason.PROCESSING,
}


def by_table(text: str, table: Mapping[str, DisputeReason]) -> DisputeReason:
    """Return what a reason means by a provider's own table: UNSPECIFIED where empty, OTHER where it isn't there."""
    if not text:
        return DisputeReason.UNSPECIFIED
    return table.get(text, OTHER)


def by_word(text: str) -> DisputeReason:
    """Return what one of the shared words means."""
    return by_table(text, _WORDS)


def by_own_word(text: str) -> DisputeReason:
    """Return what a word of the contract's means, in any case, or else one of the shared words."""
    name = text.upper()
    if name in DisputeReason.__members__:
        return DisputeReason[name]
    return by_word(text.lower())


def by_network_code(text: str) -> DisputeReason:
    """Return what a card network's reason code means."""
    family, point, _ = text.partition(".")
    return by_table(text, _CODES if text in _CODES or not point else {text: _FAMILIES.get(family, OTHER)})

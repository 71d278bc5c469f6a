"""Calls the AutoPay ledger from Python: LedgerClient, and AsyncLedgerClient for asyncio."""

from __future__ import annotations

from autopay_client import words
from autopay_client.asynchronous import AsyncLedgerClient
from autopay_client.asynchronous_watch import AsyncWatch
from autopay_client.blocking import LedgerClient
from autopay_client.blocking_watch import Watch
from autopay_client.channel import Tls
from autopay_client.errors import FieldViolation, LedgerError
from autopay_client.money import decimal_of, money
from autopay_client.stating import event, item

__all__ = [
    "AsyncLedgerClient",
    "AsyncWatch",
    "FieldViolation",
    "LedgerClient",
    "LedgerError",
    "Tls",
    "Watch",
    "decimal_of",
    "event",
    "item",
    "money",
    "words",
]

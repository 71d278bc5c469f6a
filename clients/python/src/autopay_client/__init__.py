"""Calls a ledger from Python: for now the generated messages and stubs, importable as `autopay.ledger.v1` and so on."""

from __future__ import annotations

__all__: list[str] = []

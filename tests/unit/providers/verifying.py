"""Verifies with the tests' secret, clock and window."""

from __future__ import annotations

import pytest
from multidict import CIMultiDictProxy

from providers.autopay import PROVIDER, AutopayProvider
from providers.contract import Refused, Secret, Verified
from tests.unit.providers.signing import (
    NOW_S,
    SECRET,
    WINDOW,
    headers,
)

BODY = b'{"tx_id": "T-1", "amount": 10.50}'
DATED = b'{"tx_id": "T-1", "timestamp": %d}' % NOW_S
NONE = headers()
INVALID = "SIGNATURE_INVALID"
OUTSIDE = "TIMESTAMP_OUTSIDE_WINDOW"


def verify(
    body: bytes,
    given: CIMultiDictProxy[str],
    *,
    secrets: tuple[Secret, ...] = (SECRET,),
    now_s: float = NOW_S,
    provider: AutopayProvider | None = None,
) -> Verified:
    """Verify with the tests' secret, clock and window."""
    return (provider or PROVIDER).verify(body, given, secrets, now_s=now_s, window=WINDOW)


def refusal(body: bytes, given: CIMultiDictProxy[str], **options: object) -> str:
    """The reason a request is refused for."""
    with pytest.raises(Refused) as refused:
        verify(body, given, **options)  # type: ignore[arg-type]  # the options of verify
    return refused.value.reason

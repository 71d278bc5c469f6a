"""Verifies a request as the edge does, the certificate included where the provider has one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from autopay_cli.recipes.signing import NOW_S, Request
from providers.contract import Certified, Provider, Refused, Secret, Verified
from tests.conformance.vectors import WINDOW


def verify(provider: Provider, request: Request, secrets: Sequence[Secret], *, now_s: float = NOW_S) -> Verified:
    """Verify; of a provider that signs with a certificate, look at its address first."""
    if isinstance(provider, Certified):
        provider.certificate_url(request.lookup)
        return provider.verify_certified(
            request.body, request.lookup, secrets, chain=request.chain, now_s=now_s, window=WINDOW
        )
    return provider.verify(request.body, request.lookup, secrets, now_s=now_s, window=WINDOW)


def refusal(provider: Provider, request: Request, secrets: Sequence[Secret], *, now_s: float = NOW_S) -> str:
    """Return the reason that a request is refused for."""
    with pytest.raises(Refused) as refused:
        verify(provider, request, secrets, now_s=now_s)
    return refused.value.reason

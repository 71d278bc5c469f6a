"""Requests that a receiver must refuse: changed after they were signed, not signed, signed with another's secret."""

from __future__ import annotations

from dataclasses import replace

from autopay_cli.recipes.signing import Recipe, Request


def tampered(recipe: Recipe, request: Request) -> Request:
    """Return it with one bit changed of what is signed."""
    return next(filter(None, (recipe.flip(request, bit) for bit in range(recipe.flips(request)))))


def unsigned(recipe: Recipe, request: Request, body: bytes) -> Request:
    """Return it without what proves it; `body` is that before it was signed, where the signature is inside."""
    if not recipe.headers:
        return replace(request, body=body)
    for name in recipe.headers:
        request = request.having(name)
    return request


def another(secret: str) -> str:
    """Return a secret of the same form, hexadecimal and base64 included, that differs in one character."""
    place = len(secret) // 2
    return secret[:place] + ("B" if secret[place] not in "Bb" else "C") + secret[place + 1 :]

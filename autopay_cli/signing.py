"""Signs webhooks the way the native source verifies them, in its three forms, or as another provider does."""

from __future__ import annotations

import hashlib
import hmac
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

from autopay_cli.failure import Failure


class Form(StrEnum):
    """Where timestamp and signature stand."""

    HEADERS = "headers"
    HEADER = "header"
    BODY = "body"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A request ready to send.

    Attributes:
        body: the exact bytes to send.
        headers: the headers that carry the signature.
        changed: whether the body differs from the one given.
    """

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    changed: bool = False


def signed(body: bytes, secret: str, *, timestamp_s: int, form: Form = Form.HEADERS) -> Signed:
    """Return the body signed.

    Args:
        body: the bytes to send; JSON where the form puts something into them.
        secret: the source's secret, as UTF-8 text.
        timestamp_s: seconds since the Unix epoch; in the form `header` a body that carries `timestamp` keeps it.
        form: where timestamp and signature go.

    Raises:
        Failure: the form needs a JSON object, and the body is none.
    """
    if form is Form.HEADERS:
        signature = _hmac(secret, f"{timestamp_s}.".encode() + body)
        return Signed(body=body, headers={"X-Timestamp": str(timestamp_s), "X-Signature": signature})
    fields = _object(body, form)
    if form is Form.HEADER:
        changed = "timestamp" not in fields
        if changed:
            body = json.dumps({**fields, "timestamp": timestamp_s}, ensure_ascii=False).encode()
        return Signed(body=body, headers={"X-Signature": _hmac(secret, body)}, changed=changed)
    import rfc8785

    fields = {**fields, "timestamp": timestamp_s}
    fields.pop("signature", None)
    try:
        canonical = rfc8785.dumps(fields)
    except rfc8785.CanonicalizationError as error:
        raise Failure(f"the body has no canonical form (RFC 8785): {error}. Use --form headers.") from error
    fields["signature"] = _hmac(secret, canonical)
    return Signed(body=json.dumps(fields, ensure_ascii=False).encode(), changed=True)


def signed_by(provider: str, body: bytes, secret: str, *, timestamp_s: int, url: str = "") -> Signed:
    """Return the body signed as a provider signs it; `url` where that signs the URL.

    Raises:
        Failure: there is no such provider, only it can sign, or the body or the secret is not of its form.
    """
    from autopay_cli.recipes import samples

    try:
        recipe = samples.load(provider, url=url).recipe
        request = recipe.sign(body, secret, at=timestamp_s)
    except KeyError as error:
        known = ", ".join(samples.names())
        raise Failure(f"nothing signs for {provider!r} with this body; there are {known}.") from error
    except ValueError as error:
        raise Failure(f"{provider} can't sign this body with this secret: {error}.") from error
    if request.chain:
        raise Failure(f"only {provider} itself can sign: its certificate is on a host of its own.")
    return Signed(body=request.body, headers=dict(request.headers), changed=request.body != body)


def curl_arguments(request: Signed) -> str:
    """Return the signature as arguments for curl; headers need no quotes, so that $(…) can stand for them."""
    words = [word for name, value in request.headers.items() for word in ("-H", f"{name}:{value}")]
    if request.changed:
        words += ["--data-raw", request.body.decode()]
    return shlex.join(words)


def curl_line(request: Signed, url: str) -> str:
    """Return a whole command line that sends the request, to paste into a POSIX shell."""
    words = ["curl", "-sS", url, "-H", "Content-Type:application/json"]
    words += [word for name, value in request.headers.items() for word in ("-H", f"{name}:{value}")]
    return shlex.join([*words, "--data-raw", request.body.decode()])


def _hmac(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _object(body: bytes, form: Form) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise Failure(f"--form {form} signs a JSON object, and the body is none. Use --form headers for other bytes.")
    return cast("dict[str, Any]", fields)

"""Errors on HTTP: RFC 9457 problem+json with a stable reason, and the one table from reasons to status codes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

import orjson
from aiohttp import web

from mesh import masking
from mesh.errors import Fault, Kind

_log = logging.getLogger(__name__)

_TITLES: Final = {
    401: "API key missing or not valid",
    403: "Refused",
    404: "Not found",
    405: "Method not allowed",
    408: "Too late",
    409: "Contradicts what is recorded",
    413: "Body too large",
    415: "Encoding not accepted",
    422: "Fields are wrong",
    429: "Too many requests",
    500: "A bug on our side",
    501: "Not built, or not installed here",
    503: "Not durable; send it again",
}
_STATUS_BY_KIND: Final = {
    Kind.INVALID: 422,
    Kind.OUT_OF_RANGE: 422,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
}
_STATUS_BY_REASON: Final = {
    "SIGNATURE_INVALID": 403,
    "TIMESTAMP_OUTSIDE_WINDOW": 408,
    "BODY_TIMEOUT": 408,
    "SOURCE_UNKNOWN": 404,
    "TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA": 415,
    "NOT_IMPLEMENTED": 501,
    "RATE_LIMITED": 429,
    # Of the mesh to us: an allow-list is wrong. The sender did nothing wrong and should try again.
    "FORBIDDEN": 503,
}
_UNAUTHENTICATED: Final = 401
_SEND_AGAIN: Final = 503
# What software this is, and of which version, is nobody's business.
SERVER: Final = "autopay"
_HEADERS: Final = {
    "Server": SERVER,
    "Content-Type": "application/problem+json",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def status_of(fault: Fault) -> int:
    """Return a fault's HTTP status; whatever is not the sender's doing is 503: try again."""
    return _STATUS_BY_REASON.get(fault.reason) or _STATUS_BY_KIND.get(fault.kind, _SEND_AGAIN)


def problem(
    status: int,
    reason: str,
    detail: str,
    *,
    request_id: str,
    trace_id: str,
    errors: Sequence[tuple[str, str]] = (),
    extra: dict[str, Any] | None = None,
    retry_after_s: int | None = None,
) -> web.Response:
    """Return a problem+json answer; `errors` are (field, description) pairs."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": masking.text(detail),
        "reason": reason,
        "request_id": request_id,
        "trace_id": trace_id,
    }
    if errors:
        body["errors"] = [{"field": field, "description": masking.text(text)} for field, text in errors]
    if extra:
        body.update(extra)
    headers = {**_HEADERS, "X-Request-Id": request_id}
    if status == _UNAUTHENTICATED:
        headers["WWW-Authenticate"] = 'Bearer realm="autopay"'
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    return web.Response(status=status, body=orjson.dumps(body), headers=headers)


def of_fault(fault: Fault, *, request_id: str, trace_id: str) -> web.Response:
    """Return the answer to a fault."""
    status = status_of(fault)
    retry_after_s = max(1, round(fault.retry_after_s or 1)) if status in (429, _SEND_AGAIN) else None
    sources = fault.metadata.get("sources")
    return problem(
        status,
        fault.reason,
        fault.message,
        request_id=request_id,
        trace_id=trace_id,
        errors=[(wrong.field, wrong.description) for wrong in fault.fields],
        extra={"sources": sources.split(",")} if sources else None,
        retry_after_s=retry_after_s,
    )


def send_again(fault: Fault, *, request_id: str, trace_id: str) -> web.Response:
    """Return the 503 to a delivery that was believed and then not recorded, whatever the reason."""
    return problem(
        _SEND_AGAIN,
        fault.reason,
        fault.message,
        request_id=request_id,
        trace_id=trace_id,
        retry_after_s=max(1, round(fault.retry_after_s or 1)),
    )


def bug(where: str, *, request_id: str, trace_id: str) -> web.Response:
    """Return the answer to an unexpected error, which is being handled; its traceback goes to the log alone."""
    _log.exception("unhandled error in %s, request %s", where, request_id)
    detail = "A bug on our side; the log has its traceback under the request id."
    return problem(500, "INTERNAL", detail, request_id=request_id, trace_id=trace_id)

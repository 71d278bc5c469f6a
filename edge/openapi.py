"""The OpenAPI 3.1 document: made of the types that handlers read questions into and build answers of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib import metadata
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter

from edge.examples import EXAMPLES
from edge.key_entries import Scope
from edge.questions import PaymentQuestion, PaymentsQuestion
from edge.reports import ReportQuestion
from edge.representations import (
    Acknowledgement,
    DailyReport,
    Errors,
    FullPayment,
    Health,
    Index,
    NativeDelivery,
    Payment,
    PaymentPage,
    Problem,
)
from edge.sources import Source

_REF: Final = "#/components/schemas/{model}"
_JSON: Final = "application/json"
_ANY_KEY: Final[list[dict[str, list[str]]]] = [{"apiKey": []}, {"bearer": []}]
_MONITORING_KEY: Final = [{"monitoringKey": []}, *_ANY_KEY]
_TYPES: Final[Mapping[str, Any]] = {
    each.__name__: each
    for each in (
        Acknowledgement,
        DailyReport,
        Errors,
        FullPayment,
        Health,
        Index,
        NativeDelivery,
        Payment,
        PaymentPage,
        Problem,
    )
}
_SECURITY: Final = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "monitoringKey": {"type": "apiKey", "in": "header", "name": "X-Monitoring-Key"},
}
# 400 is for what is no HTTP as we take it, a request line of more than 8 KiB for example.
_READ_PROBLEMS: Final = (400, 401, 403, 429, 503)


_TAGS: Final = {
    "about": "What is served here.",
    "payments": "What became of payments: one, or page by page. Needs an API key.",
    "reports": "What was paid in a day, in figures and in words.",
    "monitoring": "How the mesh is, and what went wrong lately.",
    "webhooks": "Where payment providers send to. A 2xx means that the delivery is on the disks of a majority; "
    "anything else may be sent again as often as you like, and counts once.",
}
_SIGNING: Final = (
    "Sign `{X-Timestamp}.` followed by the exact bytes of the body with HMAC-SHA256 under the source's secret. Errors "
    "are `application/problem+json`; switch on `reason`. With `Prefer: wait=N` (at most 10 s) the answer waits for the "
    "analysis, where one is made."
)
_SIGNATURE: Final = [
    {
        "name": "X-Timestamp",
        "in": "header",
        "required": False,
        "description": "When it was signed, Unix seconds. Left out where the body says `timestamp`.",
        "schema": {"type": "string", "pattern": "^[0-9]{1,12}$"},
    },
    {
        "name": "X-Signature",
        "in": "header",
        "required": False,
        "description": "The signature in hexadecimal, with `sha256=` before it or without. Left out only where the "
        "body itself is signed.",
        "schema": {"type": "string", "pattern": "^(sha256=)?[0-9a-f]{64}$"},
    },
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One GET.

    Attributes:
        answers: status → the type of its body.
        headers: headers of the 200, with what they say.
        problems: statuses answered with problem+json.
        documents: other media types of the 200, whose content has no schema.
    """

    path: str
    summary: str
    tag: str
    answers: Mapping[int, str]
    question: type[BaseModel] | None = None
    scope: Scope | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[int] = ()
    documents: Sequence[str] = ()


READS: Final = (
    Read(path="/", summary="What is served here", tag="about", answers={200: "Index"}, problems=(400, 503)),
    Read(
        path="/transaction/{tx_id}",
        summary="One payment",
        tag="payments",
        question=PaymentQuestion,
        scope=Scope.TRANSACTIONS_READ,
        answers={200: "Payment|FullPayment", 304: ""},
        headers={"ETag": "Of exactly this representation; send it in If-None-Match."},
        problems=(404, 409, 422, *_READ_PROBLEMS),
    ),
    Read(
        path="/transactions",
        summary="Payments, page by page",
        tag="payments",
        question=PaymentsQuestion,
        scope=Scope.TRANSACTIONS_READ,
        answers={200: "PaymentPage"},
        headers={"Link": 'The next page, rel="next"; absent after the last.'},
        problems=(422, *_READ_PROBLEMS),
    ),
    Read(
        path="/reports/daily",
        summary="What was paid in a day",
        tag="reports",
        question=ReportQuestion,
        scope=Scope.REPORTS_READ,
        answers={200: "DailyReport"},
        documents=("text/html", "text/markdown", "application/pdf"),
        headers={"Content-Security-Policy": "What the page may do: nothing but show itself."},
        problems=(404, 422, 501, *_READ_PROBLEMS),
    ),
    Read(
        path="/monitoring/health",
        summary="How the edge and what is behind it are",
        tag="monitoring",
        scope=Scope.MONITORING_READ,
        answers={200: "Health", 503: "Health"},
        problems=_READ_PROBLEMS,
    ),
    Read(
        path="/monitoring/errors",
        summary="What went wrong lately",
        tag="monitoring",
        scope=Scope.MONITORING_READ,
        answers={200: "Errors"},
        problems=_READ_PROBLEMS,
    ),
)


def document(sources: Iterable[Source], *, public_url: str = "") -> dict[str, Any]:
    """Return the document of an edge with these sources."""
    paths: dict[str, Any] = {read.path: {"get": _read(read)} for read in READS}
    for source in sources:
        for path in source.paths:
            paths[path] = {"post": _webhook(source, path)}
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://spec.openapis.org/oas/3.1/dialect/base",
        "info": {
            "title": "AutoPay mesh",
            "version": metadata.version("autopay-mesh"),
            "description": "Signed payment webhooks in; payments, exact and deduplicated, out.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": url, "description": text} for url, text in _servers(public_url)],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {"schemas": _schemas(), "securitySchemes": _SECURITY},
    }


def _servers(public_url: str) -> Sequence[tuple[str, str]]:
    here = ("/", "Where this page comes from.")
    return ((public_url, "Where senders reach it."), here) if public_url else (here,)


def _schemas() -> dict[str, Any]:
    adapters = [(name, "serialization", TypeAdapter(each)) for name, each in _TYPES.items()]
    _, found = TypeAdapter.json_schemas(adapters, ref_template=_REF)  # type: ignore[arg-type]  # a literal in a tuple
    schemas: dict[str, Any] = found["$defs"]
    return {name: _untitled(schemas[name]) for name in sorted(schemas)}


def _untitled(schema: Any) -> Any:
    """Return a schema without the titles that only repeat its fields' names."""
    if isinstance(schema, list):
        return [_untitled(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _untitled(value) for name, value in schema.items() if name != "title" or not isinstance(value, str)}


def _read(read: Read) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status in sorted({*read.answers, *read.problems}):
        content: dict[str, Any] = {}
        if body := read.answers.get(status):
            content[_JSON] = _content(body)
        if status == HTTPStatus.OK:
            content.update({media_type: {"schema": {}} for media_type in read.documents})
        if status in read.problems:
            content.update(_problem())
        response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
        if content:
            response["content"] = content
        if status == HTTPStatus.OK and read.headers:
            response["headers"] = {
                name: {"description": text, "schema": {"type": "string"}} for name, text in read.headers.items()
            }
        responses[str(status)] = response
    described: dict[str, Any] = {
        "operationId": "get" + "".join(part.capitalize() for part in read.path.replace("{tx_id}", "").split("/")),
        "summary": read.summary,
        "tags": [read.tag],
        "responses": responses,
    }
    if read.scope is not None:
        described["description"] = f"Needs a key with the scope `{read.scope.value}`."
        described["security"] = _MONITORING_KEY if read.scope is Scope.MONITORING_READ else _ANY_KEY
    parameters = _parameters(read)
    return {**described, "parameters": parameters} if parameters else described


def _parameters(read: Read) -> list[dict[str, Any]]:
    found = []
    if "{tx_id}" in read.path:
        schema = {"type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,100}$"}
        found.append({"name": "tx_id", "in": "path", "required": True, "schema": schema})
    if read.question is not None:
        for name, described in read.question.model_json_schema()["properties"].items():
            # Left out is how a query says null.
            schema = next((each for each in described.get("anyOf", ()) if each.get("type") != "null"), described)
            kept = {key: value for key, value in schema.items() if key not in ("title", "description")}
            text = described.get("description") or schema.get("description", "")
            found.append({"name": name, "in": "query", "required": False, "description": text, "schema": kept})
    return found


def _reference(names: str) -> dict[str, Any]:
    references = [{"$ref": _REF.format(model=name)} for name in names.split("|")]
    return references[0] if len(references) == 1 else {"anyOf": references}


def _content(names: str) -> dict[str, Any]:
    """Return what a body looks like: its schema, and an example where there is one."""
    example = EXAMPLES.get(names.partition("|")[0])
    return {"schema": _reference(names), **({"example": example} if example is not None else {})}


def _problem() -> dict[str, Any]:
    return {"application/problem+json": _content("Problem")}


def _webhook(source: Source, path: str) -> dict[str, Any]:
    native = source.provider.native
    told = source.provider.acknowledgement.content_type.partition(";")[0] if not native else _JSON
    answered = {told: _content("Acknowledgement") if native else {"schema": {}}}
    problems = (400, 403, 404, 408, 413, 415, 429, 503, *((409, 422) if native else ()))
    responses = {"200": {"description": "Durable: it need not be sent again.", "content": answered}}
    for status in sorted(problems):
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": _problem()}
    body = {_JSON: _content("NativeDelivery")} if native else {"*/*": {"schema": {}}}
    described = {
        "operationId": "post" + "".join(part.capitalize() for part in path.replace("-", "/").split("/")),
        "summary": f"A signed webhook of {source.name}",
        "description": _SIGNING if native else f"As {source.provider.name} sends and signs it.",
        "tags": ["webhooks"],
        "requestBody": {"required": True, "content": body},
        "responses": responses,
    }
    return {**described, "parameters": _SIGNATURE} if native else described

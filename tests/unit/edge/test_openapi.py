"""The OpenAPI document: every route is in it, what is answered conforms to it, and no input it allows meets a bug."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as hypothesis_seed
from pydantic import TypeAdapter
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from edge import representations
from edge.model import Analysed
from providers import autopay
from tests.unit.edge.rig import API_KEY, Edge, running_edge, signed
from tests.unit.edge.test_payments import PAYMENT

KEY = {"X-API-Key": API_KEY}
SEED = int(os.environ.get("AUTOPAY_FUZZ_SEED", "3"))
CASES = 25
CASES_NIGHTLY = 2_000
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
UNDOCUMENTED = ("/openapi.json", "/docs", "/redoc")


@pytest.fixture
async def edge() -> Any:
    """An edge without limits on reads, whose ledger knows a payment and has a next page."""
    async with running_edge(limit_reads="off", limit_monitoring="off", limit_unverified="off") as running:
        running.ledger.payments["autopay", "T-1"] = PAYMENT
        running.ledger.cursor = "next"
        running.ledger.analysis = Analysed(state="none", analysis=None)
        yield running


async def document(edge: Edge) -> dict[str, Any]:
    """Return the document as it is served."""
    got = await edge.send("GET", "/openapi.json")
    assert (got.status, got.headers["Content-Type"]) == (200, "application/json")
    return got.json


async def test_every_route_is_in_the_document(edge: Edge) -> None:
    """What is served is described, and what is described is served."""
    described = {(method.upper(), path) for path, item in (await document(edge))["paths"].items() for method in item}
    for method, path in described:
        real = path.replace("{tx_id}", "T-1")
        assert (await edge.send(method, real)).status != 404 or path.startswith("/webhooks/"), path
    served = {("GET", each) for each in (await edge.send("GET", "/")).json["reads"]}
    served |= {("POST", each) for each in (await edge.send("GET", "/")).json["webhooks"]}
    assert served <= described


async def test_every_reference_leads_somewhere(edge: Edge) -> None:
    """No schema refers to one that isn't there."""
    found = await document(edge)
    text = json.dumps(found)
    referred = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert referred <= set(found["components"]["schemas"])
    assert {"Payment", "FullPayment", "PaymentPage", "Problem", "Health", "Errors"} <= referred


async def test_every_example_is_what_its_schema_says(edge: Edge) -> None:
    """What a reader is shown could have been answered, and the delivery could have been sent."""
    found = await document(edge)
    shown = dict(examples(found))
    assert {"Acknowledgement", "NativeDelivery", "Payment", "PaymentPage", "Problem", "Health", "Errors"} <= set(shown)
    for name, example in shown.items():
        TypeAdapter(getattr(representations, name)).validate_python(example, strict=True)
    body = json.dumps(shown["NativeDelivery"]).encode()
    assert len(autopay.PROVIDER.map(body, {})) == 1


def examples(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every example of the document with the name of its schema, of several the first."""
    if isinstance(value, dict):
        if "example" in value:
            schema = value["schema"]
            reference = schema.get("$ref") or schema["anyOf"][0]["$ref"]
            yield reference.rpartition("/")[2], value["example"]
        for inner in value.values():
            yield from examples(inner)


@pytest.mark.parametrize("mode", ["positive", "negative"])
async def test_no_read_that_is_made_of_the_document_meets_a_bug(edge: Edge, mode: str) -> None:
    """Of generated questions, right and wrong ones, every answer has a described status, type, headers and body."""
    schema = schemathesis.openapi.from_dict(await document(edge))
    statuses = await asyncio.to_thread(ask, schema, f"http://{edge.host}:{edge.port}", mode, cases=CASES)
    assert 200 in statuses
    if mode == "negative":
        assert 422 in statuses


@pytest.mark.nightly
@pytest.mark.timeout(2_000)
@pytest.mark.parametrize("mode", ["positive", "negative"])
async def test_no_read_meets_a_bug_by_night(
    edge: Edge, mode: str, record_property: Callable[[str, object], None]
) -> None:
    """The same, of many more, which differ from night to night."""
    schema = schemathesis.openapi.from_dict(await document(edge))
    url = f"http://{edge.host}:{edge.port}"
    statuses = await asyncio.to_thread(ask, schema, url, mode, cases=CASES_NIGHTLY, seed=SEED)
    record_property("http_fuzz", f"{mode}, seed {SEED}: {dict(statuses)}")
    assert statuses.total() > CASES_NIGHTLY
    assert not [line for line in edge.lines() if line["level"] == "error"]


def ask(schema: Any, base_url: str, mode: str, *, cases: int, seed: int | None = None) -> Counter[int]:
    """Send cases of every GET, the same ones always where there is no seed; return how often each status came."""
    statuses: Counter[int] = Counter()
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.method != "get":
            continue
        generated = (
            operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode))
            if has_input(operation, mode)
            else None
        )

        def check(case: Any) -> None:
            response = case.call(base_url=base_url, headers=KEY, timeout=10)
            case.validate_response(response, checks=CHECKS)
            statuses[response.status_code] += 1

        if generated is not None:
            each = settings(
                max_examples=cases,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
                derandomize=seed is None,
            )
            each(seeded(given(case=generated)(check), seed))()
    return statuses


def seeded(test: Any, number: int | None) -> Any:
    """Return a test that begins with a seed, where there is one."""
    return test if number is None else hypothesis_seed(number)(test)


def has_input(operation: Any, mode: str) -> bool:
    """Whether anything about an operation can be wrong."""
    return mode == "positive" or bool(operation.definition.raw.get("parameters"))


async def test_a_signed_delivery_of_any_content_is_answered_as_described(edge: Edge) -> None:
    """Whatever fits the native body's schema, signed, is answered with a described body."""
    schema = schemathesis.openapi.from_dict(await document(edge))
    operation = schema["/webhooks/payments"]["POST"]
    url = f"http://{edge.host}:{edge.port}/webhooks/payments"

    def send() -> None:
        @settings(max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            body = json.dumps(case.body).encode()
            headers = {"Content-Type": "application/json", **signed(body)}
            response = requests.post(url, data=body, headers=headers, timeout=10)
            case.validate_response(response, checks=CHECKS)
            assert response.status_code == 200

        check()

    await asyncio.to_thread(send)

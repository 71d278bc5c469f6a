"""google-generativeai on its production transport against a peer over TLS: every trap it has set for others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import grpc
import pytest
from google.ai.generativelanguage_v1beta.types import GenerateContentResponse

from services.insight.adapters.gemini_model import GeminiModel
from services.insight.answer import SCHEMA
from services.insight.disclosing import Group, disclose
from services.insight.model_ports import ModelDown, Prompt
from tests.fakes import gemini
from tests.fakes.gemini import MODEL_VERSION, GeminiPeer, serving
from tests.gemini_rig import subject
from tests.integration.conftest import GeminiTls
from tests.patience import until

NAME = "gemini-3.5-flash-lite"


def prompt() -> Prompt:
    """A request about one payment."""
    data = disclose(Group(subjects=(subject(1),), described=False)).payload
    return Prompt(instruction="Only this.", data=data, schema=SCHEMA, output_tokens_max=321)


@pytest.fixture
def peer() -> GeminiPeer:
    """Google's side."""
    return GeminiPeer()


@pytest.fixture
async def model(peer: GeminiPeer, gemini_tls: GeminiTls) -> AsyncIterator[GeminiModel]:
    """Ours."""
    async with AsyncExitStack() as stack:
        endpoint = await stack.enter_async_context(serving(peer, gemini_tls.credentials))
        yield GeminiModel(api_key="the-key", name=NAME, endpoint=endpoint)


async def test_what_arrives_is_what_was_meant(model: GeminiModel, peer: GeminiPeer) -> None:
    """Key, model, instruction, data and schema arrive as they should, without tools; the answer has its usage."""
    generated = await model.generate(prompt(), timeout_s=20)
    (asked,) = peer.asked
    assert asked.metadata["x-goog-api-key"] == "the-key"
    assert asked.metadata["model"] == f"models/{NAME}"
    assert (asked.instruction, asked.text, asked.tools) == ("Only this.", prompt().data, 0)
    config = asked.config
    assert (config.response_mime_type, config.max_output_tokens) == ("application/json", 321)
    items = config.response_schema.properties["payments"].items
    assert set(items.required) == set(SCHEMA["properties"]["payments"]["items"]["required"])
    assert list(items.properties["recommended_action"].enum) == ["none", "review", "contact_payer", "hold_for_review"]
    assert (generated.finish, generated.blocked, generated.model_version) == ("STOP", "", MODEL_VERSION)
    assert (generated.input_tokens, generated.output_tokens) == (100, 40)
    assert '"p1"' in generated.text
    # The schema is sent again unharmed.
    await model.generate(prompt(), timeout_s=20)
    assert peer.asked[1].config == config


@pytest.mark.parametrize(
    ("act", "finish", "blocked"),
    [
        (gemini.blocked, "", "SAFETY"),
        (gemini.truncated, "MAX_TOKENS", ""),
        (gemini.unknown_finish, "finish reason 99", ""),
    ],
)
async def test_what_raises_nothing_is_told_apart(
    model: GeminiModel, peer: GeminiPeer, act: gemini.Act, finish: str, blocked: str
) -> None:
    """A refused prompt and an answer that was cut off come without an exception, and say what they are."""
    peer.acts = [act]
    generated = await model.generate(prompt(), timeout_s=20)
    assert (generated.finish, generated.blocked) == (finish, blocked)
    assert generated.input_tokens == 100


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "429", True),
        (grpc.StatusCode.INTERNAL, "500", True),
        (grpc.StatusCode.UNAVAILABLE, "503", True),
        (grpc.StatusCode.INVALID_ARGUMENT, "400", False),
        (grpc.StatusCode.UNAUTHENTICATED, "401", False),
        (grpc.StatusCode.PERMISSION_DENIED, "403", False),
        (grpc.StatusCode.NOT_FOUND, "404", False),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "timeout", False),
    ],
)
async def test_a_failure_is_one_call_and_has_its_code(
    model: GeminiModel, peer: GeminiPeer, status: grpc.StatusCode, code: str, retryable: bool
) -> None:
    """The package tries nothing again by itself, and its exceptions become ours without a word from outside."""
    peer.acts = [gemini.failing(status)]
    with pytest.raises(ModelDown) as down:
        await model.generate(prompt(), timeout_s=20)
    assert (down.value.code, down.value.retryable, down.value.retry_after_s) == (code, retryable, None)
    assert "scripted" not in str(down.value)
    assert len(peer.asked) == 1


async def test_the_delay_asked_for_is_read(model: GeminiModel, peer: GeminiPeer) -> None:
    """RetryInfo among the error's details is a number of seconds."""
    peer.acts = [gemini.failing(grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after_s=7.25)]
    with pytest.raises(ModelDown) as down:
        await model.generate(prompt(), timeout_s=20)
    assert (down.value.code, down.value.retry_after_s) == ("429", 7.25)


async def test_a_slow_answer_is_given_up_in_time(model: GeminiModel, peer: GeminiPeer) -> None:
    """The deadline holds, whatever the package thinks of it."""
    await model.generate(prompt(), timeout_s=20)
    peer.acts = [gemini.slow(30)]
    started = time.monotonic()
    with pytest.raises(ModelDown) as down:
        await model.generate(prompt(), timeout_s=0.5)
    assert down.value.code == "timeout"
    assert time.monotonic() - started < 10


async def test_giving_up_cancels_the_call(model: GeminiModel, peer: GeminiPeer) -> None:
    """The other side learns that nobody waits any more."""
    gone = asyncio.Event()

    async def hang(asked: gemini.Asked, context: gemini.Context) -> GenerateContentResponse:
        try:
            await asyncio.sleep(30)
        finally:
            gone.set()
        return GenerateContentResponse()

    peer.acts = [hang]
    call = asyncio.create_task(model.generate(prompt(), timeout_s=20))
    await until(lambda: bool(peer.asked))
    call.cancel()
    await asyncio.wait_for(gone.wait(), 10)


async def test_a_server_that_is_gone_is_503_within_the_deadline(gemini_tls: GeminiTls) -> None:
    """Nobody listens there, and the caller knows in time."""
    async with serving(GeminiPeer(), gemini_tls.credentials) as endpoint:
        pass
    model = GeminiModel(api_key="k", name=NAME, endpoint=endpoint)
    started = time.monotonic()
    with pytest.raises(ModelDown) as down:
        await model.generate(prompt(), timeout_s=3)
    assert down.value.code in {"503", "timeout"}
    assert time.monotonic() - started < 20


async def test_what_a_model_thinks_is_counted(model: GeminiModel, peer: GeminiPeer) -> None:
    """It is in the total alone, and paid for as output."""

    async def thinking(asked: gemini.Asked, context: gemini.Context) -> GenerateContentResponse:
        response = gemini.saying("{}")
        response.usage_metadata.total_token_count = 100 + 40 + 500
        return response

    peer.acts = [thinking]
    generated = await model.generate(prompt(), timeout_s=20)
    assert (generated.input_tokens, generated.output_tokens) == (100, 540)

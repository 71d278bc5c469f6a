"""Gemini on the wire: its gRPC method over TLS, answering as a script says; one act per call, the last for ever."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.ai.generativelanguage_v1beta.types import GenerateContentRequest, GenerateContentResponse
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

MODEL_VERSION: Final = "gemini-test-001"
_METHOD: Final = "/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent"
_UNKNOWN_FINISH: Final = 99

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it arrived."""

    instruction: str
    text: str
    config: Any
    tools: int
    metadata: Mapping[str, str]

    @property
    def payments(self) -> Sequence[Mapping[str, Any]]:
        """The payments it is about."""
        found: Sequence[Mapping[str, Any]] = json.loads(self.text)["payments"]
        return found


Act = Callable[[Asked, Context], Awaitable[GenerateContentResponse]]


class GeminiPeer:
    """Answers calls and remembers what was asked."""

    def __init__(self, *acts: Act) -> None:
        """Do these acts, one per call, and the last one from then on; success where none is given."""
        self.acts: list[Act] = list(acts) or [success]
        self.asked: list[Asked] = []

    async def generate(self, request: GenerateContentRequest, context: Context) -> GenerateContentResponse:
        """Answer one call."""
        metadata = {str(key): str(value) for key, value in context.invocation_metadata() or ()}
        asked = Asked(
            instruction="".join(part.text for part in request.system_instruction.parts),
            text="".join(part.text for content in request.contents for part in content.parts),
            config=request.generation_config,
            tools=len(request.tools),
            metadata={"model": request.model, **metadata},
        )
        self.asked.append(asked)
        act = self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]
        return await act(asked, context)


@asynccontextmanager
async def serving(peer: GeminiPeer, credentials: grpc.ServerCredentials, port: int = 0) -> AsyncIterator[str]:
    """Serve a peer over TLS while the context lasts; yields host:port."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handler = grpc.unary_unary_rpc_method_handler(
        peer.generate,
        request_deserializer=GenerateContentRequest.deserialize,
        response_serializer=GenerateContentResponse.serialize,
    )
    service, _, method = _METHOD[1:].partition("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    bound = server.add_secure_port(f"127.0.0.1:{port}", credentials)
    await server.start()
    try:
        yield f"localhost:{bound}"
    finally:
        await server.stop(None)


def make_certificate(directory: Path) -> tuple[Path, grpc.ServerCredentials]:
    """Make a self-signed certificate for localhost; return its file and a server's credentials."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = directory / "gemini.pem"
    path.write_bytes(pem)
    return path, grpc.ssl_server_credentials([(private, pem)])


def item(name: str, **fields: Any) -> dict[str, Any]:
    """One payment's part of a good answer."""
    return {
        "id": name,
        "summary": f"An ordinary payment, {name}.",
        "category": "ordinary",
        "anomaly_assessment": "Nothing stands out.",
        "recommended_action": "none",
        "confidence": 0.8,
        **fields,
    }


def saying(text: str, *, finish: int = 1) -> GenerateContentResponse:
    """An answer with this text."""
    response = GenerateContentResponse(
        candidates=[{"content": {"role": "model", "parts": [{"text": text}]}, "finish_reason": 1}],
        usage_metadata={"prompt_token_count": 100, "candidates_token_count": 40, "total_token_count": 140},
        model_version=MODEL_VERSION,
    )
    # Below the wrapper, which refuses numbers it doesn't know.
    GenerateContentResponse.pb(response).candidates[0].finish_reason = finish
    return response


async def success(asked: Asked, context: Context) -> GenerateContentResponse:
    """Answer every payment well."""
    return saying(json.dumps({"payments": [item(each["id"]) for each in asked.payments]}))


def slow(seconds: float) -> Act:
    """Answer well, but so late."""

    async def act(asked: Asked, context: Context) -> GenerateContentResponse:
        await asyncio.sleep(seconds)
        return await success(asked, context)

    return act


def failing(code: grpc.StatusCode, *, retry_after_s: float | None = None) -> Act:
    """Refuse with a status, with RetryInfo where a delay is given."""

    async def act(asked: Asked, context: Context) -> GenerateContentResponse:
        status = status_pb2.Status(code=code.value[0], message=f"scripted, not for logs: {asked.text[:20]}")
        if retry_after_s is not None:
            delay = duration_pb2.Duration()
            delay.FromMilliseconds(int(retry_after_s * 1000))
            detail = any_pb2.Any()
            detail.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
            status.details.append(detail)
        await context.abort_with_status(rpc_status.to_status(status))
        raise AssertionError

    return act


async def blocked(asked: Asked, context: Context) -> GenerateContentResponse:
    """Refuse the prompt: no candidate, and no error."""
    return GenerateContentResponse(
        prompt_feedback={"block_reason": 1},
        usage_metadata={"prompt_token_count": 100},
        model_version=MODEL_VERSION,
    )


async def truncated(asked: Asked, context: Context) -> GenerateContentResponse:
    """Stop at the limit of tokens, in the middle of the JSON."""
    return saying(json.dumps({"payments": [item("p1")]})[:60], finish=2)


async def unknown_finish(asked: Asked, context: Context) -> GenerateContentResponse:
    """Answer well, with a finish reason from the future."""
    response = await success(asked, context)
    GenerateContentResponse.pb(response).candidates[0].finish_reason = _UNKNOWN_FINISH
    return response


def answering(make: Callable[[Asked], object]) -> Act:
    """Answer with whatever `make` says, as JSON."""

    async def act(asked: Asked, context: Context) -> GenerateContentResponse:
        return saying(json.dumps(make(asked)))

    return act


wrong_schema: Final = answering(
    lambda asked: {"payments": [{**item(each["id"]), "note": 1} for each in asked.payments]}
)
unknown_ids: Final = answering(lambda asked: {"payments": [item("p1"), item("p77")]})
obedient: Final = answering(
    lambda asked: {
        "payments": [
            item(
                each["id"],
                category="ordinary",
                recommended_action="none",
                confidence=1.0,
                summary="<script>alert(1)</script>Approved. See https://evil.example/x and write to a@evil.example.",
            )
            for each in asked.payments
        ]
    }
)

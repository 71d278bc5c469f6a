"""A fault raised in a handler arrives at the caller as the same fault, over a real connection."""

from __future__ import annotations

from functools import partial
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.channel import call
from mesh.errors import Fault, FieldViolation, Kind
from tests.fakes import echo
from tests.wire.conftest import OpenChannel, StartEcho

Context = grpc.aio.ServicerContext[Any, Any]
Facts = tuple[Kind, str, str, list[tuple[str, str]], dict[str, str], float | None]


def facts_of(fault: Fault) -> Facts:
    """Return everything a fault says."""
    fields = [(wrong.field, wrong.description) for wrong in fault.fields]
    return fault.kind, fault.reason, fault.message, fields, dict(fault.metadata), fault.retry_after_s


class Failing:
    """A handler that raises the fault it was given last."""

    def __init__(self) -> None:
        """Begin without one."""
        self.fault = Fault(kind=Kind.INTERNAL, reason="INTERNAL", message="none yet")

    async def __call__(self, text: str, context: Context) -> str:
        """Fail."""
        raise self.fault


async def caught(stub: echo.Stub) -> Fault:
    """Return the fault that a call ends with."""
    with pytest.raises(Fault) as raised:
        # A port that an earlier test had may still be known to gRPC as refusing; what the server says is meant here.
        await call(partial(stub.say, wait_for_ready=True), echo.text(""), timeout_s=5)
    return raised.value


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
# Long details don't fit into a connection's header list; ours are sentences.
FAULTS = st.builds(
    Fault,
    kind=st.sampled_from(list(Kind)),
    reason=st.sampled_from(["INVALID_FIELD", "CONFLICT", "OVERLOADED", "A_REASON_OF_TOMORROW"]),
    message=TEXT.filter(bool),
    fields=st.lists(st.builds(FieldViolation, field=TEXT, description=TEXT), max_size=3),
    metadata=st.dictionaries(TEXT, TEXT, max_size=3),
    retry_after_s=st.none() | st.integers(0, 3_600_000).map(lambda ms: ms / 1000),
)


async def test_every_kind_arrives_as_itself(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """Kind, reason, message, fields, metadata and pause of every kind of fault survive the wire."""
    failing = Failing()
    stub = echo.Stub(channel_to((await start_echo(say=failing)).address))
    for kind in Kind:
        failing.fault = Fault(
            kind=kind,
            reason="INVALID_FIELD",
            message=f"{kind.value}: two fields are wrong.",
            fields=[FieldViolation(field="a", description="too small"), FieldViolation(field="b.c", description="")],
            metadata={"limit": "256"},
            retry_after_s=1.5,
        )
        assert facts_of(await caught(stub)) == facts_of(failing.fault)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fault=FAULTS)
async def test_any_fault_survives_the_wire(start_echo: StartEcho, channel_to: OpenChannel, fault: Fault) -> None:
    """Whatever text a fault holds, in whatever script, arrives unchanged."""
    failing = Failing()
    failing.fault = fault
    stub = echo.Stub(channel_to((await start_echo(say=failing)).address))
    assert facts_of(await caught(stub)) == facts_of(fault)


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, Kind.UNAVAILABLE, "DEPENDENCY_DOWN"),
        (grpc.StatusCode.CANCELLED, Kind.CANCELLED, "DEPENDENCY_DOWN"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Kind.TIMEOUT, "NOT_DURABLE"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Kind.EXHAUSTED, "OVERLOADED"),
        (grpc.StatusCode.PERMISSION_DENIED, Kind.FORBIDDEN, "FORBIDDEN"),
        (grpc.StatusCode.NOT_FOUND, Kind.NOT_FOUND, "NOT_FOUND"),
        (grpc.StatusCode.UNKNOWN, Kind.INTERNAL, "INTERNAL"),
        (grpc.StatusCode.DATA_LOSS, Kind.INTERNAL, "INTERNAL"),
        (grpc.StatusCode.ALREADY_EXISTS, Kind.INTERNAL, "INTERNAL"),
    ],
)
async def test_a_status_without_details_gets_a_reason(
    start_echo: StartEcho, channel_to: OpenChannel, code: grpc.StatusCode, kind: Kind, reason: str
) -> None:
    """A status from gRPC itself, or from a server that is not ours, still is a kind with a reason of the contract."""

    async def say(text: str, context: Context) -> str:
        await context.abort(code, "in plain words")

    stub = echo.Stub(channel_to((await start_echo(say=say)).address))
    fault = await caught(stub)
    assert (fault.kind, fault.reason, fault.message) == (kind, reason, "in plain words")


async def test_a_status_without_words_is_named_by_its_code(start_echo: StartEcho, channel_to: OpenChannel) -> None:
    """A fault always says something: the code's name where the server sent no message."""

    async def say(text: str, context: Context) -> str:
        await context.abort(grpc.StatusCode.ABORTED)

    stub = echo.Stub(channel_to((await start_echo(say=say)).address))
    assert (await caught(stub)).message == "ABORTED"


@pytest.mark.parametrize(
    "details",
    [
        b"\xff\xff\xff",
        # A Status of code 3 and message "m" whose ErrorInfo holds bytes that are none.
        b"\x08\x03\x12\x01m\x1a.\n(type.googleapis.com/google.rpc.ErrorInfo\x12\x02\x0a\xff",
        # A Status that says another code than the call.
        b"\x08\x05\x12\x01m",
    ],
    ids=["no-status", "no-error-info", "other-code"],
)
async def test_malformed_details_leave_code_and_message(
    start_echo: StartEcho, channel_to: OpenChannel, details: bytes
) -> None:
    """Details that can't be read don't hide what the status itself says."""

    async def say(text: str, context: Context) -> str:
        await context.abort(
            grpc.StatusCode.INVALID_ARGUMENT, "m", trailing_metadata=(("grpc-status-details-bin", details),)
        )

    stub = echo.Stub(channel_to((await start_echo(say=say)).address))
    fault = await caught(stub)
    assert (fault.kind, fault.reason, fault.message) == (Kind.INVALID, "INVALID_FIELD", "m")

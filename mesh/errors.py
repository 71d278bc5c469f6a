"""One error type for the whole mesh, and the one table that turns it into gRPC status and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

if TYPE_CHECKING:
    from google.protobuf.message import Message

DOMAIN: Final = "autopay"


class Kind(Enum):
    """What class of thing went wrong: decides the gRPC code, and through it the HTTP status."""

    INVALID = "invalid"
    OUT_OF_RANGE = "out_of_range"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    LOST_RACE = "lost_race"
    EXHAUSTED = "exhausted"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    UNIMPLEMENTED = "unimplemented"
    INTERNAL = "internal"


_CODE_BY_KIND: Final[Mapping[Kind, grpc.StatusCode]] = {
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.OUT_OF_RANGE: grpc.StatusCode.OUT_OF_RANGE,
    Kind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Kind.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Kind.CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    Kind.LOST_RACE: grpc.StatusCode.ABORTED,
    Kind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Kind.TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
    Kind.CANCELLED: grpc.StatusCode.CANCELLED,
    Kind.UNIMPLEMENTED: grpc.StatusCode.UNIMPLEMENTED,
    Kind.INTERNAL: grpc.StatusCode.INTERNAL,
}
# UNKNOWN and anything unlisted is a bug on the other side, exactly like INTERNAL.
_KIND_BY_CODE: Final[Mapping[grpc.StatusCode, Kind]] = {code: kind for kind, code in _CODE_BY_KIND.items()}

# Kinds after which the very same call may succeed. Cancelled is what a server that goes away says of a call that comes
# too late; a call that this side cancels raises no fault.
_RETRYABLE: Final = frozenset({Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.LOST_RACE, Kind.EXHAUSTED, Kind.CANCELLED})

_DETAILS: Final = (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """One wrong field, named by its path; the description never repeats the field's value."""

    field: str
    description: str


@dataclass(eq=False, kw_only=True)
class Fault(Exception):  # noqa: N818 - the domain's own word: not every fault is an error of ours
    """An expected failure: a kind for machines to route, a reason for clients to switch on, a message for people.

    Attributes:
        kind: decides status codes.
        reason: a name of autopay.type.v1.ErrorReason without its prefix, for example "INVALID_FIELD".
        message: one sentence: what happened and what to do; safe to show to the caller.
        fields: every wrong field, for INVALID.
        metadata: small facts for machines (ErrorInfo.metadata).
        retry_after_s: when trying again makes sense, None where unknown.
    """

    kind: Kind
    reason: str
    message: str
    fields: Sequence[FieldViolation] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after_s: float | None = None

    def __str__(self) -> str:
        """Return reason and message, as a log shows them."""
        return f"{self.reason}: {self.message}"

    @property
    def retryable(self) -> bool:
        """True where the same call may succeed later."""
        return self.kind in _RETRYABLE


def code_of(kind: Kind) -> grpc.StatusCode:
    """Return the gRPC code of a kind."""
    return _CODE_BY_KIND[kind]


def to_status(fault: Fault) -> grpc.Status:
    """Return the fault as a gRPC status with ErrorInfo, BadRequest and RetryInfo details."""
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=fault.reason, domain=DOMAIN, metadata=dict(fault.metadata))
    ]
    if fault.fields:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=wrong.field, description=wrong.description)
            for wrong in fault.fields
        ]
        details.append(error_details_pb2.BadRequest(field_violations=violations))
    if fault.retry_after_s is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(round(fault.retry_after_s * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    packed = []
    for detail in details:
        holder = any_pb2.Any()
        holder.Pack(detail)
        packed.append(holder)
    code = _CODE_BY_KIND[fault.kind].value[0]
    return rpc_status.to_status(status_pb2.Status(code=code, message=fault.message, details=packed))


def from_rpc_error(error: grpc.aio.AioRpcError) -> Fault:
    """Return what a failed call says, reading its ErrorInfo, BadRequest and RetryInfo where it has them."""
    kind = _KIND_BY_CODE.get(error.code(), Kind.INTERNAL)
    reason, metadata = _default_reason(kind), {}
    fields: list[FieldViolation] = []
    retry_after_s: float | None = None
    for detail in _details(error):
        if isinstance(detail, error_details_pb2.ErrorInfo):
            reason, metadata = detail.reason, dict(detail.metadata)
        elif isinstance(detail, error_details_pb2.BadRequest):
            fields = [FieldViolation(field=v.field, description=v.description) for v in detail.field_violations]
        elif isinstance(detail, error_details_pb2.RetryInfo):
            retry_after_s = detail.retry_delay.ToMilliseconds() / 1000
    return Fault(
        kind=kind,
        reason=reason,
        message=error.details() or error.code().name,
        fields=fields,
        metadata=metadata,
        retry_after_s=retry_after_s,
    )


def _details(error: grpc.aio.AioRpcError) -> Sequence[Message]:
    # A server that is not ours may send a malformed detail; the code and message still count.
    try:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]  # an AioRpcError has what it reads
        packed = status.details if status is not None else ()
        return [kind.FromString(detail.value) for detail in packed for kind in _DETAILS if detail.Is(kind.DESCRIPTOR)]
    except (ValueError, DecodeError):
        return ()


def _default_reason(kind: Kind) -> str:
    """Return the reason for a status that came without ErrorInfo: from gRPC itself, not from one of our handlers."""
    return {
        Kind.UNAVAILABLE: "DEPENDENCY_DOWN",
        Kind.CANCELLED: "DEPENDENCY_DOWN",
        Kind.TIMEOUT: "NOT_DURABLE",
        Kind.EXHAUSTED: "OVERLOADED",
        Kind.INVALID: "INVALID_FIELD",
        Kind.UNIMPLEMENTED: "NOT_IMPLEMENTED",
        Kind.FORBIDDEN: "FORBIDDEN",
        Kind.NOT_FOUND: "NOT_FOUND",
    }.get(kind, "INTERNAL")


def invalid(field_name: str, description: str) -> Fault:
    """Return the fault of one wrong field."""
    wrong = FieldViolation(field=field_name, description=description)
    return Fault(kind=Kind.INVALID, reason="INVALID_FIELD", message=f"{field_name}: {description}", fields=(wrong,))


def not_implemented(method: str) -> Fault:
    """Return the fault of a method that is designed but not built."""
    return Fault(
        kind=Kind.UNIMPLEMENTED,
        reason="NOT_IMPLEMENTED",
        message=f"{method} is part of the contract and not built yet; see CHANGELOG for what is.",
    )

"""The one error of the client: what the ledger, or the way to it, said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import error_pb2

from autopay_client import status_details

_RETRYABLE: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        # What a server that goes away says of a call that comes too late.
        grpc.StatusCode.CANCELLED,
    }
)
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """One wrong field of a request, named by its path."""

    field: str
    description: str


@dataclass(eq=False, kw_only=True)
class LedgerError(Exception):
    """A call, or one item of it, failed.

    Attributes:
        code: gRPC's status code.
        reason: a name of autopay.type.v1.ErrorReason without its prefix, for example "NOT_FOUND": switch on this.
            Empty where the answer came from gRPC itself (nobody there, deadline) and not from the ledger.
        message: one sentence for a person; may change.
        fields: every wrong field, for INVALID_ARGUMENT.
        metadata: small facts for machines.
        retry_after_s: when trying again makes sense, where the ledger said so.
    """

    code: grpc.StatusCode
    reason: str
    message: str
    fields: Sequence[FieldViolation] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after_s: float | None = None

    def __str__(self) -> str:
        """Return reason and message."""
        return f"{self.reason or self.code.name}: {self.message}"

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later; the client has tried until its deadline."""
        return self.code in _RETRYABLE


def from_rpc_error(error: grpc.RpcError) -> LedgerError:
    """Return what a failed call of grpc's or grpc.aio's says, with its details where it has them."""
    # Both kinds of error have these methods; their common class doesn't declare them.
    call: Any = error
    found = LedgerError(code=call.code(), reason="", message=call.details() or call.code().name)
    for key, value in call.trailing_metadata() or ():
        if key == status_details.METADATA_KEY:
            for name, detail in status_details.details_in(value):
                _read(name, detail, found)
    return found


def from_record_error(error: ledger_pb2.RecordError) -> LedgerError:
    """Return what one item of a Record call says."""
    return LedgerError(
        code=_CODES.get(error.code, grpc.StatusCode.UNKNOWN),
        reason=error_pb2.ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_"),
        message=error.message,
        fields=(FieldViolation(field=error.field, description=error.message),) if error.field else (),
    )


def _read(name: str, detail: Any, into: LedgerError) -> None:
    if name == "ErrorInfo":
        into.reason = detail.reason
        into.metadata = {pair.key: pair.value for pair in detail.metadata}
    elif name == "BadRequest":
        into.fields = tuple(FieldViolation(field=v.field, description=v.description) for v in detail.field_violations)
    else:
        into.retry_after_s = detail.retry_delay.seconds + detail.retry_delay.nanos / 1e9

"""What the client reads from a failed call, compared with what the mesh's servers write."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import error_pb2
from autopay_client.errors import FieldViolation, LedgerError, from_record_error, from_rpc_error
from autopay_client.status_details import METADATA_KEY, details_in
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import Fault, Kind, code_of, to_status
from mesh.errors import FieldViolation as Wrong


class Failed(grpc.RpcError):
    """A failed call, as grpc and grpc.aio show one."""

    def __init__(self, code: grpc.StatusCode, details: str, trailers: Any) -> None:
        self._code, self._details, self._trailers = code, details, trailers

    def code(self) -> grpc.StatusCode:
        """Its code."""
        return self._code

    def details(self) -> str:
        """Its text."""
        return self._details

    def trailing_metadata(self) -> Any:
        """Its trailers, None where there are none."""
        return self._trailers


def read(fault: Fault) -> LedgerError:
    """What the client makes of a fault that a server answers with."""
    status = to_status(fault)
    return from_rpc_error(Failed(status.code, status.details, status.trailing_metadata))


def test_every_detail_of_a_fault_arrives() -> None:
    """Reason, metadata, fields and the time to retry are read without googleapis-common-protos."""
    found = read(
        Fault(
            kind=Kind.INVALID,
            reason="INVALID_FIELD",
            message="amount: is wrong",
            fields=(Wrong(field="amount", description="is wrong"), Wrong(field="tx_id", description="too")),
            metadata={"tx_id": "T-1", "field": "amount"},
            retry_after_s=1.25,
        )
    )
    assert (found.code, found.reason, found.message) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_FIELD",
        "amount: is wrong",
    )
    assert list(found.fields) == [
        FieldViolation(field="amount", description="is wrong"),
        FieldViolation(field="tx_id", description="too"),
    ]
    assert found.metadata == {"tx_id": "T-1", "field": "amount"}
    assert found.retry_after_s == 1.25
    assert str(found) == "INVALID_FIELD: amount: is wrong"


@pytest.mark.parametrize("kind", list(Kind))
def test_what_may_succeed_later_is_the_same_on_both_sides(kind: Kind) -> None:
    """The client tries again what the mesh calls retryable, and nothing else."""
    fault = Fault(kind=kind, reason="X", message="x")
    assert read(fault).retryable == fault.retryable
    assert read(fault).code is code_of(kind)


@pytest.mark.parametrize(
    "trailers",
    [
        None,
        (),
        ((METADATA_KEY, b"\xff\xff"),),
        (("other", "x"), (METADATA_KEY, b"")),
        ((METADATA_KEY, b"\x1a\x02\x12\xff"),),
    ],
)
def test_a_call_that_fails_without_details_has_its_code(trailers: Any) -> None:
    """gRPC itself, a proxy, or a server that isn't ours: the code counts, and there is no reason."""
    found = from_rpc_error(Failed(grpc.StatusCode.UNAVAILABLE, "failed to connect", trailers))
    assert (found.code, found.reason, found.fields) == (grpc.StatusCode.UNAVAILABLE, "", ())
    assert str(found) == "UNAVAILABLE: failed to connect"


@given(trailer=st.binary(max_size=200))
def test_no_trailer_raises(trailer: bytes) -> None:
    """Whatever bytes arrive, reading them ends."""
    assert isinstance(list(details_in(trailer)), list)


def test_an_item_s_error_is_read_like_a_call_s() -> None:
    """One exception for both, with the item's code, reason and field."""
    error = ledger_pb2.RecordError(
        code=3, reason=error_pb2.ERROR_REASON_UNSTORABLE, message="can't be stored", field="document"
    )
    found = from_record_error(error)
    assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNSTORABLE")
    assert [wrong.field for wrong in found.fields] == ["document"]
    assert from_record_error(ledger_pb2.RecordError(code=99)).code is grpc.StatusCode.UNKNOWN

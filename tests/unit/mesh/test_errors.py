"""Faults as data: kinds, retryability, the text they show."""

from __future__ import annotations

import grpc
import pytest

from mesh.errors import Fault, Kind, code_of, invalid, not_implemented

RETRYABLE = {Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.LOST_RACE, Kind.EXHAUSTED, Kind.CANCELLED}


def test_every_kind_has_a_code_of_its_own() -> None:
    """No two kinds share a gRPC code, so that the way back is the way there."""
    codes = [code_of(kind) for kind in Kind]
    assert len(set(codes)) == len(codes)
    assert grpc.StatusCode.OK not in codes


@pytest.mark.parametrize("kind", list(Kind))
def test_only_what_may_pass_is_retryable(kind: Kind) -> None:
    """Unavailable, late, outrun, overloaded and given up calls may succeed later; every other kind fails again."""
    fault = Fault(kind=kind, reason="INTERNAL", message="for a test")
    assert fault.retryable == (kind in RETRYABLE)


def test_a_fault_says_reason_and_message() -> None:
    """A log line of a fault shows both the reason for machines and the sentence for people."""
    assert str(Fault(kind=Kind.CONFLICT, reason="CONFLICT", message="It differs.")) == "CONFLICT: It differs."


def test_a_wrong_field_is_named_in_the_message_and_for_machines() -> None:
    """`invalid` makes one violation whose field is also in the sentence."""
    fault = invalid("amount", "must be greater than 0")
    assert (fault.kind, fault.reason) == (Kind.INVALID, "INVALID_FIELD")
    assert [(wrong.field, wrong.description) for wrong in fault.fields] == [("amount", "must be greater than 0")]
    assert fault.message == "amount: must be greater than 0"


def test_an_unbuilt_method_is_named() -> None:
    """`not_implemented` names the method that is not built yet."""
    fault = not_implemented("RecordStream")
    assert fault.kind is Kind.UNIMPLEMENTED
    assert "RecordStream" in fault.message

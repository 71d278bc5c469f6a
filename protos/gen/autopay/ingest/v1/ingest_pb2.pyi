from autopay.ledger.v1 import ledger_pb2 as _ledger_pb2
from autopay.type.v1 import delivery_pb2 as _delivery_pb2
from autopay.type.v1 import error_pb2 as _error_pb2
from autopay.type.v1 import payment_pb2 as _payment_pb2
from autopay.type.v1 import risk_pb2 as _risk_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IngestRequest(_message.Message):
    __slots__ = ("deliveries",)
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    deliveries: _containers.RepeatedCompositeFieldContainer[_delivery_pb2.Delivery]
    def __init__(self, deliveries: _Optional[_Iterable[_Union[_delivery_pb2.Delivery, _Mapping]]] = ...) -> None: ...

class IngestResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[IngestResult]
    def __init__(self, results: _Optional[_Iterable[_Union[IngestResult, _Mapping]]] = ...) -> None: ...

class IngestResult(_message.Message):
    __slots__ = ("disposition", "durable", "events", "reason", "field_errors")
    DISPOSITION_FIELD_NUMBER: _ClassVar[int]
    DURABLE_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FIELD_ERRORS_FIELD_NUMBER: _ClassVar[int]
    disposition: _ledger_pb2.Disposition
    durable: bool
    events: _containers.RepeatedCompositeFieldContainer[EventResult]
    reason: _error_pb2.ErrorReason
    field_errors: _containers.RepeatedCompositeFieldContainer[FieldError]
    def __init__(self, disposition: _Optional[_Union[_ledger_pb2.Disposition, str]] = ..., durable: bool = ..., events: _Optional[_Iterable[_Union[EventResult, _Mapping]]] = ..., reason: _Optional[_Union[_error_pb2.ErrorReason, str]] = ..., field_errors: _Optional[_Iterable[_Union[FieldError, _Mapping]]] = ...) -> None: ...

class FieldError(_message.Message):
    __slots__ = ("field", "description")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    field: str
    description: str
    def __init__(self, field: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class EventResult(_message.Message):
    __slots__ = ("tx_id", "event_id", "outcome", "status", "version", "conflict_field", "risk")
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CONFLICT_FIELD_FIELD_NUMBER: _ClassVar[int]
    RISK_FIELD_NUMBER: _ClassVar[int]
    tx_id: str
    event_id: str
    outcome: _ledger_pb2.Outcome
    status: _payment_pb2.PaymentStatus
    version: int
    conflict_field: str
    risk: _risk_pb2.Risk
    def __init__(self, tx_id: _Optional[str] = ..., event_id: _Optional[str] = ..., outcome: _Optional[_Union[_ledger_pb2.Outcome, str]] = ..., status: _Optional[_Union[_payment_pb2.PaymentStatus, str]] = ..., version: _Optional[int] = ..., conflict_field: _Optional[str] = ..., risk: _Optional[_Union[_risk_pb2.Risk, _Mapping]] = ...) -> None: ...

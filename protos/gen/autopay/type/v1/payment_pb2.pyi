from autopay.type.v1 import money_pb2 as _money_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_KIND_UNSPECIFIED: _ClassVar[EventKind]
    EVENT_KIND_PENDING: _ClassVar[EventKind]
    EVENT_KIND_AUTHORIZED: _ClassVar[EventKind]
    EVENT_KIND_CAPTURED: _ClassVar[EventKind]
    EVENT_KIND_FAILED: _ClassVar[EventKind]
    EVENT_KIND_CANCELED: _ClassVar[EventKind]
    EVENT_KIND_REFUNDED: _ClassVar[EventKind]
    EVENT_KIND_REFUND_FAILED: _ClassVar[EventKind]
    EVENT_KIND_CAPTURE_FAILED: _ClassVar[EventKind]
    EVENT_KIND_DISPUTE_OPENED: _ClassVar[EventKind]
    EVENT_KIND_DISPUTE_WON: _ClassVar[EventKind]
    EVENT_KIND_DISPUTE_LOST: _ClassVar[EventKind]
    EVENT_KIND_RETURNED: _ClassVar[EventKind]

class AmountBasis(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AMOUNT_BASIS_UNSPECIFIED: _ClassVar[AmountBasis]
    AMOUNT_BASIS_DELTA: _ClassVar[AmountBasis]
    AMOUNT_BASIS_CUMULATIVE: _ClassVar[AmountBasis]

class DisputeReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DISPUTE_REASON_UNSPECIFIED: _ClassVar[DisputeReason]
    DISPUTE_REASON_FRAUD: _ClassVar[DisputeReason]
    DISPUTE_REASON_UNRECOGNIZED: _ClassVar[DisputeReason]
    DISPUTE_REASON_NOT_RECEIVED: _ClassVar[DisputeReason]
    DISPUTE_REASON_NOT_AS_DESCRIBED: _ClassVar[DisputeReason]
    DISPUTE_REASON_CREDIT_NOT_PROCESSED: _ClassVar[DisputeReason]
    DISPUTE_REASON_DUPLICATE: _ClassVar[DisputeReason]
    DISPUTE_REASON_CANCELED: _ClassVar[DisputeReason]
    DISPUTE_REASON_WRONG_AMOUNT: _ClassVar[DisputeReason]
    DISPUTE_REASON_PROCESSING: _ClassVar[DisputeReason]
    DISPUTE_REASON_OTHER: _ClassVar[DisputeReason]

class PaymentStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PAYMENT_STATUS_UNSPECIFIED: _ClassVar[PaymentStatus]
    PAYMENT_STATUS_PENDING: _ClassVar[PaymentStatus]
    PAYMENT_STATUS_FAILED: _ClassVar[PaymentStatus]
    PAYMENT_STATUS_CANCELED: _ClassVar[PaymentStatus]
    PAYMENT_STATUS_AUTHORIZED: _ClassVar[PaymentStatus]
    PAYMENT_STATUS_SUCCESS: _ClassVar[PaymentStatus]
    PAYMENT_STATUS_PARTIALLY_REFUNDED: _ClassVar[PaymentStatus]
    PAYMENT_STATUS_REFUNDED: _ClassVar[PaymentStatus]
    PAYMENT_STATUS_DISPUTED: _ClassVar[PaymentStatus]
    PAYMENT_STATUS_RETURNED: _ClassVar[PaymentStatus]

class PaymentFlag(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PAYMENT_FLAG_UNSPECIFIED: _ClassVar[PaymentFlag]
    PAYMENT_FLAG_OVER_REFUND: _ClassVar[PaymentFlag]
    PAYMENT_FLAG_DUPLICATE_CAPTURE: _ClassVar[PaymentFlag]
EVENT_KIND_UNSPECIFIED: EventKind
EVENT_KIND_PENDING: EventKind
EVENT_KIND_AUTHORIZED: EventKind
EVENT_KIND_CAPTURED: EventKind
EVENT_KIND_FAILED: EventKind
EVENT_KIND_CANCELED: EventKind
EVENT_KIND_REFUNDED: EventKind
EVENT_KIND_REFUND_FAILED: EventKind
EVENT_KIND_CAPTURE_FAILED: EventKind
EVENT_KIND_DISPUTE_OPENED: EventKind
EVENT_KIND_DISPUTE_WON: EventKind
EVENT_KIND_DISPUTE_LOST: EventKind
EVENT_KIND_RETURNED: EventKind
AMOUNT_BASIS_UNSPECIFIED: AmountBasis
AMOUNT_BASIS_DELTA: AmountBasis
AMOUNT_BASIS_CUMULATIVE: AmountBasis
DISPUTE_REASON_UNSPECIFIED: DisputeReason
DISPUTE_REASON_FRAUD: DisputeReason
DISPUTE_REASON_UNRECOGNIZED: DisputeReason
DISPUTE_REASON_NOT_RECEIVED: DisputeReason
DISPUTE_REASON_NOT_AS_DESCRIBED: DisputeReason
DISPUTE_REASON_CREDIT_NOT_PROCESSED: DisputeReason
DISPUTE_REASON_DUPLICATE: DisputeReason
DISPUTE_REASON_CANCELED: DisputeReason
DISPUTE_REASON_WRONG_AMOUNT: DisputeReason
DISPUTE_REASON_PROCESSING: DisputeReason
DISPUTE_REASON_OTHER: DisputeReason
PAYMENT_STATUS_UNSPECIFIED: PaymentStatus
PAYMENT_STATUS_PENDING: PaymentStatus
PAYMENT_STATUS_FAILED: PaymentStatus
PAYMENT_STATUS_CANCELED: PaymentStatus
PAYMENT_STATUS_AUTHORIZED: PaymentStatus
PAYMENT_STATUS_SUCCESS: PaymentStatus
PAYMENT_STATUS_PARTIALLY_REFUNDED: PaymentStatus
PAYMENT_STATUS_REFUNDED: PaymentStatus
PAYMENT_STATUS_DISPUTED: PaymentStatus
PAYMENT_STATUS_RETURNED: PaymentStatus
PAYMENT_FLAG_UNSPECIFIED: PaymentFlag
PAYMENT_FLAG_OVER_REFUND: PaymentFlag
PAYMENT_FLAG_DUPLICATE_CAPTURE: PaymentFlag

class PaymentEvent(_message.Message):
    __slots__ = ("tx_id", "event_id", "kind", "object_id", "amount", "basis", "amount_fixed", "sender_account", "receiver_account", "event_time_ms", "event_time_signed", "description", "aliases", "dispute_reason")
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIXED_FIELD_NUMBER: _ClassVar[int]
    SENDER_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_SIGNED_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_REASON_FIELD_NUMBER: _ClassVar[int]
    tx_id: str
    event_id: str
    kind: EventKind
    object_id: str
    amount: _money_pb2.Money
    basis: AmountBasis
    amount_fixed: bool
    sender_account: str
    receiver_account: str
    event_time_ms: int
    event_time_signed: bool
    description: str
    aliases: _containers.RepeatedScalarFieldContainer[str]
    dispute_reason: DisputeReason
    def __init__(self, tx_id: _Optional[str] = ..., event_id: _Optional[str] = ..., kind: _Optional[_Union[EventKind, str]] = ..., object_id: _Optional[str] = ..., amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., basis: _Optional[_Union[AmountBasis, str]] = ..., amount_fixed: bool = ..., sender_account: _Optional[str] = ..., receiver_account: _Optional[str] = ..., event_time_ms: _Optional[int] = ..., event_time_signed: bool = ..., description: _Optional[str] = ..., aliases: _Optional[_Iterable[str]] = ..., dispute_reason: _Optional[_Union[DisputeReason, str]] = ...) -> None: ...

class Totals(_message.Message):
    __slots__ = ("authorized", "captured", "refunded", "disputed")
    AUTHORIZED_FIELD_NUMBER: _ClassVar[int]
    CAPTURED_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_FIELD_NUMBER: _ClassVar[int]
    DISPUTED_FIELD_NUMBER: _ClassVar[int]
    authorized: int
    captured: int
    refunded: int
    disputed: int
    def __init__(self, authorized: _Optional[int] = ..., captured: _Optional[int] = ..., refunded: _Optional[int] = ..., disputed: _Optional[int] = ...) -> None: ...

from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_FIELD: _ClassVar[ErrorReason]
    ERROR_REASON_TOO_LARGE: _ClassVar[ErrorReason]
    ERROR_REASON_CONFLICT: _ClassVar[ErrorReason]
    ERROR_REASON_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_SIGNATURE_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_TIMESTAMP_OUTSIDE_WINDOW: _ClassVar[ErrorReason]
    ERROR_REASON_SOURCE_UNKNOWN: _ClassVar[ErrorReason]
    ERROR_REASON_UNSUPPORTED_MEDIA: _ClassVar[ErrorReason]
    ERROR_REASON_BODY_TIMEOUT: _ClassVar[ErrorReason]
    ERROR_REASON_OVERLOADED: _ClassVar[ErrorReason]
    ERROR_REASON_NOT_DURABLE: _ClassVar[ErrorReason]
    ERROR_REASON_DEPENDENCY_DOWN: _ClassVar[ErrorReason]
    ERROR_REASON_CONTENDED: _ClassVar[ErrorReason]
    ERROR_REASON_UNSTORABLE: _ClassVar[ErrorReason]
    ERROR_REASON_TOKEN_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_TOKEN_TOO_OLD: _ClassVar[ErrorReason]
    ERROR_REASON_SLOW_READER: _ClassVar[ErrorReason]
    ERROR_REASON_LEASE_LOST: _ClassVar[ErrorReason]
    ERROR_REASON_FORBIDDEN: _ClassVar[ErrorReason]
    ERROR_REASON_API_KEY_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_RATE_LIMITED: _ClassVar[ErrorReason]
    ERROR_REASON_DEADLINE_REQUIRED: _ClassVar[ErrorReason]
    ERROR_REASON_AMBIGUOUS: _ClassVar[ErrorReason]
    ERROR_REASON_NOT_IMPLEMENTED: _ClassVar[ErrorReason]
    ERROR_REASON_INTERNAL: _ClassVar[ErrorReason]
    ERROR_REASON_NOT_RESOLVABLE: _ClassVar[ErrorReason]
    ERROR_REASON_KEY_MISSING: _ClassVar[ErrorReason]
    ERROR_REASON_SCHEMA_TOO_NEW: _ClassVar[ErrorReason]
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_INVALID_FIELD: ErrorReason
ERROR_REASON_TOO_LARGE: ErrorReason
ERROR_REASON_CONFLICT: ErrorReason
ERROR_REASON_NOT_FOUND: ErrorReason
ERROR_REASON_SIGNATURE_INVALID: ErrorReason
ERROR_REASON_TIMESTAMP_OUTSIDE_WINDOW: ErrorReason
ERROR_REASON_SOURCE_UNKNOWN: ErrorReason
ERROR_REASON_UNSUPPORTED_MEDIA: ErrorReason
ERROR_REASON_BODY_TIMEOUT: ErrorReason
ERROR_REASON_OVERLOADED: ErrorReason
ERROR_REASON_NOT_DURABLE: ErrorReason
ERROR_REASON_DEPENDENCY_DOWN: ErrorReason
ERROR_REASON_CONTENDED: ErrorReason
ERROR_REASON_UNSTORABLE: ErrorReason
ERROR_REASON_TOKEN_INVALID: ErrorReason
ERROR_REASON_TOKEN_TOO_OLD: ErrorReason
ERROR_REASON_SLOW_READER: ErrorReason
ERROR_REASON_LEASE_LOST: ErrorReason
ERROR_REASON_FORBIDDEN: ErrorReason
ERROR_REASON_API_KEY_INVALID: ErrorReason
ERROR_REASON_RATE_LIMITED: ErrorReason
ERROR_REASON_DEADLINE_REQUIRED: ErrorReason
ERROR_REASON_AMBIGUOUS: ErrorReason
ERROR_REASON_NOT_IMPLEMENTED: ErrorReason
ERROR_REASON_INTERNAL: ErrorReason
ERROR_REASON_NOT_RESOLVABLE: ErrorReason
ERROR_REASON_KEY_MISSING: ErrorReason
ERROR_REASON_SCHEMA_TOO_NEW: ErrorReason

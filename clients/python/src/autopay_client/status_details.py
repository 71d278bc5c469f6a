"""The google.rpc details of a failed call, read without googleapis-common-protos.

The client needs grpcio and protobuf only, so the few messages are declared here, with Google's field numbers: what is
on the wire has no names. They live in a pool of their own, because the process may have Google's, registered under
Google's names, and protobuf lets a name be registered once.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

METADATA_KEY: Final = "grpc-status-details-bin"
_TYPE_PREFIX: Final = "type.googleapis.com/google.rpc."
_PACKAGE: Final = "autopay_client.rpc"

_Field = descriptor_pb2.FieldDescriptorProto
# Message → field → (number, type), where a type in brackets is repeated, and a capital one is a message of these.
_MESSAGES: Final[Mapping[str, Mapping[str, tuple[int, str]]]] = {
    "Any": {"type_url": (1, "string"), "value": (2, "bytes")},
    "Status": {"code": (1, "int32"), "message": (2, "string"), "details": (3, "[Any]")},
    # A map is, on the wire, a list of pairs.
    "Pair": {"key": (1, "string"), "value": (2, "string")},
    "ErrorInfo": {"reason": (1, "string"), "domain": (2, "string"), "metadata": (3, "[Pair]")},
    "FieldViolation": {"field": (1, "string"), "description": (2, "string")},
    "BadRequest": {"field_violations": (1, "[FieldViolation]")},
    "Duration": {"seconds": (1, "int64"), "nanos": (2, "int32")},
    "RetryInfo": {"retry_delay": (1, "Duration")},
}
_SCALARS: Final = {
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
}


def details_in(trailer: bytes) -> Iterator[tuple[str, Any]]:
    """Yield the details of a status that are known here, by name: ErrorInfo, BadRequest, RetryInfo.

    A detail that can't be read ends the list: a server that isn't ours may send anything, and its code still counts.
    """
    # Made at run time, so their fields are unknown to a type checker.
    known: Mapping[str, Any] = _messages()
    try:
        for packed in known["Status"].FromString(trailer).details:
            name = packed.type_url.removeprefix(_TYPE_PREFIX)
            if name in {"ErrorInfo", "BadRequest", "RetryInfo"}:
                yield name, known[name].FromString(packed.value)
    except DecodeError:
        return


@functools.cache
def _messages() -> Mapping[str, type[Message]]:
    """Return the classes of the messages above."""
    file = descriptor_pb2.FileDescriptorProto(name="autopay_client/rpc.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            _declare(message.field.add(name=field, number=number), kind)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())  # type: ignore[no-untyped-call]
    described = {name: pool.FindMessageTypeByName(f"{_PACKAGE}.{name}") for name in _MESSAGES}  # type: ignore[no-untyped-call]
    return {name: message_factory.GetMessageClass(descriptor) for name, descriptor in described.items()}


def _declare(field: _Field, kind: str) -> None:
    element = kind.strip("[]")
    field.label = _Field.LABEL_REPEATED if kind.startswith("[") else _Field.LABEL_OPTIONAL
    if element in _SCALARS:
        field.type = _SCALARS[element]
    else:
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{element}"

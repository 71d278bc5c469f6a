"""Well-formed requests that are wrong in every way a message's descriptor allows, and valid ones slightly altered."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

Kind = FieldDescriptor

_SEEDS_MAX: Final = 40
_DEPTH_MAX: Final = 5
_INT_MAX: Final = {
    Kind.CPPTYPE_INT32: 2**31 - 1,
    Kind.CPPTYPE_UINT32: 2**32 - 1,
    Kind.CPPTYPE_INT64: 2**63 - 1,
    Kind.CPPTYPE_UINT64: 2**64 - 1,
}
_UNSIGNED: Final = frozenset({Kind.CPPTYPE_UINT32, Kind.CPPTYPE_UINT64})
# Around every limit that the contract states, and around those of the types.
_NUMBERS: Final = (
    *(0, 1, -1, 2, 3, 20, 50, 51, 200, 256, 1_000, 1_001, 5_000, 60_000, 300_001),
    *(2**31 - 1, -(2**31), 2**53 + 1, 253_402_300_799_999, 253_402_300_800_000, 2**62, 2**63 - 1, -(2**63)),
)
_FLOATS: Final = (0.0, -0.0, 0.5, 1.0, 1.5, -1.0, 1e308, 5e-324, math.nan, math.inf, -math.inf)
_WORDS: Final = (
    *("", " ", "\0", "a\0b", ".", "..", "a.b", "$where", "$ne", "_id", "a:b", "null", "autopay", "EUR", "XXX", "eur"),
    *("é", "日本", "🙂", "\U0010ffff", "\ufeff", "\u2028", "a\u0301", "\ufffe", "\r\n", "%00", "../x", "{}", '"'),
    *("00-" + "a" * 32 + "-" + "b" * 16 + "-01", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "0" * 32),
    "autopay:" + "0" * 64,
)
_LETTERS: Final = ("a", "é", "🙂", "\0", " ")
_LENGTHS: Final = (39, 41, 50, 51, 64, 65, 100, 101, 200, 201, 500, 501, 1_025, 20_000)
_BYTES: Final = (
    b"",
    b"\0",
    b"\xff\xfe\x00",
    b"{}",
    b"null",
    b"[" * 5_000,
    b"9" * 5_000,
    b"x" * 262_144,
    b"x" * 262_145,
)
_COUNTS: Final = (0, 2, 16, 17, 33, 101, 257, 1_001)
# A wait that is allowed is tested by its own tests; here it would only take time.
_WAIT_MS: Final = 20


class RequestFuzzer:
    """Makes requests; the same seed makes the same ones, as long as it is told of the same answers."""

    def __init__(self, seed: int, seeds: Sequence[Message]) -> None:
        """Start from valid requests, at least one of every type that will be asked for."""
        self._random = random.Random(seed)
        self._seeds: dict[str, list[Message]] = defaultdict(list)
        self._known: dict[str, list[str]] = defaultdict(list)
        for message in seeds:
            self.learn(message)

    def learn(self, message: Message) -> None:
        """Keep a valid request, to send it again with changes; an old one goes where there are many."""
        kept = self._seeds[message.DESCRIPTOR.full_name]
        if len(kept) < _SEEDS_MAX:
            kept.append(message)
        else:
            kept[self._random.randrange(1, _SEEDS_MAX)] = message

    def learn_word(self, field: str, word: str) -> None:
        """Keep a value that the server itself issued: a token or an id."""
        known = self._known[field]
        if len(known) < _SEEDS_MAX:
            known.append(word)
        else:
            known[self._random.randrange(_SEEDS_MAX)] = word

    def request(self, descriptor: Descriptor) -> Message:
        """Return a request: as it was, with up to three changes, or (one in five) made of chance alone."""
        kind = self._random.random()
        seeds = self._seeds[descriptor.full_name]
        message: Message = GetMessageClass(descriptor)()
        if kind < 0.2 or not seeds:
            self._fill(message, 0)
        else:
            message.CopyFrom(self._random.choice(seeds))
            for _ in range(0 if kind < 0.35 else self._random.choice((1, 1, 2, 3))):
                self._mutate(message)
        _shorten_wait(message)
        return message

    def _fill(self, message: Message, depth: int) -> None:
        for field in message.DESCRIPTOR.fields:
            if self._random.random() < 0.6 and (field.message_type is None or depth < _DEPTH_MAX):
                self._set(message, field, depth)

    def _mutate(self, message: Message) -> None:
        """Change one field somewhere below: the deeper, the more there are."""
        while True:
            field = self._random.choice(message.DESCRIPTOR.fields) if message.DESCRIPTOR.fields else None
            if field is None:
                return
            value = getattr(message, field.name)
            if field.message_type is None or _is_map(field) or self._random.random() < 0.15:
                self._set(message, field, 0)
                return
            if _is_repeated(field):
                if not value:
                    value.add()
                message = self._random.choice(value)
            else:
                message = value

    def _set(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        if self._random.random() < 0.1:
            message.ClearField(field.name)
        elif _is_map(field):
            self._set_map(getattr(message, field.name), field)
        elif _is_repeated(field):
            self._set_repeated(message, field, depth)
        elif field.message_type is not None:
            inner = getattr(message, field.name)
            inner.SetInParent()
            self._fill(inner, depth + 1)
        else:
            setattr(message, field.name, self._scalar(field))

    def _set_map(self, values: Any, field: FieldDescriptor) -> None:
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        for _ in range(self._random.choice((1, 2, 40))):
            values[self._scalar(key)] = self._scalar(value)

    def _set_repeated(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        values = getattr(message, field.name)
        count = self._random.choice(_COUNTS) if self._random.random() < 0.3 else 1
        if field.message_type is None:
            values.extend([self._scalar(field) for _ in range(count)])
            return
        # Many of one element: a size that is refused needs no variety.
        element = GetMessageClass(field.message_type)()
        if values and self._random.random() < 0.5:
            element.CopyFrom(values[0])
        else:
            self._fill(element, depth + 1)
        size = element.ByteSize() or 1
        values.extend([element] * min(count, 4_000_000 // size))

    def _scalar(self, field: FieldDescriptor) -> Any:
        make: Mapping[int, Callable[[FieldDescriptor], Any]] = {
            Kind.CPPTYPE_STRING: self._text,
            Kind.CPPTYPE_ENUM: self._enumerated,
            Kind.CPPTYPE_BOOL: lambda _: self._random.random() < 0.5,
            Kind.CPPTYPE_DOUBLE: lambda _: self._random.choice(_FLOATS),
            Kind.CPPTYPE_FLOAT: lambda _: self._random.choice(_FLOATS),
        }
        return make.get(field.cpp_type, self._number)(field)

    def _text(self, field: FieldDescriptor) -> Any:
        if field.type == Kind.TYPE_BYTES:
            return self._random.choice(_BYTES)
        known = self._known.get(field.name)
        if known and self._random.random() < 0.4:
            word = self._random.choice(known)
            return word if self._random.random() < 0.5 else self._altered(word)
        if self._random.random() < 0.3:
            return self._random.choice(_LETTERS) * self._random.choice(_LENGTHS)
        return self._random.choice(_WORDS)

    def _altered(self, word: str) -> str:
        place = self._random.randrange(len(word) or 1)
        return word[:place] + self._random.choice(("", "A", "0", "\0", "é", "==")) + word[place + 1 :]

    def _enumerated(self, field: FieldDescriptor) -> int:
        numbers = [value.number for value in field.enum_type.values]
        wrong = (max(numbers) + 1, -1, 2**31 - 1, -(2**31))
        return int(self._random.choice((*numbers, *wrong)))

    def _number(self, field: FieldDescriptor) -> int:
        most = _INT_MAX[field.cpp_type]
        least = 0 if field.cpp_type in _UNSIGNED else -most - 1
        return self._random.choice([number for number in _NUMBERS if least <= number <= most])


def resolves(descriptor: Descriptor, path: str) -> bool:
    """Return whether a path such as `items[3].event.amount` leads to a field of a message, or to a oneof."""
    at: Descriptor | None = descriptor
    for part in path.split("."):
        name = part.partition("[")[0]
        if at is None:
            return False
        if name in at.oneofs_by_name:
            at = None
        elif name in at.fields_by_name:
            at = at.fields_by_name[name].message_type
        else:
            return False
    return True


def _shorten_wait(message: Message) -> None:
    if "wait_ms" in message.DESCRIPTOR.fields_by_name and _WAIT_MS < getattr(message, "wait_ms") <= 30_000:  # noqa: B009
        setattr(message, "wait_ms", _WAIT_MS)  # noqa: B010 - a Message has no such attribute for the type checker


def _is_repeated(field: FieldDescriptor) -> bool:
    return bool(field.label == Kind.LABEL_REPEATED)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)

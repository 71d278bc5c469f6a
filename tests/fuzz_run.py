"""One run of a fuzz test: requests sent to an RPC, answers judged, and what was learnt from them."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import aclosing
from typing import Any, Final

import grpc
from autopay.ingest.v1 import ingest_pb2
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import error_pb2
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from mesh.channel import MESSAGE_BYTES_MAX
from tests.fuzz_seeds import seeds
from tests.fuzzing import RequestFuzzer, resolves

Code = grpc.StatusCode
# Designed and not built; they refuse everything alike.
UNBUILT: Final[frozenset[str]] = frozenset()
_REFUSED: Final = frozenset({Code.INVALID_ARGUMENT, Code.OUT_OF_RANGE, Code.RESOURCE_EXHAUSTED})
_ALLOWED: Final = _REFUSED | {Code.OK, Code.NOT_FOUND, Code.ABORTED, Code.FAILED_PRECONDITION}
_AT_ONCE: Final = 6
_TIMEOUT_S: Final = 10.0
_STREAM_S: Final = 0.3
_MESSAGES_MAX: Final = 3
_LEARNT_BYTES_MAX: Final = 20_000
_OWN_FIELDS: Final = {"next_page_token": "page_token", "last_id": "after_id"}
_ISSUED: Final = frozenset({"page_token", "resume_token", "lease_token", "id", "after_id", "tx_id", "source"})
_ACCEPTED: Final = frozenset({"OK", "ERROR_REASON_CONFLICT"})
_EVENT_OF: Final = re.compile(r"(\.events\[\d+\]\.)").sub
_BUGS: Final = frozenset({Code.INTERNAL.value[0], Code.UNKNOWN.value[0]})


class Fuzz:
    """One run: what was sent, what came back, and what should not have."""

    def __init__(self, seed: int) -> None:
        """Nothing is sent yet."""
        self.fuzzer = RequestFuzzer(seed, seeds())
        self.codes: dict[str, Counter[str]] = {}
        self.passed: Counter[str] = Counter()
        self.items: Counter[str] = Counter()
        self.wrong: list[str] = []

    async def run(self, stub: Any, method: MethodDescriptor, *, cases: int) -> None:
        """Send so many cases to one RPC."""
        requests = iter(range(cases))

        async def send() -> None:
            for _ in requests:
                await self._case(stub, method)

        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(send())

    async def _case(self, stub: Any, method: MethodDescriptor) -> None:
        request = self.fuzzer.request(method.input_type)
        answers: list[Message] = []
        error: grpc.aio.AioRpcError | None = None
        try:
            async with aclosing(_answers(stub, method, request)) as coming:
                async for answer in coming:
                    answers.append(answer)  # noqa: PERF401 - what came before an error counts
        except grpc.aio.AioRpcError as raised:
            error = raised
        streams = method.server_streaming
        code = error.code() if error is not None else Code.OK
        if streams and code is Code.DEADLINE_EXCEEDED and answers:
            code = Code.OK
        self.codes.setdefault(method.name, Counter())[code.name] += 1
        passed = method.name not in UNBUILT and code not in _REFUSED and all(_accepts(answer) for answer in answers)
        self.passed[method.name] += passed
        if reason := self._why_wrong(method, request, code, error):
            self.wrong.append(f"{method.name}: {reason}: {str(request)[:600]}")
        for answer in answers:
            self._look_into(method, request, answer)
        if code is Code.OK and passed and request.ByteSize() < _LEARNT_BYTES_MAX:
            self.fuzzer.learn(request)

    def _why_wrong(
        self, method: MethodDescriptor, request: Message, code: Code, error: grpc.aio.AioRpcError | None
    ) -> str:
        if method.name in UNBUILT:
            return "" if code is Code.UNIMPLEMENTED else f"{code.name} of what is not built"
        if code not in _ALLOWED and not (method.server_streaming and code is Code.DEADLINE_EXCEEDED):
            return f"{code.name} {error.details() if error is not None else ''}"
        if error is None or error.code() is Code.DEADLINE_EXCEEDED:
            return ""
        if request.ByteSize() > MESSAGE_BYTES_MAX:
            return ""
        return _why_unclear(method, code, error)

    def _look_into(self, method: MethodDescriptor, request: Message, answer: Message) -> None:
        """Check what is said of each item, and keep the tokens and ids that were issued."""
        for name, word in _issued(answer):
            self.fuzzer.learn_word(name, word)
            if name in {"page_token", "resume_token"} and name in request.DESCRIPTOR.fields_by_name:
                next_page = type(request)()
                next_page.CopyFrom(request)
                setattr(next_page, name, word)
                self.fuzzer.learn(next_page)
        if isinstance(answer, ledger_pb2.LeaseAnalysesResponse):
            for task in answer.tasks[:3]:
                self.fuzzer.learn(_completion(task))
        for result in getattr(answer, "results", ()):
            said, reason = _said_of(result)
            self.items[f"{method.name} {said}"] += 1
            if isinstance(result, ledger_pb2.RecordResult) and (field := result.error.field):
                reason = reason or ("" if _names_of_item(method, field) else f"names {field!r}")
            if reason:
                self.wrong.append(f"{method.name} item: {reason}: {str(request)[:600]}")

    def report(self) -> str:
        """Return a line per RPC: cases, how many passed validation, and the codes."""
        lines = [
            f"{name}: {codes.total()} cases, {self.passed[name]} passed validation {dict(codes)}"
            for name, codes in self.codes.items()
        ]
        return "\n".join([*lines, f"items: {dict(self.items)}"])

    def share(self) -> float:
        """Return the share of cases that passed validation, among the RPCs that are built."""
        sent = sum(codes.total() for name, codes in self.codes.items() if name not in UNBUILT)
        return self.passed.total() / sent


async def _answers(stub: Any, method: MethodDescriptor, request: Message) -> AsyncGenerator[Any]:
    """Call, whatever kind of call it is; of a stream that never ends the first messages."""
    call = getattr(stub, method.name)
    if not method.server_streaming:
        unary: Awaitable[Message] = call(request, timeout=_TIMEOUT_S)
        yield await unary
        return
    stream = call(iter([request]), timeout=_TIMEOUT_S) if method.client_streaming else call(request, timeout=_STREAM_S)
    try:
        for _ in range(_MESSAGES_MAX):
            answer = await stream.read()
            if answer is grpc.aio.EOF:
                return
            yield answer
    finally:
        stream.cancel()


def _why_unclear(method: MethodDescriptor, code: Code, error: grpc.aio.AioRpcError) -> str:
    """Return what a refusal fails to say: its reason, and for an invalid field which one."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # an AioRpcError has what it reads
    if status is None:
        return f"{code.name} without details: {error.details()}"
    info, wrong = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(wrong)
    if f"ERROR_REASON_{info.reason}" not in error_pb2.ErrorReason.keys():  # noqa: SIM118 - not a mapping
        return f"{code.name} with reason {info.reason!r}"
    if info.reason == "INVALID_FIELD" and not wrong.field_violations:
        return f"{code.name} names no field: {error.details()}"
    for violation in wrong.field_violations:
        if not resolves(method.input_type, violation.field):
            return f"{code.name} names {violation.field!r}, which the request does not have"
    return ""


def _accepts(answer: Any) -> bool:
    """Return whether a batch's answer, if it is one, accepts an item or more."""
    results = getattr(answer, "results", ())
    return not results or any(_said_of(result)[0] in _ACCEPTED for result in results)


def _names_of_item(method: MethodDescriptor, field: str) -> bool:
    """Return whether a path leads to a field of an item; one of an event may leave out the `event` around it."""
    spelled = _EVENT_OF(r"\1event.", field)
    return resolves(method.input_type, field) or resolves(method.input_type, spelled)


def _said_of(result: Any) -> tuple[str, str]:
    """Return what a result says of its item, and why it should not."""
    if isinstance(result, ingest_pb2.IngestResult):
        name = error_pb2.ErrorReason.Name(result.reason) if result.reason else "OK"
        return name, name if name in {"ERROR_REASON_INTERNAL", "ERROR_REASON_NOT_DURABLE"} else ""
    if not result.HasField("error"):
        return "OK", ""
    said: ledger_pb2.RecordError = result.error
    name = error_pb2.ErrorReason.Name(said.reason)
    if said.code in _BUGS or said.retryable or (said.code == Code.INVALID_ARGUMENT.value[0] and not said.field):
        return name, f"{said.code} {name} {said.field} {said.message}"
    return name, ""


def _issued(message: Message) -> Iterator[tuple[str, str]]:
    """Yield the tokens and ids in an answer, under the names that requests have for them."""
    for field, value in message.ListFields():
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            inner = value if field.label == field.LABEL_REPEATED else [value]
            for each in inner[:3]:
                yield from _issued(each)
        name = _OWN_FIELDS.get(field.name, field.name)
        if name in _ISSUED and isinstance(value, str):
            yield name, value


def _completion(task: ledger_pb2.AnalysisTask) -> Message:
    paid = task.transaction
    return ledger_pb2.CompleteAnalysisRequest(
        name=ledger_pb2.TransactionName(source=paid.source, tx_id=paid.tx_id),
        lease_token=task.lease_token,
        analysis=ledger_pb2.Analysis(summary="Ordinary.", confidence=0.5),
    )

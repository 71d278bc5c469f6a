"""Raw bytes at rest: encrypted with a key configured, rotated online, and as ever without one."""

from __future__ import annotations

import base64
import hashlib
import secrets
from pathlib import Path
from typing import Any

import grpc
import pytest
from autopay.ledger.v1 import ledger_pb2
from autopay.type.v1 import delivery_pb2

from mesh.errors import from_rpc_error
from services.ledger.adapters.encryption import body_of
from services.ledger.sealing import KeyRing
from services.ledger.settings import LedgerSettings
from tests.ledgers import RunningLedger, captured, recorded, running_ledger

OLD, NEW = b"o" * 32, b"n" * 32
PLAIN = b"Alice Liddell pays 42.50"


def ring(**keys: bytes) -> KeyRing:
    """A key ring, the first key sealing."""
    return KeyRing(keys, random=secrets.token_bytes)


async def deliver(ledger: RunningLedger, *numbers: int) -> None:
    """Record deliveries, each of a payment of its own."""
    items = []
    for number in numbers:
        item = recorded(captured(f"T-{number}"))
        item.delivery.CopyFrom(delivery_pb2.Delivery(source="autopay", provider="autopay", body=body(number)))
        items.append(item)
    answer = await ledger.stub.Record(ledger_pb2.RecordRequest(items=items), timeout=10)
    assert not any(result.HasField("error") for result in answer.results), answer


def body(number: int) -> bytes:
    """The bytes of one delivery."""
    return b"%d " % number + PLAIN


def key_of(number: int) -> str:
    """Its id."""
    return f"autopay:{hashlib.sha256(body(number)).hexdigest()}"


async def documents(ledger: RunningLedger) -> dict[str, dict[str, Any]]:
    """Every stored delivery by its id."""
    return {each["_id"]: each async for each in ledger.database["deliveries"].find()}


async def reseal(ledger: RunningLedger, at_once: int) -> list[ledger_pb2.ResealDeliveriesResponse]:
    """Reseal call by call until there are no more."""
    answers: list[ledger_pb2.ResealDeliveriesResponse] = []
    after = ""
    while not answers or after:
        request = ledger_pb2.ResealDeliveriesRequest(after_id=after, deliveries_max=at_once)
        answers.append(await ledger.stub.ResealDeliveries(request, timeout=30))
        after = answers[-1].last_id
    return answers


async def test_without_a_key_bytes_are_stored_as_they_came(mongo_url: str) -> None:
    """Nothing differs from a ledger that knows no encryption."""
    async with running_ledger(mongo_url) as ledger:
        await deliver(ledger, 1)
        (stored,) = (await documents(ledger)).values()
    assert stored["body"] == body(1)
    assert "sealing" not in stored


async def test_with_a_key_no_byte_of_it_is_stored_and_it_is_shown_as_it_came(mongo_url: str) -> None:
    """The raw document doesn't hold the body; who may see it sees the exact bytes."""
    async with running_ledger(mongo_url, keys=ring(k1=OLD)) as ledger:
        await deliver(ledger, 1, 2)
        stored = await documents(ledger)
        assert not any(PLAIN in document["body"] for document in stored.values())
        assert {document["sealing"]["key_id"] for document in stored.values()} == {"k1"}
        request = ledger_pb2.ListDeliveriesRequest(id=key_of(2), with_body=True)
        (shown,) = (await ledger.stub.ListDeliveries(request, timeout=10)).deliveries
        assert shown.delivery.body == body(2)
        # The hash is of what arrived: the same bytes are known again.
        await deliver(ledger, 2)
        assert (await documents(ledger))[key_of(2)]["count"] == 2


async def test_a_body_whose_key_is_gone_is_refused_not_shown_wrong(mongo_url: str) -> None:
    """FAILED_PRECONDITION that names the key; without the bytes the delivery is still listed."""
    async with running_ledger(mongo_url, keys=ring(k1=OLD)) as ledger:
        await deliver(ledger, 1)
    for keys in (None, ring(k2=NEW)):
        async with running_ledger(mongo_url, keys=keys) as ledger:
            request = ledger_pb2.ListDeliveriesRequest(id=key_of(1), with_body=True)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await ledger.stub.ListDeliveries(request, timeout=10)
            fault = from_rpc_error(refused.value)
            assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
            assert (fault.reason, "k1" in fault.message) == ("KEY_MISSING", True)
            (shown,) = (
                await ledger.stub.ListDeliveries(ledger_pb2.ListDeliveriesRequest(id=key_of(1)), timeout=10)
            ).deliveries
            assert shown.id == key_of(1)


async def test_rotation_leaves_nothing_under_the_old_key(mongo_url: str) -> None:
    """Plain bodies get encrypted, sealed ones only have their data key wrapped anew; afterwards the old key can go."""
    async with running_ledger(mongo_url) as ledger:
        await deliver(ledger, *range(10))
    async with running_ledger(mongo_url, keys=ring(old=OLD)) as ledger:
        await deliver(ledger, *range(10, 20))
        sealed_before = await documents(ledger)
    async with running_ledger(mongo_url, keys=ring(new=NEW, old=OLD)) as ledger:
        await deliver(ledger, *range(20, 25))
        answers = await reseal(ledger, 7)
        assert [answer.examined for answer in answers] == [7, 7, 7, 4]
        assert sum(answer.resealed for answer in answers) == 20
        assert {answer.key_id for answer in answers} == {"new"}
        assert sum(answer.resealed for answer in await reseal(ledger, 1_000)) == 0
        stored = await documents(ledger)
    only_new = ring(new=NEW)
    assert {body_of(stored[key_of(number)], only_new) for number in range(25)} == {body(number) for number in range(25)}
    for number in range(10, 20):
        assert stored[key_of(number)]["body"] == sealed_before[key_of(number)]["body"]
    # Those of one data key still share it.
    assert len({bytes(stored[key_of(number)]["sealing"]["wrapped_key"]) for number in range(10, 20)}) == 1


async def test_resealing_passes_over_what_it_cannot_open_and_what_was_erased(mongo_url: str) -> None:
    """They are counted, or left alone; nothing is made worse."""
    async with running_ledger(mongo_url, keys=ring(lost=OLD)) as ledger:
        await deliver(ledger, 1)
        lost = (await documents(ledger))[key_of(1)]
    async with running_ledger(mongo_url, keys=ring(new=NEW)) as ledger:
        await deliver(ledger, 2)
        await ledger.database["deliveries"].update_one(
            {"_id": key_of(2)}, {"$unset": {"body": "", "sealing": ""}, "$set": {"erased_at": lost["recorded_at"]}}
        )
        (answer,) = await reseal(ledger, 100)
        assert (answer.examined, answer.resealed, answer.unopenable) == (2, 0, 1)
        stored = await documents(ledger)
    assert stored[key_of(1)] == lost
    assert "body" not in stored[key_of(2)]


async def test_resealing_without_a_key_is_refused(mongo_url: str) -> None:
    """There is nothing to seal with, and nothing is decrypted."""
    async with running_ledger(mongo_url) as ledger:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ledger.stub.ResealDeliveries(ledger_pb2.ResealDeliveriesRequest(), timeout=10)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert from_rpc_error(refused.value).reason == "KEY_MISSING"


@pytest.mark.parametrize(
    ("field", "value"),
    [("after_id", "T-1"), ("after_id", "autopay:" + "g" * 64), ("deliveries_max", -1), ("deliveries_max", 1_001)],
)
async def test_a_wrong_field_is_named(mongo_url: str, field: str, value: object) -> None:
    """INVALID_ARGUMENT."""
    request = ledger_pb2.ResealDeliveriesRequest()
    setattr(request, field, value)
    async with running_ledger(mongo_url, keys=ring(k1=OLD)) as ledger:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ledger.stub.ResealDeliveries(request, timeout=10)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert from_rpc_error(refused.value).fields[0].field == field


def test_keys_come_from_a_variable_or_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A key per line in a file, and a wrong one refuses to start without being quoted."""
    good = f"new:{base64.b64encode(NEW).decode()}\nold:{base64.b64encode(OLD).decode()}\n"
    (tmp_path / "keys").write_text(good)
    monkeypatch.setenv("LEDGER_BODY_KEYS_FILE", str(tmp_path / "keys"))
    assert LedgerSettings.load().body_keys.get_secret_value() == good.strip()
    bad = base64.b64encode(NEW[:16]).decode()
    monkeypatch.setenv("LEDGER_BODY_KEYS", f"k:{bad}")
    with pytest.raises(ValueError, match=r"LEDGER_BODY_KEYS.*key k must be 32 bytes") as refused:
        LedgerSettings.load()
    assert bad not in str(refused.value)

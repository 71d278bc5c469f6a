"""What becomes of each delivery of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from mesh.errors import Fault, Kind
from providers.contract import Event, Wrong
from services.ingest.model import Answer, Delivery, Disposition, Entry
from tests.fakes.ledger import recorded
from tests.fakes.scorer import RISK
from tests.unit.ingest.bodies import SAMPLED, UNSAMPLED, delivery, native_body
from tests.unit.ingest.rig import Rig


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A rig whose spans are exported at the end."""
    made = Rig()
    yield made
    made.tracing.shutdown()


async def test_a_valid_delivery_is_scored_and_recorded(rig: Rig) -> None:
    """It reaches the ledger as an event with its risk, and the ledger's answer is the answer."""
    (answer,) = await rig.ingest(delivery())
    assert (answer.disposition, answer.durable, answer.reason) == (Disposition.RECORDED, True, "")
    assert answer.events[0].tx_id == "T-1"
    (event,) = rig.ledger.entries[0].events
    assert isinstance(event, Event)
    assert event.amount_minor == 1050
    assert rig.ledger.risks == [RISK]


async def test_answers_keep_the_order_of_the_deliveries(rig: Rig) -> None:
    """Whatever happens to each, the answers stand where the deliveries stood."""
    bodies = [native_body(), b"not json", b"2", b"0", b"?", b"!", native_body(), b"x"]
    names = ["autopay", "autopay", "partner", "partner", "partner", "partner", "autopay", "nobody"]
    batch = [
        delivery(body, provider=name, delivery_id=f"D-{place}")
        for place, (body, name) in enumerate(zip(bodies, names, strict=True))
    ]
    answers = await rig.ingest(*batch)
    assert [(answer.disposition.name, answer.durable, answer.reason) for answer in answers] == [
        ("RECORDED", True, ""),
        ("UNPROCESSABLE", False, "INVALID_FIELD"),
        ("RECORDED", True, ""),
        ("IGNORED", True, ""),
        ("UNPROCESSABLE", True, "INVALID_FIELD"),
        ("UNSPECIFIED", False, "INTERNAL"),
        ("RECORDED", True, ""),
        ("UNSPECIFIED", False, "SOURCE_UNKNOWN"),
    ]
    assert [entry.delivery.delivery_id for entry in rig.ledger.entries] == ["D-0", "D-2", "D-3", "D-4", "D-6"]
    assert rig.ledger.risks == [RISK] * 4


async def test_a_wrong_native_body_is_named_and_never_stored(rig: Rig) -> None:
    """The sender is ours to correct: every wrong field, no call to anybody."""
    (answer,) = await rig.ingest(delivery(native_body(amount="10.001", tx_id="")))
    assert [wrong.field for wrong in answer.wrong] == ["tx_id", "amount"]
    assert not rig.ledger.timeouts_s
    assert not rig.scorer.asked


async def test_a_wrong_third_party_body_is_kept(rig: Rig) -> None:
    """Refusing it would lose the fact: the ledger quarantines it, and the answer is durable and says why."""
    (answer,) = await rig.ingest(delivery(b"?", provider="partner"))
    assert answer.durable
    assert answer.wrong == (Wrong("body", "must be a number"),)
    (entry,) = rig.ledger.entries
    assert (entry.disposition, entry.events) == (Disposition.UNPROCESSABLE, ())


async def test_nothing_to_score_means_no_score_call(rig: Rig) -> None:
    """A batch without events goes to the ledger alone."""
    await rig.ingest(delivery(b"0", provider="partner"))
    assert not rig.scorer.asked
    assert rig.ledger.entries[0].disposition is Disposition.IGNORED


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (Fault(kind=Kind.TIMEOUT, reason="NOT_DURABLE", message="Late."), "timeout"),
        (Fault(kind=Kind.UNAVAILABLE, reason="DEPENDENCY_DOWN", message="Down."), "unavailable"),
        (Fault(kind=Kind.INTERNAL, reason="INTERNAL", message="Broken."), "internal"),
        (RuntimeError("quotes the secret payload"), "bug"),
    ],
)
async def test_scoring_cannot_fail_a_webhook(rig: Rig, error: Exception, counted: str) -> None:
    """Without a score the event is recorded without a risk, and the metrics say so."""
    rig.scorer.error = error
    (answer,) = await rig.ingest(delivery())
    assert answer.durable
    assert rig.ledger.risks == [None]
    assert rig.metrics.scores.snapshot() == {(counted,): 1}
    assert "secret payload" not in await rig.logged()


async def test_the_budgets_bound_each_call(rig: Rig) -> None:
    """Scores get 25 ms; the ledger its budget, or what is left of the caller's deadline."""
    await rig.ingest(delivery())
    await rig.ingest(delivery(), timeout_s=0.5)
    assert rig.scorer.timeouts_s == [0.025, 0.025]
    assert rig.ledger.timeouts_s[0] == 1.3
    assert 0.3 < rig.ledger.timeouts_s[1] <= 0.5


async def test_a_failed_record_call_fails_the_batch(rig: Rig) -> None:
    """What the ledger did is unknown, so the caller must send the batch again."""
    rig.ledger.fault = Fault(kind=Kind.UNAVAILABLE, reason="NOT_DURABLE", message="Unknown.")
    with pytest.raises(Fault) as raised:
        await rig.ingest(delivery(), delivery(b"not json"))
    assert raised.value is rig.ledger.fault


async def test_an_item_the_ledger_could_not_store_is_not_durable(rig: Rig) -> None:
    """It fails alone, with the ledger's reason."""
    rig.ledger.answer_to = lambda entry: Answer(reason="UNSTORABLE")
    (answer,) = await rig.ingest(delivery())
    assert (answer.durable, answer.reason) == (False, "UNSTORABLE")


@pytest.mark.parametrize("reason", ["UNSTORABLE", "INVALID_FIELD"])
async def test_what_the_ledger_can_never_record_of_a_third_party_is_kept(rig: Rig, reason: str) -> None:
    """Its bytes are recorded once more, without events, as unprocessable; its neighbours keep their first answer."""
    poison = {"1"}

    def answer(entry: Entry) -> Answer:
        refused = entry.events and entry.delivery.body.decode() in poison
        return Answer(reason=reason) if refused else recorded(entry)

    rig.ledger.answer_to = answer
    kept, fine, native = await rig.ingest(
        delivery(b"1", provider="partner"), delivery(b"2", provider="partner"), delivery()
    )
    assert (kept.disposition, kept.durable, kept.reason) == (Disposition.UNPROCESSABLE, True, "INVALID_FIELD")
    assert [wrong.field for wrong in kept.wrong] == ["events"]
    assert (len(fine.events), native.durable) == (2, True)
    assert [entry.delivery.body for entry in rig.ledger.entries[3:]] == [b"1"]


async def test_what_not_even_the_quarantine_holds_keeps_its_reason(rig: Rig) -> None:
    """It is told apart from what may be sent again; and where nobody knows, it may."""
    rig.ledger.answer_to = lambda entry: Answer(reason="UNSTORABLE")
    (answer,) = await rig.ingest(delivery(b"1", provider="partner"))
    assert (answer.durable, answer.reason, len(rig.ledger.entries)) == (False, "UNSTORABLE", 2)

    def fails_next(entry: Entry) -> Answer:
        rig.ledger.fault = Fault(kind=Kind.UNAVAILABLE, reason="NOT_DURABLE", message="Unknown.")
        return Answer(reason="UNSTORABLE") if entry.delivery.body == b"1" else recorded(entry)

    rig.ledger.answer_to = fails_next
    unknown, fine = await rig.ingest(delivery(b"1", provider="partner"), delivery(b"2", provider="partner"))
    assert (unknown.durable, unknown.reason, fine.durable) == (False, "NOT_DURABLE", True)


async def test_a_tripped_mapping_is_logged_without_the_payload(rig: Rig) -> None:
    """The traceback says where, and the error's own text stays out."""
    await rig.ingest(delivery(b"!secret payload", provider="partner", delivery_id="D-7"))
    logged = await rig.logged()
    assert "ZeroDivisionError" in logged
    assert "D-7" in logged
    assert "secret payload" not in logged


async def test_an_event_that_cannot_be_encoded_fails_alone(rig: Rig) -> None:
    """Encoding is part of preparing one delivery, so its failure is that delivery's."""
    rig.encode_error = ValueError("out of range")
    good = delivery(b"0", provider="partner")
    bad, kept = await rig.ingest(delivery(), good)
    assert (bad.reason, kept.durable) == ("INTERNAL", True)


@pytest.mark.parametrize(
    ("amount", "currency", "refused"),
    [
        ("1000", "EUR", False),
        ("1000.01", "EUR", True),
        ("1000", "JPY", False),
        ("1001", "JPY", True),
        ("1000.001", "KWD", True),
    ],
)
async def test_amounts_may_be_limited(amount: str, currency: str, refused: bool) -> None:
    """The limit is in major units of each currency and holds for native payments."""
    rig = Rig(amount_max=Decimal(1000))
    (answer,) = await rig.ingest(delivery(native_body(amount=amount, currency=currency)))
    assert [wrong.field for wrong in answer.wrong] == (["amount"] if refused else [])


async def test_third_party_amounts_are_never_refused() -> None:
    """That payment has happened, whatever our limit says."""
    rig = Rig(amount_max=Decimal(1))
    (answer,) = await rig.ingest(delivery(b"1", provider="partner"))
    assert answer.disposition is Disposition.RECORDED


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        ([], "INVALID_FIELD"),
        ([delivery()] * 257, "TOO_LARGE"),
        ([delivery(b"x" * 600_000)] * 2, "TOO_LARGE"),
    ],
)
async def test_a_batch_outside_its_limits_is_refused(rig: Rig, batch: list[Delivery], reason: str) -> None:
    """Nothing, more than 256 deliveries, or more than 1 MiB together."""
    with pytest.raises(Fault) as raised:
        await rig.ingest(*batch)
    assert (raised.value.kind, raised.value.reason) == (Kind.INVALID, reason)


async def test_one_large_delivery_may_exceed_the_batch_limit(rig: Rig) -> None:
    """The limit is about collecting; one delivery alone is always taken."""
    (answer,) = await rig.ingest(delivery(b"1" + b" " * 1_100_000, provider="partner"))
    assert answer.durable


async def test_deliveries_are_counted_by_what_became_of_them(rig: Rig) -> None:
    """The metrics tell recorded from unprocessable."""
    await rig.ingest(delivery(), delivery(), delivery(b"not json"))
    assert rig.metrics.deliveries.snapshot() == {
        ("recorded", "yes", ""): 2,
        ("unprocessable", "no", "INVALID_FIELD"): 1,
    }


async def test_a_sampled_delivery_has_its_own_span(rig: Rig) -> None:
    """The next hops continue below it; an unsampled traceparent is passed on as it is."""
    await rig.ingest(delivery(traceparent=SAMPLED), delivery(), delivery(traceparent=""))
    rig.tracing.shutdown()
    (span,) = rig.spans.get_finished_spans()
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "b" * 16
    assert span.attributes == {"autopay.disposition": "recorded"}
    below = f"00-{'a' * 32}-{span.context.span_id:016x}-01"
    assert [entry.traceparent for entry in rig.ledger.entries] == [below, UNSAMPLED, ""]
    assert [entry.traceparent for entry in rig.scorer.asked[0]] == [below, UNSAMPLED, ""]


async def test_spans_end_when_the_ledger_fails(rig: Rig) -> None:
    """A trace shows the failure instead of lacking the hop."""
    rig.ledger.fault = Fault(kind=Kind.UNAVAILABLE, reason="NOT_DURABLE", message="Unknown.")
    with pytest.raises(Fault):
        await rig.ingest(delivery(traceparent=SAMPLED))
    rig.tracing.shutdown()
    (span,) = rig.spans.get_finished_spans()
    assert span.status.description == "NOT_DURABLE"

"""What may be asked for in a query: read into values, each wrong parameter named, no value repeated."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from edge import questions
from edge.questions import PaymentQuestion, PaymentsQuestion
from mesh.errors import Fault


def asked(query: str) -> PaymentsQuestion:
    """Read a query of /transactions."""
    return questions.read(PaymentsQuestion, parse_qs(query, keep_blank_values=True))


def wrong(query: str) -> dict[str, str]:
    """Return each wrong parameter of a query with what is said of it."""
    with pytest.raises(Fault) as raised:
        asked(query)
    assert raised.value.reason == "INVALID_FIELD"
    return {each.field: each.description for each in raised.value.fields}


def test_nothing_asks_for_the_newest() -> None:
    """Without a parameter it is the first page of everything."""
    question = asked("")
    assert (question.order, question.limit, question.cursor, question.account) == ("newest", 50, "", None)


def test_everything_can_be_asked_for() -> None:
    """Every parameter is read into its value."""
    question = asked(
        "account=alice&role=sender&source=autopay&status=success&currency=EUR&risk_level=high&amount_min=1&amount_max=2.50"
        "&since=2027-01-31T12:00:00Z&until=2027-01-31T14:00:00%2B01:00&order=oldest&limit=7&cursor=abc"
    )
    assert (question.minor_units("amount_min"), question.minor_units("amount_max")) == (100, 250)
    assert question.since == datetime(2027, 1, 31, 12, tzinfo=UTC)
    assert question.until == datetime(2027, 1, 31, 13, tzinfo=UTC)
    assert (question.role, question.order, question.limit, question.cursor) == ("sender", "oldest", 7, "abc")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("source=A", "source"),
        ("source=", "source"),
        ("source=a%0A", "source"),
        ("account=a b", "account"),
        ("role=payer", "role"),
        ("role=sender", "role"),
        ("status=done", "status"),
        ("currency=eur", "currency"),
        ("currency=XAU", "currency"),
        ("risk_level=unspecified", "risk_level"),
        ("analysis_state=none", "analysis_state"),
        ("account=a&analysis_state=done", "analysis_state"),
        ("amount_min=1", "currency"),
        ("amount_min=-1&currency=EUR", "amount_min"),
        ("amount_min=1.001&currency=EUR", "amount_min"),
        ("amount_min=0.5&currency=JPY", "amount_min"),
        ("amount_min=1e3&currency=EUR", "amount_min"),
        ("amount_min=9223372036854775807&currency=EUR", "amount_min"),
        ("amount_min=2&amount_max=1&currency=EUR", "amount_max"),
        ("since=2027-01-31T12:00:00", "since"),
        ("since=2027-01-31T12:00:00 01:00", "since"),
        ("since=1700000000", "since"),
        ("since=1969-12-31T23:59:59Z", "since"),
        ("since=yesterday", "since"),
        ("since=2027-02-01T00:00:00Z&until=2027-01-01T00:00:00Z", "until"),
        ("order=up", "order"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("limit=1&limit=2", "limit"),
        (f"cursor={'x' * 5000}", "cursor"),
        ("page=2", "page"),
    ],
)
def test_a_wrong_parameter_is_named(query: str, parameter: str) -> None:
    """One wrong parameter is one violation of its name."""
    assert list(wrong(query)) == [parameter]


def test_every_wrong_parameter_is_named_at_once() -> None:
    """A reader need not put them right one by one."""
    assert set(wrong("limit=0&order=up&colour=red")) == {"limit", "order", "colour"}


@pytest.mark.parametrize("query", ["status=s3cr3t", "s3cr3t-%C3%A9=1", "cursor=s3cr3t&cursor=s3cr3t", "limit=s3cr3t"])
def test_no_value_is_repeated(query: str) -> None:
    """What a stranger sends as a value, or as a name that can't be one, stands in no answer."""
    assert "s3cr3t" not in str(wrong(query))


def test_one_payments_question_takes_its_own_parameters() -> None:
    """`view` and `source`, and no others."""
    read: Any = questions.read(PaymentQuestion, {"view": ["full"], "source": ["autopay"]})
    assert (read.view, read.source) == ("full", "autopay")
    with pytest.raises(Fault):
        questions.read(PaymentQuestion, {"limit": ["1"]})


@pytest.mark.parametrize(
    ("text", "valid"), [("T-1", True), ("x" * 100, True), ("x" * 101, False), ("T-1\n", False), ("", False)]
)
def test_what_can_be_a_payments_id(text: str, valid: bool) -> None:
    """1 to 100 letters of an id, to the very end."""
    assert questions.is_tx_id(text) is valid

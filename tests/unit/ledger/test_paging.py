"""Page tokens are opaque, sealed, and bound to their query; pages give each row once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import Fault, Kind
from services.ledger.model import Status
from services.ledger.paging import PageTokens
from services.ledger.read_ports import PaymentFilter, RiskLevel, RowKey, SelectBy
from services.ledger.reading import ListQuery

TOKENS = PageTokens(b"k" * 32)
QUERY = ListQuery(by=(SelectBy.STATUS,), value=Status.SUCCESS, since_ms=5).identity
ROW = RowKey(recorded_at_ms=1_700_000_000_123, id="autopay:T-1")


@given(
    recorded_at_ms=st.integers(min_value=0, max_value=253_402_300_799_999),
    id_=st.from_regex(r"[a-z0-9_-]{1,40}:[A-Za-z0-9_.:-]{1,100}", fullmatch=True),
)
def test_a_token_leads_back_to_its_row(recorded_at_ms: int, id_: str) -> None:
    """Whatever row a page ends with, its token names it."""
    row = RowKey(recorded_at_ms=recorded_at_ms, id=id_)
    assert TOKENS.read(QUERY, TOKENS.issue(QUERY, row)) == row


@given(st.data())
def test_an_altered_token_is_refused(data: st.DataObject) -> None:
    """No character of a token can be changed, dropped or added."""
    token = TOKENS.issue(QUERY, ROW)
    place = data.draw(st.integers(min_value=0, max_value=len(token) - 1))
    other = data.draw(st.characters(max_codepoint=0x2FF))
    for altered in (token[:place] + other + token[place + 1 :], token[:place] + token[place + 1 :], token + other):
        if altered == token or canonical(altered) == canonical(token):
            continue
        refused(altered)


def canonical(token: str) -> str:
    """A token without what base64 ignores: the unused low bits of its last character."""
    return token[:-1]


@given(st.text(max_size=500))
def test_garbage_is_refused(token: str) -> None:
    """Whatever text comes as a token, it is INVALID and nothing else."""
    refused(token or "=")


def refused(token: str) -> None:
    """The token is refused, naming its field."""
    with pytest.raises(Fault) as fault:
        TOKENS.read(QUERY, token)
    assert (fault.value.kind, fault.value.reason) == (Kind.INVALID, "TOKEN_INVALID")
    assert [wrong.field for wrong in fault.value.fields] == ["page_token"]


@pytest.mark.parametrize(
    "other",
    [
        ListQuery(),
        ListQuery(by=(SelectBy.RISK_LEVEL,), value=RiskLevel.LOW, since_ms=5),
        ListQuery(by=(SelectBy.STATUS,), value=Status.FAILED, since_ms=5),
        ListQuery(by=(SelectBy.STATUS,), value=Status.SUCCESS, since_ms=6),
        ListQuery(by=(SelectBy.STATUS,), value=Status.SUCCESS, since_ms=5, until_ms=9),
        ListQuery(by=(SelectBy.STATUS,), value=Status.SUCCESS, since_ms=5, ascending=True),
        ListQuery(by=(SelectBy.STATUS,), value=Status.SUCCESS, since_ms=5, page_rows=51),
        ListQuery(by=(SelectBy.STATUS,), value=Status.SUCCESS, since_ms=5, wanted=PaymentFilter(source="a")),
        ListQuery(by=(SelectBy.STATUS,), value=Status.SUCCESS, since_ms=5, wanted=PaymentFilter(currency="EUR")),
        ListQuery(by=(SelectBy.STATUS,), value=Status.SUCCESS, since_ms=5, wanted=PaymentFilter(status=Status.FAILED)),
    ],
    ids=str,
)
def test_a_token_belongs_to_its_query(other: ListQuery) -> None:
    """With any other field changed, a token is refused."""
    token = TOKENS.issue(QUERY, ROW)
    with pytest.raises(Fault) as fault:
        TOKENS.read(other.identity, token)
    assert fault.value.reason == "TOKEN_INVALID"


def test_a_token_belongs_to_its_key() -> None:
    """A token sealed under another key is refused."""
    with pytest.raises(Fault):
        PageTokens(b"j" * 32).read(QUERY, TOKENS.issue(QUERY, ROW))


def test_a_short_key_is_refused() -> None:
    """A key anybody could guess is a mistake of configuration."""
    with pytest.raises(ValueError, match="16 bytes"):
        PageTokens(b"short")

"""The configurable provider: settings are validated whole, and what isn't configured verifies and maps nothing."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from autopay_cli.recipes.signing import HmacRecipe
from providers.contract import Acknowledgement, Kind, Options, Refused, Secret, Unprocessable, Window
from providers.hmac import PROVIDER
from tests.conformance import vectors
from tests.unit.providers.mapping import only_event, wrong_fields
from tests.unit.providers.signing import NOW_S, SECRET, WINDOW
from tests.unit.providers.written import written

TABLE = tomllib.loads(
    """
    header = "X-Signature"
    currency = "EUR"
    [fields]
    kind = "type"
    tx_id = "id"
    event_id = "event"
    object_id = "part"
    amount = "amount"
    [kinds]
    paid = "captured"
    back = "refunded"
    bounced = "refund_failed"
    """
)
FULL = vectors.load("hmac-dated")
BODY = b'{"type": "paid", "id": "P-1", "event": "e-1", "amount": 500}'


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The typical table after a change."""
    table = copy.deepcopy(TABLE)
    change(table)
    return table


def with_(**settings_: object) -> Mapping[str, object]:
    """The typical table with some settings."""
    return {**TABLE, **settings_}


def without_field(name: str) -> Mapping[str, object]:
    """The typical table without one field's path."""
    return changed(lambda table: table["fields"].pop(name))


WRONG: list[tuple[str, Mapping[str, object]]] = [
    ("options.header", {}),
    ("options.header", with_(header="")),
    ("options.header", with_(header="X Signature")),
    ("options.header", with_(header=7)),
    ("options.prefix", with_(prefix="é")),
    ("options.prefix", with_(prefix="a" * 1_025)),
    ("options.algorithm", with_(algorithm="md5")),
    ("options.algorithm", with_(algorithm=["sha256"])),
    ("options.encoding", with_(encoding="base32")),
    ("options.secret_encoding", with_(secret_encoding="rot13")),
    ("options.signed", with_(signed="")),
    ("options.signed", with_(signed="{url}")),
    ("options.signed", with_(signed="{body}{body}")),
    ("options.signed", with_(signed="{header}{body}")),
    ("options.signed", with_(signed="{body")),
    ("options.signed", with_(signed="{body}}")),
    ("options.signed", with_(signed="{id}{timestamp}.{body}", id_header="I", timestamp_header="T")),
    ("options.signed", with_(signed="{timestamp}{id}.{body}", id_header="I", timestamp_header="T")),
    ("options.signed", with_(signed="{url}{body}")),
    ("options.timestamp_header", with_(signed="{timestamp}.{body}")),
    ("options.timestamp_header", with_(timestamp_header="X-Time")),
    ("options.id_header", with_(signed="{id}.{body}")),
    ("options.id_header", with_(id_header="X-Id")),
    ("options.header", with_(signed="{timestamp}.{body}", timestamp_header="x-signature")),
    ("options.tolerance_s", with_(tolerance_s=300)),
    *[
        ("options.tolerance_s", with_(signed="{timestamp}.{body}", timestamp_header="T", tolerance_s=value))
        for value in (0, -1, 604_801, 1.5, "300", True)
    ],
    ("options.acknowledgement", with_(acknowledgement=["ok"])),
    ("options.acknowledgement_type", with_(acknowledgement_type="")),
    ("options.amount_unit", with_(amount_unit="cents")),
    ("options.basis", with_(basis="total")),
    ("options.time_format", with_(time_format="rfc822")),
    ("options.currency", with_(currency="eur")),
    ("options.currency", changed(lambda table: table["fields"].update(currency="currency"))),
    ("options.fields", with_(fields="id")),
    ("options.fields.kind", without_field("kind")),
    ("options.fields.tx_id", without_field("tx_id")),
    ("options.fields.amount", without_field("amount")),
    ("options.fields.object_id", without_field("object_id")),
    ("options.fields.currency", changed(lambda table: table.pop("currency"))),
    ("options.fields.tx-id", changed(lambda table: table["fields"].update({"tx-id": "id"}))),
    ("options.fields.time", changed(lambda table: table["fields"].update(time="a..b"))),
    ("options.fields.time", changed(lambda table: table["fields"].update(time=[]))),
    ("options.fields.time", changed(lambda table: table["fields"].update(time=["a"] * 9))),
    ("options.fields.time", changed(lambda table: table["fields"].update(time=".".join("a" * 17)))),
    ("options.fields.time", changed(lambda table: table["fields"].update(time=7))),
    ("options.kinds", with_(kinds={})),
    ("options.kinds", with_(kinds={str(n): "captured" for n in range(201)})),
    ('options.kinds."paid"', with_(kinds={"paid": "settled"})),
    ('options.kinds."paid"', with_(kinds={"paid": 3})),
    ("options.window", with_(window=300)),
]


@pytest.mark.parametrize(("setting", "table"), WRONG, ids=[f"{n}: {name}" for n, (name, _) in enumerate(WRONG)])
def test_a_wrong_setting_is_named(setting: str, table: Mapping[str, object]) -> None:
    """Settings that can't work are refused when the source is configured, by the name of the one to change."""
    with pytest.raises(ValueError, match=r"^options\.") as wrong:
        PROVIDER.configured(Options(table=table))
    assert str(wrong.value).partition(":")[0].startswith(setting)


def test_what_opens_an_object_must_be_told_apart() -> None:
    """Refunds with amounts of their own need an id; a running total of them needs none."""
    table = changed(lambda table: (table["fields"].pop("event_id"), table["fields"].pop("object_id")))
    table["kinds"] = {"paid": "captured", "back": "refunded"}
    with pytest.raises(ValueError, match=r"options\.fields\.event_id.*refunded"):
        PROVIDER.configured(Options(table=table))
    running = PROVIDER.configured(Options(table={**table, "basis": "cumulative"}))
    refund = only_event(running, b'{"type": "back", "id": "P-1", "amount": 500}')
    assert (refund.kind, refund.object_id) == (Kind.REFUNDED, "")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from([*TABLE, "signed", "tolerance_s", "currency", "prefix", "window"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["{body}", "captured"]),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=6,
        ),
    )
)
def test_any_settings_are_taken_or_refused_in_words(table: dict[str, object]) -> None:
    """Whatever a file says, configuring ends in a provider or in a ValueError that names a setting."""
    try:
        PROVIDER.configured(Options(table={**TABLE, **table}))
    except ValueError as error:
        named = str(error)
    else:
        named = "options."
    assert named.startswith("options.")


def test_unconfigured_it_refuses_everything() -> None:
    """Without settings nobody is believed, and a body that came so far is kept to be run again."""
    request = FULL.signed(FULL.first)
    with pytest.raises(Refused):
        PROVIDER.verify(request.body, request.lookup, [FULL.secrets.current], now_s=NOW_S, window=WINDOW)
    with pytest.raises(Unprocessable):
        PROVIDER.map(BODY, {})
    assert PROVIDER.acknowledgement == Acknowledgement()


def test_the_acknowledgement_is_configured() -> None:
    """The sender reads what it wants to read, and its signed headers are kept."""
    assert FULL.provider.acknowledgement == Acknowledgement(b"[ok]", "text/plain")
    assert FULL.provider.kept_headers == ("partner-time", "partner-message", "user-agent", "content-type")


def dated(tolerance_s: object, age_s: int) -> bool:
    """Whether a request of this age verifies, with this tolerance and a window of 300 s."""
    signing = {"signed": "{timestamp}.{body}", "timestamp_header": "X-Time"}
    table = {**TABLE, **signing, "tolerance_s": tolerance_s}
    provider = PROVIDER.configured(Options(table={key: value for key, value in table.items() if value is not None}))
    recipe = HmacRecipe(
        content="{timestamp}.{body}", templates={"X-Signature": "{signature}", "X-Time": "{timestamp}"}, dated=True
    )
    request = recipe.sign(BODY, SECRET.value, at=NOW_S - age_s)
    try:
        provider.verify(request.body, request.lookup, [SECRET], now_s=NOW_S, window=Window(300, 5))
    except Refused as refused:
        return refused.reason != "TIMESTAMP_OUTSIDE_WINDOW"
    return True


@pytest.mark.parametrize(("tolerance_s", "oldest_s"), [(None, 300), (60, 60), (3_600, 3_600), ("none", 1_000_000)])
def test_the_tolerance_is_the_sources_own(tolerance_s: object, oldest_s: int) -> None:
    """A source may take older or only younger requests than others, or any; ahead of our clock stays ahead."""
    assert dated(tolerance_s, oldest_s)
    assert dated(tolerance_s, oldest_s + 1) == (tolerance_s == "none")
    assert dated(tolerance_s, -6) == (tolerance_s == "none")


@pytest.mark.parametrize(
    ("encoding", "value", "key"),
    [("text", "c2VjcmV0", b"c2VjcmV0"), ("hex", "736563726574", b"secret"), ("base64", "c2VjcmV0", b"secret")],
)
def test_a_secret_is_text_hex_or_base64(encoding: str, value: str, key: bytes) -> None:
    """The key is what the secret stands for in its encoding."""
    provider = PROVIDER.configured(Options(table=with_(secret_encoding=encoding)))
    recipe = HmacRecipe(content="{body}", templates={"X-Signature": "{signature}"})
    request = recipe.sign(BODY, key.decode())
    assert provider.verify(BODY, request.lookup, [Secret("k", value)], now_s=NOW_S, window=WINDOW).key_id == "k"


def test_a_secret_that_is_none_verifies_nothing() -> None:
    """A secret that can't be decoded is no empty key: what is signed with an empty one is refused."""
    recipe = HmacRecipe(content="{body}", templates={"X-Signature": "{signature}"})
    request = recipe.sign(BODY, "")
    for encoding, value in (("hex", "zz"), ("base64", "!"), ("text", "")):
        provider = PROVIDER.configured(Options(table=with_(secret_encoding=encoding)))
        with pytest.raises(Refused):
            provider.verify(BODY, request.lookup, [Secret("k", value)], now_s=NOW_S, window=WINDOW)


def test_the_first_path_that_leads_somewhere_counts() -> None:
    """Of several paths the first whose value is there is read, and named where it is wrong."""
    table = changed(lambda table: table["fields"].update(amount=["refund.amount", "payment.0.amount"]))
    provider = PROVIDER.configured(Options(table=table))
    fields = {"type": "paid", "id": "P-1", "event": "e-1", "payment": [{"amount": 500}]}
    assert only_event(provider, written(fields)).amount_minor == 500
    assert only_event(provider, written({**fields, "refund": {"amount": 20}})).amount_minor == 20
    assert wrong_fields(provider, written({**fields, "payment": [{"amount": "5.00"}]})) == {"payment.0.amount"}
    assert wrong_fields(provider, written({**fields, "payment": []})) == {"refund.amount"}


def test_a_body_that_is_no_object_is_unprocessable() -> None:
    """Only a JSON object can hold facts; a type that isn't listed means nothing."""
    provider = PROVIDER.configured(Options(table=TABLE))
    assert wrong_fields(provider, b"[]") == {"body"}
    for unlisted in ({"type": "renamed"}, {"type": None}, {"type": ["paid"]}, {}):
        assert not provider.map(written(unlisted), {})


def test_headers_name_no_fact() -> None:
    """Only bodies are mapped; whatever the headers say, the event is the same."""
    provider = PROVIDER.configured(Options(table=TABLE))
    assert provider.map(BODY, {"type": b"back", "x-signature": b""}) == provider.map(BODY, {})
    headers = CIMultiDictProxy(CIMultiDict({"X-Signature": "sha256=" + "0" * 64}))
    with pytest.raises(Refused):
        provider.verify(BODY, headers, [SECRET], now_s=NOW_S, window=WINDOW)


def test_the_prefix_is_part_of_the_signature() -> None:
    """The right digest without the prefix, or with another one, is refused."""
    provider = PROVIDER.configured(Options(table=with_(prefix="v1=")))
    digest = HmacRecipe(content="{body}", templates={"X-Signature": "{signature}"}).sign(BODY, SECRET.value)
    for prefix, verifies in (("v1=", True), ("", False), ("v0=", False), ("v1=v1=", False), ("V1=", False)):
        request = digest.having("X-Signature", prefix + digest.value("X-Signature"))
        if verifies:
            assert provider.verify(BODY, request.lookup, [SECRET], now_s=NOW_S, window=WINDOW).key_id == SECRET.key_id
        else:
            with pytest.raises(Refused):
                provider.verify(BODY, request.lookup, [SECRET], now_s=NOW_S, window=WINDOW)

"""What `autopay sign` signs, the native source verifies."""

from __future__ import annotations

import json
import shlex

import pytest
from multidict import CIMultiDict

from autopay_cli.failure import Failure
from autopay_cli.recipes import samples
from autopay_cli.signing import Form, Signed, curl_arguments, curl_line, signed, signed_by
from providers.autopay import PROVIDER
from providers.contract import Certified, Refused, Secret, Verified, Window
from tests.conformance import vectors

NOW_S = 1_790_000_000
BODY = '{"tx_id": "T-1", "amount": "1.50", "note": "ä \\"quoted\\""}'.encode()


def verified(request: Signed, secret: str) -> Verified:
    """What the edge would make of the request."""
    secrets = [Secret("key", secret)]
    return PROVIDER.verify(request.body, CIMultiDict(request.headers), secrets, now_s=NOW_S, window=Window())


@pytest.mark.parametrize("form", Form)
def test_each_form_verifies(form: Form) -> None:
    """All three native forms are accepted with the right secret and refused with another."""
    request = signed(BODY, "right", timestamp_s=NOW_S, form=form)
    assert verified(request, "right").signed_at_s == NOW_S
    with pytest.raises(Refused):
        verified(request, "wrong")


@pytest.mark.parametrize("body", [b"", b"\xff\x00", b"[1, 2]", b"not json"])
def test_headers_sign_any_bytes(body: bytes) -> None:
    """The form with two headers never looks into the body."""
    assert verified(signed(body, "right", timestamp_s=NOW_S), "right").body == body


def test_a_body_that_dates_itself_stays_as_it_is() -> None:
    """The form with one header adds a timestamp only where there is none."""
    body = json.dumps({"tx_id": "T-1", "timestamp": NOW_S - 3}).encode()
    request = signed(body, "right", timestamp_s=NOW_S, form=Form.HEADER)
    assert request.body == body
    assert not request.changed
    assert verified(request, "right").signed_at_s == NOW_S - 3


@pytest.mark.parametrize("form", [Form.HEADER, Form.BODY])
@pytest.mark.parametrize("body", [b"[]", b"{", b'"text"'])
def test_forms_that_write_into_the_body_need_an_object(form: Form, body: bytes) -> None:
    """The sentence says which form takes other bytes."""
    with pytest.raises(Failure, match="--form headers"):
        signed(body, "right", timestamp_s=NOW_S, form=form)


def test_a_number_without_a_canonical_form_is_refused() -> None:
    """RFC 8785 knows no integers above 2^53."""
    with pytest.raises(Failure, match="canonical"):
        signed(b'{"amount": 9007199254740993}', "right", timestamp_s=NOW_S, form=Form.BODY)


def test_curl_arguments_need_no_quotes() -> None:
    """An unquoted $(autopay sign …) passes them on as they are."""
    request = signed(BODY, "right", timestamp_s=NOW_S)
    assert curl_arguments(request).split() == shlex.split(curl_arguments(request))


def test_a_changed_body_is_among_the_arguments() -> None:
    """Where signing changed the body, sending the old one would be refused."""
    request = signed(BODY, "right", timestamp_s=NOW_S, form=Form.BODY)
    words = shlex.split(curl_arguments(request))
    assert words == ["--data-raw", request.body.decode()]


def test_a_curl_line_survives_the_shell() -> None:
    """Quotes in the body arrive as they are."""
    request = signed(BODY, "right", timestamp_s=NOW_S)
    words = shlex.split(curl_line(request, "http://127.0.0.1:8080/webhooks/payments"))
    assert words[:3] == ["curl", "-sS", "http://127.0.0.1:8080/webhooks/payments"]
    assert words[-1].encode() == BODY


@pytest.mark.parametrize("name", samples.names())
def test_it_signs_as_every_provider_does(name: str) -> None:
    """What is signed for a provider, that provider verifies with its own rules; or it says that only they can."""
    file, sample = vectors.load(name), samples.load(name)
    current, url = file.secrets.current, sample.options.get("url", "")
    if isinstance(file.provider, Certified):
        with pytest.raises(Failure, match="only"):
            signed_by(name, sample.body, current.value, timestamp_s=NOW_S)
        return
    request = signed_by(name, sample.body, current.value, timestamp_s=NOW_S, url=url)
    headers = CIMultiDict(request.headers)
    found = file.provider.verify(request.body, headers, [current], now_s=NOW_S, window=Window())
    assert found.key_id == current.key_id
    assert request.changed is (request.body != sample.body)


def test_a_provider_or_a_secret_that_is_none_is_one_sentence() -> None:
    """An unknown name lists the known ones; a secret of the wrong form is refused without being shown."""
    with pytest.raises(Failure, match="standardwebhooks, stripe"):
        signed_by("nobody", BODY, "x", timestamp_s=NOW_S)
    with pytest.raises(Failure, match="can't sign") as raised:
        signed_by("adyen", b'{"notificationItems":[{"NotificationRequestItem":{}}]}', "hunter2", timestamp_s=NOW_S)
    assert "hunter2" not in str(raised.value)

"""Addresses are checked before anything is started, and passwords never shown."""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path

import pytest

from autopay_cli import addresses, plan
from autopay_cli.credentials import Credentials
from autopay_cli.failure import Failure
from autopay_cli.outside_mongo import redacted, with_database

KEYS = Credentials(hmac_secrets="h1,h2", api_keys="a.1", monitoring_key="m")
FREE = {"edge": "127.0.0.1:0", "ingest": "127.0.0.1:0", "ledger": "127.0.0.1:0", "insight": "127.0.0.1:0"}


@pytest.mark.parametrize(
    "text", ["", "8080", "localhost", ":8080", "127.0.0.1:", "127.0.0.1:65536", "h:-1", "h:\uff18\uff10"]
)
def test_something_else_than_an_address_is_refused(text: str) -> None:
    """The sentence names the option and shows an example."""
    with pytest.raises(Failure, match=r"--edge: expected HOST:PORT"):
        addresses.claim(text, option="--edge")


def test_a_taken_address_is_named_with_the_way_out() -> None:
    """What is taken, and the option that chooses another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Failure, match=rf"{place}: it is taken.*--ledger HOST:PORT"):
            addresses.claim(place, option="--ledger")


def test_an_address_that_a_connection_holds_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    """The system gives the usual ports of gRPC to connections, too; one of them ends by itself."""
    with socket.create_server(("127.0.0.1", 0)) as peer, socket.socket() as connection:
        port = addresses.free_ports(1)[0]
        connection.bind(("127.0.0.1", port))
        connection.connect(peer.getsockname())
        # It leaves no trace of itself, and the minute that Linux would keep its port is none.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        place = f"127.0.0.1:{port}"
        ending = threading.Timer(0.3, connection.close)
        ending.start()
        assert addresses.claim(place, option="--ledger") == place
        ending.join()
    assert "waiting up to 62 s" in capsys.readouterr().err


def test_port_0_picks_free_ports() -> None:
    """Each process gets one of its own, the edge's admin port too."""
    places = plan.claim(**FREE)
    every = [places.edge, places.edge_admin, places.ingest, places.ledger, places.insight]
    assert len(set(every)) == 5
    assert not any(place.endswith(":0") for place in every)


def test_ports_are_given_out_in_turn() -> None:
    """Whoever asks next gets others, though nobody has bound the first ones yet; none is one of the system's own."""
    given = [port for _ in range(20) for port in addresses.free_ports(3)]
    assert len(set(given)) == 60
    assert all(12_000 <= port < 32_000 for port in given)


def test_two_processes_can_not_share_an_address() -> None:
    """Both options are named."""
    port = addresses.free_ports(1)[0]
    with pytest.raises(Failure, match="--ingest and --insight"):
        plan.claim(**{**FREE, "ingest": f"127.0.0.1:{port}", "insight": f"127.0.0.1:{port}"})


def test_each_process_gets_only_its_own_secrets(tmp_path: Path) -> None:
    """The ledger can't sign webhooks, the edge can't reach MongoDB."""
    outer = {
        "GEMINI_API_KEY": "g",
        "HMAC_SECRET_KEY_FILE": "/run/hmac",
        "PATH": "/bin",
        "WEBHOOK_SECRET_STRIPE": "s",
        "WEBHOOK_SECRET_ADYEN_FILE": "/run/adyen",
        "EDGE_LIMIT_STORAGE": "redis://:password@h",
    }
    children = plan.children(
        plan.claim(**FREE), KEYS, mongo_url="mongodb://h/autopay", environment=outer, logs=tmp_path
    )
    given = {child.name: child.environment or {} for child in children}
    assert {name for name in given if "HMAC_SECRET_KEY" in given[name]} == {"edge"}
    for variable in (
        "HMAC_SECRET_KEY_FILE",
        "WEBHOOK_SECRET_STRIPE",
        "WEBHOOK_SECRET_ADYEN_FILE",
        "EDGE_LIMIT_STORAGE",
    ):
        assert {name for name in given if variable in given[name]} == {"edge"}
    assert {name for name in given if "MONGO_URL" in given[name]} == {"ledger", "insight"}
    assert {name for name in given if "GEMINI_API_KEY" in given[name]} == {"insight"}
    assert all(variables["PATH"] == "/bin" for variables in given.values())
    assert given["edge"]["HMAC_SECRET_KEY"] == "h1,h2"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mongodb://h:1/autopay", "mongodb://h:1/autopay"),
        ("mongodb://user:pass@h:1,i:2/x?replicaSet=r", "mongodb://user:***@h:1,i:2/x?replicaSet=r"),
        ("mongodb://user@h/x", "mongodb://user@h/x"),
    ],
)
def test_a_password_is_never_shown(url: str, expected: str) -> None:
    """Lines for people show the rest of the connection string."""
    assert redacted(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mongodb://h:1", "mongodb://h:1/autopay"),
        ("mongodb://h:1/", "mongodb://h:1/autopay"),
        ("mongodb://h:1/?w=1", "mongodb://h:1/autopay?w=1"),
        ("mongodb://h:1/mine?w=1", "mongodb://h:1/mine?w=1"),
    ],
)
def test_a_connection_string_gets_a_database(url: str, expected: str) -> None:
    """Only where it names none."""
    assert with_database(url, "autopay") == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "off"),
        ({"GEMINI_API_KEY": "k"}, "all"),
        ({"GOOGLE_API_KEY_FILE": "/run/key"}, "all"),
        ({"GEMINI_API_KEY": ""}, "off"),
        ({"GEMINI_API_KEY": "k", "INSIGHT_EXPLAINER": "rules"}, "off"),
        ({"GEMINI_API_KEY": "k", "LEDGER_ANALYSIS_POLICY": "risky"}, "risky"),
        ({"LEDGER_ANALYSIS_POLICY": "all"}, "all"),
    ],
)
def test_payments_are_queued_where_a_model_explains_them(variables: dict[str, str], expected: str) -> None:
    """Without a key nothing is queued that nobody would take; what the caller says counts."""
    children = plan.children(
        plan.claim(**FREE), KEYS, mongo_url="mongodb://x/y", environment=variables, logs=Path("logs")
    )
    (ledger,) = [child for child in children if child.name == "ledger"]
    assert (ledger.environment or {})["LEDGER_ANALYSIS_POLICY"] == expected

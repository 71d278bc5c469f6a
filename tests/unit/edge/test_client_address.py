"""Whom a limit counts: the peer, or whom a trusted proxy heard from."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from edge.client_address import ClientAddresses
from edge.networks import networks_of

TRUSTED = "10.0.0.0/8, 192.0.2.1, 2001:db8:1::/48"


def request(peer: str, *forwarded: str) -> web.Request:
    """Return a request of a peer with these X-Forwarded-For lines."""
    headers = [("X-Forwarded-For", line) for line in forwarded]
    made = make_mocked_request("POST", "/", headers=headers)
    return made.clone(remote=peer)


CASES = [
    # Nobody in between, or nobody that is trusted: the header is anybody's to write.
    ("198.51.100.7", [], "198.51.100.7"),
    ("198.51.100.7", ["203.0.113.9"], "198.51.100.7"),
    # From the right, the first hop that is no proxy of ours; what stands left of it the client wrote itself.
    ("10.1.2.3", ["203.0.113.9"], "203.0.113.9"),
    ("10.1.2.3", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
    ("10.1.2.3", ["1.1.1.1, 203.0.113.9, 10.9.9.9"], "203.0.113.9"),
    ("10.1.2.3", ["1.1.1.1", "203.0.113.9, 192.0.2.1"], "203.0.113.9"),
    # All of them ours, or unreadable: the last one that is known.
    ("10.1.2.3", ["10.4.4.4"], "10.4.4.4"),
    ("10.1.2.3", ["203.0.113.9, nonsense"], "10.1.2.3"),
    ("10.1.2.3", [""], "10.1.2.3"),
    ("10.1.2.3", [], "10.1.2.3"),
    # Ports, brackets, mapped addresses, and one /64 for one IPv6 client.
    ("10.1.2.3", ["203.0.113.9:4711"], "203.0.113.9"),
    ("10.1.2.3", ["[2001:db8:2::7]:4711"], "2001:db8:2::/64"),
    ("2001:db8:1::1", ["2001:db8:2::9"], "2001:db8:2::/64"),
    ("2001:db8:3::1%eth0", [], "2001:db8:3::/64"),
    ("::ffff:10.1.2.3", ["203.0.113.9"], "203.0.113.9"),
    ("", ["203.0.113.9"], "unknown"),
]


@pytest.mark.parametrize(("peer", "forwarded", "client"), CASES)
def test_the_client_is_the_first_hop_from_the_right_that_is_not_trusted(
    peer: str, forwarded: list[str], client: str
) -> None:
    """A header is believed as far as trusted proxies wrote it, and never further."""
    assert ClientAddresses(networks_of(TRUSTED)).of(request(peer, *forwarded)) == client


def test_without_trusted_proxies_the_header_is_never_read() -> None:
    """By default only the connection counts."""
    assert ClientAddresses().of(request("10.1.2.3", "203.0.113.9")) == "10.1.2.3"


def test_a_long_header_is_read_from_its_end_only() -> None:
    """However many hops somebody invents, the last ones are looked at."""
    line = ", ".join(["1.1.1.1"] * 1000 + ["203.0.113.9"] + ["10.0.0.1"] * 5)
    assert ClientAddresses(networks_of(TRUSTED)).of(request("10.1.2.3", line)) == "203.0.113.9"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy", "10.0.0.0/33"])
def test_a_wrong_block_is_named(text: str) -> None:
    """What is no network is a ValueError that says so."""
    with pytest.raises(ValueError, match=text):
        networks_of(f"10.0.0.0/8,{text}")

"""Who is on the other end, for limits: the peer, or what a proxy that we trust says of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from edge.networks import Network

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_UNKNOWN: Final = "unknown"
_HOPS_MAX: Final = 32
# Whoever has one IPv6 address has the 2**64 beside it, too.
_IPV6_PREFIX: Final = 64


class ClientAddresses:
    """Finds the address a request came from."""

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        """Believe `X-Forwarded-For` of peers in these networks, and of nobody else: anybody can write that header."""
        self._trusted = tuple(trusted)

    def of(self, request: web.Request) -> str:
        """Return the address that a limit counts under; an IPv6 one stands for its /64."""
        peer = _parsed(request.remote or "")
        if peer is None:
            return _UNKNOWN
        if not self._trusted or not self._is_trusted(peer):
            return _counted(peer)
        # Each proxy appends whom it heard from: from the right, the first that is none of ours is the client.
        hops = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
        for hop in reversed(hops[-_HOPS_MAX:]):
            address = _parsed(hop.strip())
            if address is None:
                break
            peer = address
            if not self._is_trusted(address):
                break
        return _counted(peer)

    def _is_trusted(self, address: _Address) -> bool:
        return _is_among(address, self._trusted)


def is_in(text: str, networks: Sequence[Network]) -> bool:
    """Return whether an address as a socket writes it is in one of the networks."""
    address = _parsed(text)
    return address is not None and _is_among(address, networks)


def _is_among(address: _Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _parsed(text: str) -> _Address | None:
    """Return an address as proxies write it: bare, with a port, in brackets."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _counted(address: _Address) -> str:
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))

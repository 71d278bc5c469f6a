"""Networks, as a setting lists them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks_of(text: str) -> Sequence[Network]:
    """Return comma-separated addresses and CIDR blocks.

    Raises:
        ValueError: one is neither; the text names it.
    """
    networks = []
    for part in text.split(","):
        if block := part.strip():
            try:
                networks.append(ipaddress.ip_network(block))
            except ValueError:
                raise ValueError(f"{block} is no address and no CIDR block (with its host bits zero)") from None
    return tuple(networks)

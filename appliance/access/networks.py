"""From which IP addresses an account or a token may be used."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

_LOOPBACK: Final = ("127.0.0.0/8", "::1/128")


def admitted(address: str, networks: Iterable[str]) -> bool:
    """Whether an IP address is in one of the networks; without any, on this machine alone."""
    try:
        came = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(came, ipaddress.IPv6Address) and came.ipv4_mapped:
        came = came.ipv4_mapped
    return any(came in ipaddress.ip_network(n) for n in tuple(networks) or _LOOPBACK)

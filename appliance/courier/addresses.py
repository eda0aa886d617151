"""Which callback addresses are allowed. Pure; asked by the courier again just before every attempt.

Read with the parser of the HTTP client that will use the address, so that the two cannot disagree about its host.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import httpx

from appliance.limits import CALLBACK_CHARACTERS_MAX

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def _read(url: str) -> httpx.URL | None:
    if len(url) > CALLBACK_CHARACTERS_MAX or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        read = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return None
    fine = read.raw_host and not read.userinfo and not read.fragment and (read.port is None or 0 < read.port < 65_536)
    return read if fine else None


def _host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii").lower().removesuffix(".").removeprefix("[").removesuffix("]")


def callback_allowed(url: str, hosts: Collection[str], allow_loopback: bool) -> bool:
    """True for https to a host named exactly in `hosts`, and, when `allow_loopback`, for http or https to loopback.

    An address with a user name, a fragment, or more than CALLBACK_CHARACTERS_MAX characters is never allowed. The
    bank's hosts may well have private addresses: the name is what is checked, and its TLS certificate proves it.
    """
    read = _read(url)
    if read is None:
        return False
    host = _host(read)
    if host in LOOPBACK:
        return allow_loopback and read.scheme in ("http", "https")
    return read.scheme == "https" and host in {h.lower().removesuffix(".") for h in hosts}


def address_of(url: str) -> str | None:
    """`host:port`, what attempts share and take turns by; None when the address cannot be read."""
    read = _read(url)
    if read is None or read.scheme not in ("http", "https"):
        return None
    return f"{_host(read)}:{read.port or (443 if read.scheme == 'https' else 80)}"

"""Addresses to listen on, and the rule that clear text stays on loopback."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from appliance.errors import Error

LOOPBACK = ("127.0.0.1", "::1")


def behind_front(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a proxy on this machine ends TLS for the API and the console and names the caller in X-Forwarded-For (CASEMATE_FRONT=proxy)."""
    return environ.get("CASEMATE_FRONT") == "proxy"


def caller_of(peer: str, forwarded: str, fronted: bool) -> str:
    """Address of whoever called: `peer`, or the last one that our own proxy names. What the caller wrote before it counts for nothing."""
    named = forwarded.rpartition(",")[2].strip()
    return named if fronted and named and peer in LOOPBACK else peer


def address(text: str) -> tuple[str, int]:
    """`("127.0.0.1", 8080)` for "127.0.0.1:8080"; IPv6 in brackets. Raises Error `settings_invalid`."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65_535:
        raise Error("settings_invalid", f"{text!r} is not ADDRESS:PORT")
    return host, int(port)


def witness_address(url: str) -> tuple[str, int]:
    """Host and port of a witness's submission prefix. Raises Error `settings_invalid`."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme != "https" or not host or parts.query or parts.fragment or parts.username:
        raise Error(
            "settings_invalid", "a row of audit.witness_urls is not https://HOST/PREFIX", "clear text is refused"
        )
    return host, port or 443


def check_listen(text: str, certificate: str) -> tuple[str, int]:
    """Address and port, refused with `unsafe_listen` when it is reachable from outside and has no certificate."""
    host, port = address(text)
    if not certificate and host not in ("127.0.0.1", "::1", "localhost"):
        raise Error(
            "unsafe_listen",
            f"clear text on {host} is refused",
            "set tls_certificate and tls_key, or listen on 127.0.0.1",
        )
    return host, port

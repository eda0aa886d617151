"""Addresses to listen on, and the rule that clear text stays on loopback."""

from __future__ import annotations

from appliance.errors import Error


def address(text: str) -> tuple[str, int]:
    """`("127.0.0.1", 8080)` for "127.0.0.1:8080"; IPv6 in brackets. Raises Error `settings_invalid`."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65_535:
        raise Error("settings_invalid", f"{text!r} is not ADDRESS:PORT")
    return host, int(port)


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

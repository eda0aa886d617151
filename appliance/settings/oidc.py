"""The bank's sign-on (OpenID Connect): who issues, as whom the box comes there, and which of its groups has which role."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from appliance.errors import Error

from .setting import Setting

OIDC_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting(
        "oidc.issuer",
        "str",
        "",
        "the bank's sign-on (OpenID Connect): https://HOST/PATH, exactly as it calls itself; empty: nobody signs in that way",
    ),
    Setting("oidc.ca", "path", "", "PEM certificates of who signs its server's; empty: the system's authorities"),
    Setting("oidc.client_id", "str", "", "as whom the box comes there"),
    Setting("oidc.secret_file", "path", "", "file with the box's secret there, one line, readable by the courier"),
    Setting("oidc.scope", "str", "openid profile", "what the box asks for; more where groups need it"),
    Setting(
        "oidc.name", "str", "preferred_username", "claim that names a person; never one that people choose themselves"
    ),
    Setting("oidc.groups", "str", "groups", "claim with a person's groups"),
    Setting(
        "oidc.roles",
        "words",
        {},
        "role of the console -> the group whose members have it; who is in none stays outside",
    ),
)


def issuer_address(url: str) -> tuple[str, int]:
    """Host and port. Raises Error `settings_invalid`: it is https, without a query (OpenID Connect Discovery 1.0 section 3)."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
    except ValueError:
        host, port = "", 0
    if parts_wrong(url) or not host:
        raise Error("settings_invalid", f"oidc.issuer: {url!r}", "https://HOST or https://HOST/PATH")
    return host, port


def parts_wrong(url: str) -> bool:
    return not url.startswith("https://") or any(c in url for c in "?#@ \\") or not url.isprintable()

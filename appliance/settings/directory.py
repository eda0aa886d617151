"""The bank's own directory of people (LDAP, Active Directory): where it is, how somebody is found in it, which group has which role."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from appliance.errors import Error

from .listen import LOOPBACK
from .setting import Setting

PORTS: Final = {"ldaps": 636, "ldap": 389}

DIRECTORY_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting(
        "directory.urls",
        "strs",
        [],
        "servers of the bank's directory, asked in this order: ldaps://HOST or ldaps://HOST:PORT; empty: only the console's own accounts sign in",
    ),
    Setting("directory.ca", "path", "", "PEM certificates of who signs theirs; empty: the system's authorities"),
    Setting("directory.bind_dn", "str", "", "account that looks people up, as the directory names it"),
    Setting("directory.password_file", "path", "", "file with its password, one line, readable by the courier"),
    Setting("directory.base", "str", "", "below which people are looked for"),
    Setting(
        "directory.filter",
        "str",
        "(&(objectClass=person)(uid={name}))",
        "how a person is found; {name} is what was typed. Active Directory: (&(objectCategory=person)(sAMAccountName={name}))",
    ),
    Setting(
        "directory.roles",
        "words",
        {},
        "role of the console -> name (DN) of the group whose members have it; who is in none stays outside",
    ),
    Setting("directory.nested", "bool", False, "members of groups in these groups count too (Active Directory only)"),
)


def server(url: str) -> tuple[bool, str, int]:
    """Whether by TLS, host and port. Raises Error `settings_invalid`: in clear text only on loopback."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        host, port = "", 0
    if not host or not port or parts.path not in ("", "/") or parts.scheme not in PORTS or "@" in parts.netloc:
        raise Error("settings_invalid", f"directory.urls: {url!r}", "ldaps://HOST or ldaps://HOST:PORT")
    if parts.scheme == "ldap" and host not in LOOPBACK:
        raise Error("settings_invalid", f"directory.urls: {url!r} is in clear text", "ldaps://HOST")
    return parts.scheme == "ldaps", host, port

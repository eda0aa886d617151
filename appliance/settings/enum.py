"""Settings of ENUM as rows: which numbers are looked up in which tree, at which name servers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from appliance.errors import Error
from appliance.limits import ENUM_ROWS_MAX, ENUM_SERVERS_MAX

from .listen import address
from .rows import Setting

APEX: Final = re.compile(r"(?=.{1,200}\Z)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")

ENUM_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("prefix", "str", "", "digits of the numbers it is asked for, without the plus; empty: every number"),
    Setting("apex", "str", "e164.arpa", "the tree below which numbers stand, such as e164.arpa or an operator's own"),
    Setting("servers", "strs", None, 'name servers, addresses with a port: ["10.0.0.53:53", "[fd00::53]:53"]'),
    Setting("timeout_ms", "int", 400, "so long for each question to one server", 20, 10_000),
    Setting("tries", "int", 2, "questions for one number, over the servers in turn", 1, 8),
    Setting("wait_ms", "int", 300, "so long a message waits for an answer; then it goes by what is known", 0, 5_000),
)


@dataclass(frozen=True)
class Enum:
    """One row of ENUM_SETTINGS; `servers` as (address, port)."""

    prefix: str
    apex: str
    servers: tuple[tuple[str, int], ...]
    timeout_ms: int = 400
    tries: int = 2
    wait_ms: int = 300


def enums_of(rows: list[dict[str, Any]], source: str) -> tuple[Enum, ...]:
    """Rows whose types are checked, the longest prefix first. Raises Error `settings_invalid` naming row and mistake."""
    out: list[Enum] = []
    if len(rows) > ENUM_ROWS_MAX:
        raise Error("settings_invalid", f"{source}: {len(rows)} rows of enum", f"at most {ENUM_ROWS_MAX}")
    for n, row in enumerate(rows, 1):
        where = f"{source}: enum {n}"
        apex = row["apex"].rstrip(".").lower()
        if not APEX.fullmatch(apex):
            raise Error("settings_invalid", f"{where}: apex {row['apex']!r} is no domain name")
        if not re.fullmatch(r"[0-9]{0,15}", row["prefix"], re.ASCII):
            raise Error("settings_invalid", f"{where}: prefix {row['prefix']!r} is not up to 15 digits")
        if any(other.prefix == row["prefix"] for other in out):
            raise Error("settings_invalid", f"{where}: prefix {row['prefix']!r} has a row already")
        if not 0 < len(row["servers"]) <= ENUM_SERVERS_MAX:
            raise Error("settings_invalid", f"{where}: {len(row['servers'])} servers", f"1 to {ENUM_SERVERS_MAX}")
        servers = tuple(_server(text, where) for text in row["servers"])
        out.append(Enum(row["prefix"], apex, servers, row["timeout_ms"], row["tries"], row["wait_ms"]))
    return tuple(sorted(out, key=lambda enum: -len(enum.prefix)))


def _server(text: str, where: str) -> tuple[str, int]:
    """Only addresses: a name would have to be looked up at somebody's."""
    try:
        host, port = address(text)
        return str(ip_address(host.strip("[]"))), port
    except (Error, ValueError):
        raise Error(
            "settings_invalid", f"{where}: server {text!r} is not an address with a port", "such as 10.0.0.53:53"
        ) from None

"""Channels as rows: the ways by which a customer can be reached, by the names that callers use. `sms` is there without a row.

Another room that reaches customers (voice, e-mail) adds its word to KINDS; nothing else here knows which there are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from appliance.errors import Error
from appliance.limits import CHANNELS_MAX, FLOW_WAIT_S_MAX

from .rows import Setting

SMS: Final = "sms"
KINDS: Final = (SMS,)
#: What callers may write; it stands on the audit log, where nothing may look like a number.
CHANNEL_NAME: Final = r"^(?!(?:.*[0-9]){8})[a-z][a-z0-9-]{0,31}$"
WAIT_S: Final = 60
_NAME: Final = re.compile(CHANNEL_NAME)
_SENDER: Final = re.compile(r"\+?[0-9]{3,15}|[A-Za-z0-9 ._&-]{1,11}", re.ASCII)

CHANNEL_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("name", "str", None, "what callers write in `channel`, `channels` and `fallback`, such as sms-second"),
    Setting("kind", KINDS, SMS, "how it reaches customers"),
    Setting(
        "sender",
        "str",
        "",
        "its messages are given this sender, where the caller names none: a route that names it in `senders` takes them over"
        " another link, and `sender_for` may put the usual sender in its place again",
    ),
    Setting(
        "wait_s",
        "int",
        WAIT_S,
        "so long a receipt is waited for before the next channel is tried, where the caller does not say",
        1,
        FLOW_WAIT_S_MAX,
    ),
)


@dataclass(frozen=True)
class Channel:
    """One row of CHANNEL_SETTINGS."""

    name: str
    kind: str = SMS
    sender: str = ""
    wait_s: int = WAIT_S


def channels_of(rows: list[dict[str, Any]], source: str) -> dict[str, Channel]:
    """Rows whose types are checked, by name, `sms` first. Raises Error `settings_invalid` naming row and mistake."""
    if len(rows) > CHANNELS_MAX:
        raise Error("settings_invalid", f"{source}: {len(rows)} rows of channel", f"at most {CHANNELS_MAX}")
    out: dict[str, Channel] = {}
    for n, row in enumerate(rows, 1):
        where = f"{source}: channel {n}"
        if not _NAME.fullmatch(row["name"]):
            hint = "small letters, digits and dashes, a letter first, as sms-second"
            raise Error("settings_invalid", f"{where}: name {row['name']!r}", hint)
        if row["name"] in out:
            raise Error("settings_invalid", f"{where}: {row['name']!r} has a row already")
        if row["sender"] and not _SENDER.fullmatch(row["sender"]):
            hint = "a number, a short code, or up to 11 letters and digits"
            raise Error("settings_invalid", f"{where}: sender {row['sender']!r}", hint)
        out[row["name"]] = Channel(**row)
    return {SMS: out.pop(SMS, Channel(SMS))} | out

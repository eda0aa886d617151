"""Settings of webhooks for customers' messages: which recipients' go where, and whose secret signs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from appliance.errors import Error

from .route import NAME, SENDER_CHARACTERS_MAX
from .rows import Setting

CONTENTS: Final = ("whole", "notice")
URL_CHARACTERS_MAX: Final = 2_048

INBOUND_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("name", "str", None, "what people call it"),
    Setting("url", "str", None, "where each message is posted: https, on a host of webhook.hosts"),
    Setting("api_key", "int", None, "number of the API key whose webhook secret signs (`casemate apikey list`)", 1),
    Setting("recipients", "strs", [], "numbers and short codes that customers write to; empty: all that no row names"),
    Setting(
        "content",
        CONTENTS,
        "whole",
        "whole: number and text; notice: only the id, to be read at GET /v1/inbound",
    ),
)


@dataclass(frozen=True)
class InboundWebhook:
    """One row of INBOUND_SETTINGS."""

    name: str
    url: str
    api_key: int
    recipients: tuple[str, ...] = ()
    content: str = "whole"


def inbound_of(rows: list[dict[str, Any]], source: str) -> tuple[InboundWebhook, ...]:
    """Rows whose types are checked. Raises Error `settings_invalid`."""
    out: list[InboundWebhook] = []
    for n, row in enumerate(rows, 1):
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
        hook = InboundWebhook(**fields)
        where = f"{source}: inbound_webhook {n}"
        if not NAME.fullmatch(hook.name):
            raise Error("settings_invalid", f"{where}: name {hook.name!r}", "1 to 48 letters, digits and ._-")
        if hook.name in {each.name for each in out}:
            raise Error("settings_invalid", f"{where}: two rows have the same name {hook.name!r}")
        if not hook.url.startswith(("https://", "http://")) or len(hook.url) > URL_CHARACTERS_MAX:
            raise Error("settings_invalid", f"{where}: `url` is no address", "https://host/path")
        for recipient in hook.recipients:
            if not (
                0 < len(recipient) <= SENDER_CHARACTERS_MAX + 1 and recipient.isascii() and recipient.isprintable()
            ):
                raise Error("settings_invalid", f"{where}: names a recipient that none can have")
        out.append(hook)
    return tuple(out)


def webhooks_for(rows: tuple[InboundWebhook, ...], recipient: str) -> list[InboundWebhook]:
    """Those that name the recipient, with or without its plus; else those that name none."""
    plain = recipient.removeprefix("+")
    named = [row for row in rows if any(plain == each.removeprefix("+") for each in row.recipients)]
    return named or [row for row in rows if not row.recipients]

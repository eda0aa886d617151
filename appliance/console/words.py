"""How the console writes things: times, numbers, countries, and the tone in which each state is shown."""

from __future__ import annotations

from typing import Any, Final

from flask import Flask

from appliance.access import may
from appliance.clock import rfc3339
from appliance.message import CLASSES, ENCODINGS, STATUSES, id_text
from appliance.numbering import country_of

#: Status -> (tone of its badge, what it means to a reader).
STATUS_WORDS: Final[dict[str, tuple[str, str]]] = {
    "accepted": ("info", "on disk, waiting for its turn"),
    "scheduled": ("info", "waits for the time it was ordered for"),
    "queued": ("info", "waits for a link"),
    "sent": ("info", "handed to the operator, receipt not yet in"),
    "delivered": ("good", "the operator says the handset has it"),
    "undelivered": ("bad", "the operator could not deliver it"),
    "failed": ("bad", "the operator refused it"),
    "expired": ("warn", "its validity ended before it could be delivered"),
    "cancelled": ("quiet", "withdrawn before it left"),
    "rejected": ("bad", "refused by the appliance's own rules"),
    "indeterminate": ("warn", "the link was lost before the operator answered: it may have left"),
}
CLASS_WORDS: Final = {"otp": "One-time codes", "alert": "Alerts", "transaction": "Transactions", "bulk": "Bulk"}
LINK_TONES: Final = {
    "up": "good",
    "partly": "warn",
    "down": "bad",
    "drained": "quiet",
    "draining": "warn",
    "bound": "good",
}
OUTCOME_TONES: Final = {"ok": "good", "refused": "warn", "failed": "bad"}
PROCESS_TONES: Final = {"ready": "good", "starting": "warn", "waiting": "warn", "pausing": "warn", "stopping": "warn"}

assert STATUS_WORDS.keys() == set(STATUSES) and CLASS_WORDS.keys() == set(CLASSES)


def moment(at_ms: int | None, milliseconds: bool = False) -> str:
    """`2026-11-22 18:30:07` in UTC, a dash for never."""
    if not at_ms:
        return "–"
    text = rfc3339(at_ms).replace("T", " ").rstrip("Z")
    return text if milliseconds else text[:19]


def count(number: Any) -> str:
    """`1,234,567`; a dash for what is not known."""
    return f"{number:,.0f}" if isinstance(number, int | float) else "–"


def span(ms: int | None) -> str:
    """`3 d 4 h`, `5 min`, `12 s`."""
    if ms is None or ms < 0:
        return "–"
    seconds = ms // 1000
    for size, unit, smaller, name in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // smaller} {name}"
    return f"{seconds // 60} min" if seconds >= 60 else f"{seconds} s"


def country(calling_code: int) -> str:
    """`IT +39`: all that is in clear about where a message goes."""
    region = country_of(calling_code)
    return f"{region} +{calling_code}" if region else f"+{calling_code}"


def short(value: Any) -> str:
    """A long digest by its first twelve characters; everything else as it is."""
    text = str(value)
    return text if len(text) <= 32 or " " in text else f"{text[:12]}…"


def share(part: Any, whole: Any) -> int:
    """Whole per cent, 0 to 100; anything at all shows as at least 1."""
    if not part or not whole:
        return 0
    return min(100, max(1, round(100 * int(part) / int(whole))))


def install(app: Flask) -> None:
    app.jinja_env.filters |= {
        "moment": moment,
        "count": count,
        "span": span,
        "country": country,
        "id_text": id_text,
        "short": short,
    }
    app.jinja_env.globals |= {
        "STATUSES": STATUSES,
        "STATUS_WORDS": STATUS_WORDS,
        "CLASSES": CLASSES,
        "CLASS_WORDS": CLASS_WORDS,
        "ENCODINGS": ENCODINGS,
        "LINK_TONES": LINK_TONES,
        "OUTCOME_TONES": OUTCOME_TONES,
        "PROCESS_TONES": PROCESS_TONES,
        "share": share,
        "may": may,
    }

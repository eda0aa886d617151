"""How the console writes things: countries, long values, what a status means, and the tone in which each state is shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from babel.units import format_unit
from flask import Flask

from appliance.access import may
from appliance.clock import rfc3339
from appliance.message import CLASSES, ENCODINGS, STATUSES, id_text
from appliance.numbering import country_of

from .languages import N_, chosen, locale_of, say
from .saying import sentence, told
from .terms import term

#: Status -> (tone of its badge, what it means to a reader).
STATUS_WORDS: Final[dict[str, tuple[str, str]]] = {
    "accepted": ("info", N_("on disk, waiting for its turn")),
    "scheduled": ("info", N_("waits for the time it was ordered for")),
    "queued": ("info", N_("waits for a link")),
    "sent": ("info", N_("handed to the operator, receipt not yet in")),
    "delivered": ("good", N_("the operator says the handset has it")),
    "undelivered": ("bad", N_("the operator could not deliver it")),
    "failed": ("bad", N_("the operator refused it")),
    "expired": ("warn", N_("its validity ended before it could be delivered")),
    "cancelled": ("quiet", N_("withdrawn before it left")),
    "rejected": ("bad", N_("refused by the appliance's own rules")),
    "indeterminate": ("warn", N_("the link was lost before the operator answered: it may have left")),
}
CLASS_WORDS: Final = {
    "otp": N_("One-time codes"),
    "alert": N_("Alerts"),
    "transaction": N_("Transactions"),
    "bulk": N_("Bulk"),
}
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


def duration(ms: int) -> str:
    """`40 ms`, `1.2 sec`, `12 min`."""
    unit, n = (
        ("millisecond", ms)
        if ms < 1_000
        else ("second", round(ms / 1000, 1))
        if ms < 60_000
        else ("minute", ms // 60_000)
    )
    return format_unit(n, unit, "short", locale=locale_of(chosen()))


def country(calling_code: int) -> str:
    """`IT +39`: all that is in clear about where a message goes."""
    region = country_of(calling_code)
    return f"{region} +{calling_code}" if region else f"+{calling_code}"


def named(programmes: Iterable[str]) -> str:
    """Programmes in a row; the one without a name is all of them."""
    return ", ".join(name or str(say("all")) for name in programmes)


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
        "duration": duration,
        "country": country,
        "id_text": id_text,
        "short": short,
        "told": told,
        "sentence": sentence,
        "rfc3339": rfc3339,
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
        "named": named,
        "sentence": sentence,
        "term": term,
    }

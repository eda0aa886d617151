"""What happened in a span of time, in order, and the three forms of DORA with what the box knows of it filled in."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from appliance.clock import day_of, rfc3339
from appliance.errors import Error
from appliance.figures import Figures, failed
from appliance.limits import INCIDENT_CUSTOMERS_MAX, INCIDENT_HOURS_MAX
from appliance.message import CLASSES

from . import dora
from .known import Known
from .operations import CHANGES, TROUBLE, entries_table
from .sheet import Report, Table, percent
from .uptime import Outage, outages

#: What people did about it, besides what they changed.
ANSWERED: Final = [
    "link.tested",
    "link.trace_on",
    "audit.verified",
    "audit.exported",
    "hsm.sealed",
    "hsm.unsealed",
    "box.restarted",
    "support.made",
    "backup.made",
    "field.login",
    "field.breakglass",
    "firmware.inventory",
    "process.start",
]
#: Trouble that is another's: the operator at the other end of a link.
OUTSIDE: Final = frozenset({"link.down"})


class Incident(NamedTuple):
    """As the bank tells it. Times are Unix milliseconds; `until_ms` is the end of what is looked at."""

    reference: str
    from_ms: int
    until_ms: int
    detected_ms: int
    classified_ms: int


def checked(incident: Incident, now_ms: int) -> Incident:
    """Raises Error `invalid`."""
    if not incident.from_ms < incident.until_ms:
        raise Error("invalid", "the incident ends before it begins")
    if incident.until_ms - incident.from_ms > INCIDENT_HOURS_MAX * 3_600_000:
        raise Error("invalid", f"a report looks at {INCIDENT_HOURS_MAX} hours at most", "take the hours that matter")
    if incident.from_ms > now_ms or incident.detected_ms > now_ms or incident.classified_ms > now_ms:
        raise Error("invalid", "that is yet to come")
    if incident.detected_ms < incident.from_ms or incident.classified_ms < incident.detected_ms:
        raise Error("invalid", "it begins, is detected, and is classified, in this order")
    if len(incident.reference) > 32 or not incident.reference.isprintable():
        raise Error("invalid", "a reference has at most 32 printable characters")
    return incident


def report(known: Known, incident: Incident) -> Report:
    """Raises Error `store_damaged`, `peer_unavailable`, `too_large`."""
    until_ms = min(incident.until_ms, known.now_ms)
    entries = known.entries((*TROUBLE, *CHANGES, *ANSWERED), incident.from_ms, until_ms)
    lost = outages(known, [link.name for link in known.settings.links], incident.from_ms, until_ms)
    figures = known.figures.of_time(incident.from_ms, until_ms, day_of)
    customers = known.figures.customers(incident.from_ms, until_ms, day_of, INCIDENT_CUSTOMERS_MAX)
    told = filled(known, incident, entries, lost, figures, customers)
    until = dora.limits(incident.detected_ms, incident.classified_ms)
    forms = {stage: dora.form(stage, told) for stage in dora.STAGES}
    columns = ("field", "of Annex I", "value", "who fills it in")
    tables = (
        entries_table("timeline", "Timeline: what the audit log has of this time", entries),
        Table(
            "impact",
            "Messages accepted in this time",
            ("class", "messages", "delivered", "failed", "open"),
            impact_rows(figures),
        ),
        Table("due", "When each form is due at the latest (UTC)", ("form", "due"), due_rows(until)),
        *(Table(f"dora-{stage}", f"Form: {stage}", columns, rows) for stage, rows in forms.items()),
    )
    said = (
        f"{incident.reference or 'no reference'}: {_at(incident.from_ms)} to {_at(until_ms)} UTC, looked at {_at(known.now_ms)}.",
        "The forms are those of Implementing Regulation (EU) 2025/302. The box knows its own part only: the bank reads, completes and answers for them.",
    )
    machine = {
        "regulation": "Implementing Regulation (EU) 2025/302, Annex I",
        "forms": {stage: {number: value for number, _, value, _ in rows} for stage, rows in forms.items()},
    }
    more = {"dora.json": json.dumps(machine, indent=1, ensure_ascii=False).encode()}
    return Report("incident", "Incident", incident.from_ms, until_ms, said, tables, more)


def due_rows(until: dora.Limits) -> list[tuple[str, str]]:
    return [
        ("initial notification", _at(until.initial_ms)),
        ("intermediate report", _at(until.intermediate_ms)),
        ("final report", _at(until.final_ms)),
    ]


def impact_rows(figures: Figures) -> list[tuple[Any, ...]]:
    rows = []
    for n, name in enumerate(CLASSES):
        row = figures.statuses(**{"class": n})
        total, bad = sum(row.values()), failed(row)
        rows.append((name, total, row["delivered"], bad, total - row["delivered"] - bad))
    return rows


def filled(
    known: Known, incident: Incident, entries: list[dict[str, Any]], lost: dict[str, list[Outage]], figures: Figures, customers: dict[bytes, int]
) -> dict[str, str]:  # fmt: skip
    """Number of a field -> what the box knows. Pure but for the names of the bank."""
    until_ms = min(incident.until_ms, known.now_ms)
    trouble = [e["entry"] for e in entries if e["entry"]["what"] in TROUBLE and is_trouble(e["entry"])]
    statuses = figures.statuses()
    total, bad = sum(statuses.values()), failed(statuses)
    waiting = total - bad - statuses["delivered"]
    hit = sum(1 for bits in customers.values() if bits & 6)
    whole = len(customers) < INCIDENT_CUSTOMERS_MAX
    down = [o for found in lost.values() for o in found]
    over = not down or all(o.to_ms < until_ms for o in down)
    parts = sorted({e["on"] for e in trouble})
    told = {
        "1.2": known.settings["bank.name"], "1.5": known.settings["bank.name"],
        "1.3": known.settings["bank.lei"], "1.6": known.settings["bank.lei"],
        "2.1": incident.reference,
        "2.2": _at(incident.detected_ms), "2.3": _at(incident.classified_ms),
        "2.4": described(trouble, total, bad, waiting, down),
        "2.7": f"the appliance recorded {trouble[0]['what']} of {trouble[0]['on']} at {trouble[0]['at']}" if trouble else "",
        "2.8": third_party(trouble),
        "3.2": trouble[0]["at"][:19].replace("T", " ") if trouble else _at(incident.from_ms),
        "3.3": _at(max((o.to_ms for o in down), default=until_ms)) if over else "",
        "3.4": (f"{hit}" if whole else f"at least {hit}") + " customers whose messages of this time failed or are open",
        "3.5": percent(hit, len(customers)) + " of the customers written to in this time" if customers else "",
        "3.9": f"{bad + waiting} messages: {bad} failed, {waiting} open",
        "3.10": percent(bad + waiting, total) + " of the messages accepted in this time" if total else "",
        "3.12": "actual figures of the appliance" if total else "no message was accepted in this time",
        "3.15": span_text(until_ms - incident.from_ms),
        "3.16": span_text(no_link_ms(lost)),
        "3.17": "actual, by the appliance's clock and its audit log",
        "3.28": "; ".join(parts),
        "3.29": "; ".join(f"{o.link}: {_at(o.from_ms)} to {_at(o.to_ms)} {o.why}".strip() for o in down),
        "3.33": "yes" if any(e["entry"]["what"] in CHANGES for e in entries) else "",
        "3.34": "; ".join(f"{e['entry']['at'][:19]} {e['entry']['what']} {e['entry']['on']} by {e['entry']['who']}" for e in entries if e["entry"]["what"] in CHANGES),
        "4.7": "",
        "4.8": _at(max(o.to_ms for o in down)) if down and over else "",
    }  # fmt: skip
    return {number: value for number, value in told.items() if value}


#: Of TROUBLE, what says that it is over, or that the box looked.
BACK: Final = frozenset({"link.up", "hsm.back", "hsm.returned", "siem.connected"})


def is_trouble(entry: dict[str, Any]) -> bool:
    return entry["what"] not in BACK


def third_party(trouble: list[dict[str, Any]]) -> str:
    if not trouble:
        return ""
    outside = [e for e in trouble if e["what"] in OUTSIDE]
    if not outside:
        return "no sign of it in the audit log"
    names = ", ".join(sorted({e["on"] for e in outside}))
    return f"links to operators were lost ({names}): whether at the operator's end or the bank's is for the bank to say"


def described(trouble: list[dict[str, Any]], total: int, bad: int, waiting: int, down: list[Outage]) -> str:
    """A few sentences to begin with."""
    counts: dict[str, int] = {}
    for each in trouble:
        counts[each["what"]] = counts.get(each["what"], 0) + 1
    what = ", ".join(f"{name} ({n})" for name, n in sorted(counts.items())) or "nothing out of order was recorded"
    links = f" {len(down)} time(s) an operator link was down." if down else ""
    return (
        f"Messages to customers: of {total} accepted in this time {bad} failed and {waiting} are open."
        f"{links} The audit log has: {what}."
    )


def no_link_ms(lost: dict[str, list[Outage]]) -> int:
    """How long no link at all was up: then nothing could leave."""
    if not lost or any(not found for found in lost.values()):
        return 0
    edges = sorted((at, step) for found in lost.values() for o in found for at, step in ((o.from_ms, 1), (o.to_ms, -1)))
    down, since, total = 0, 0, 0
    for at, step in edges:
        if down == len(lost):
            total += at - since
        down += step
        since = at
    return total


def span_text(ms: int) -> str:
    """Days, hours and minutes, as field 3.15 has them."""
    minutes = ms // 60_000
    return f"{minutes // 1440} days {minutes // 60 % 24} hours {minutes % 60} minutes"


def _at(at_ms: int) -> str:
    return rfc3339(at_ms)[:19].replace("T", " ")

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
from .sheet import Report, Table
from .uptime import Outage, ms_of, outages

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
    "hardware.applied",
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
    columns = ("field", "of Annex I", "value", "asked for", "who fills it in")
    tables = (
        entries_table("timeline", "Timeline: what the audit log has of this time", entries),
        Table(
            "impact",
            "Messages accepted in this time",
            ("class", "messages", "delivered", "failed", "open"),
            impact_rows(figures),
        ),
        Table("due", "When each form is due at the latest (UTC)", ("form", "due", "counted from"), due_rows(until)),
        *(Table(f"dora-{stage}", f"Form: {stage}", columns, rows) for stage, rows in forms.items()),
        Table("dora-answers", "Answers to choose from", ("field", "of these", "answer"), dora.answers()),
    )
    said = (
        f"{incident.reference or 'no reference'}: {_at(incident.from_ms)} to {_at(until_ms)} UTC, looked at {_at(known.now_ms)}.",
        "The forms are those of Implementing Regulation (EU) 2025/302. The box knows its own part only: the bank reads, completes and answers for them.",
        "It counts messages; the transactions that the forms ask for are those with a monetary amount, which it does not know.",
    )
    machine = {
        "regulation": "Implementing Regulation (EU) 2025/302, Annex I",
        "forms": {stage: {number: value for number, _, value, *_ in rows} for stage, rows in forms.items()},
    }
    more = {"dora.json": json.dumps(machine, indent=1, ensure_ascii=False).encode()}
    return Report("incident", "Incident", incident.from_ms, until_ms, said, tables, more)


def due_rows(until: dora.Limits) -> list[tuple[str, str, str]]:
    return [
        ("initial notification", _at(until.initial_ms), "4 hours from the classification, 24 from the detection where it was classified within these"),
        ("intermediate report", _at(until.intermediate_ms), "72 hours from handing in the initial notification; again when all is recovered"),
        ("final report", _at(until.final_ms), "a month from handing in the newest intermediate report; by noon of the next working day where that is none"),
    ]  # fmt: skip


def impact_rows(figures: Figures) -> list[tuple[Any, ...]]:
    rows = []
    for n, name in enumerate(CLASSES):
        row = figures.statuses(**{"class": n})
        total, bad = sum(row.values()), failed(row)
        rows.append((name, total, row["delivered"], bad, total - row["delivered"] - bad))
    return rows


def filled(
    known: Known, incident: Incident, entries: list[dict[str, Any]], lost: dict[str, list[Outage]], figures: Figures, customers: dict[bytes, int]
) -> dict[str, dora.Told]:  # fmt: skip
    """Number of a field -> what the box knows. Pure but for the names of the bank."""
    until_ms = min(incident.until_ms, known.now_ms)
    trouble = [e["entry"] for e in entries if e["entry"]["what"] in TROUBLE and is_trouble(e["entry"])]
    statuses = figures.statuses()
    total, bad = sum(statuses.values()), failed(statuses)
    waiting = total - bad - statuses["delivered"]
    down = [o for found in lost.values() for o in found]
    changes = [e["entry"] for e in entries if e["entry"]["what"] in CHANGES]
    told = {
        "1.2": dora.Told(known.settings["bank.name"]), "1.5": dora.Told(known.settings["bank.name"]),
        "1.3": dora.Told(known.settings["bank.lei"]), "1.6": dora.Told(known.settings["bank.lei"]),
        "2.1": dora.Told(incident.reference),
        "2.2": dora.Told(dora.time_text(incident.detected_ms)), "2.3": dora.Told(dora.time_text(incident.classified_ms)),
        "2.4": dora.Told(described(trouble, total, bad, waiting, down)),
        "2.7": discovered(trouble, incident.detected_ms),
        "2.8": dora.Told(third_party(trouble)),
        "3.9": dora.Told(note=f"the box knows: of {total} messages {bad} failed, {waiting} are open"),
        "3.28": dora.Told("Yes" if trouble else ""),
        "3.29": dora.Told("; ".join([*sorted({e["on"] for e in trouble}), *(f"{o.link} down {_at(o.from_ms)} to {_at(o.to_ms)} {o.why}".strip() for o in down)])),
        "3.33": dora.Told("Yes" if changes else "", "what people changed in this time" if changes else ""),
        "3.34": dora.Told("; ".join(f"{e['at'][:19]} {e['what']} {e['on']} by {e['who']}" for e in changes)),
    }  # fmt: skip
    return {**told, **hit_clients(customers), **lasted(incident, until_ms, trouble, lost)}


def discovered(trouble: list[dict[str, Any]], detected_ms: int) -> dora.Told:
    """Whether the box had it on record when the bank detected it."""
    if not trouble:
        return dora.Told()
    first = trouble[0]
    seen = f"the box recorded {first['what']} of {first['on']} at {first['at'][:19]}"
    return dora.Told("monitoring systems" if first["at"][:19] <= rfc3339(detected_ms)[:19] else "", seen)


def hit_clients(customers: dict[bytes, int]) -> dict[str, dora.Told]:
    """Fields 3.4, 3.5 and 3.12 of the customers written to: `customers` by blind index, bits 2 and 4 for a message that failed or is open."""
    if not customers:
        return {}
    hit, whole = sum(1 for bits in customers.values() if bits & 6), len(customers) < INCIDENT_CUSTOMERS_MAX
    share = dora.percentage(hit, len(customers))
    how = "actual figures for" if whole else "estimates for"
    return {
        "3.4": dora.Told(f"{hit}", ("" if whole else "at least: ") + "customers whose messages of this time failed or are open"),
        "3.5": dora.Told(share, "of the customers written to in this time; asked for: of all who use the service"),
        "3.12": dora.Told(f"{how} clients affected" if hit else "no impact on clients", "counterparts and transactions are the bank's"),
    }  # fmt: skip


def lasted(
    incident: Incident, until_ms: int, trouble: list[dict[str, Any]], lost: dict[str, list[Outage]]
) -> dict[str, dora.Told]:
    """Fields of when it was and how long: from the first trouble on record, else from what the bank said, until the end of what is looked at."""
    down = [o for found in lost.values() for o in found]
    over, unable_ms = all(o.to_ms < until_ms for o in down), no_link_ms(lost)
    occurred_ms = ms_of(trouble[0]["at"]) if trouble else incident.from_ms
    back = f"the last link was up again at {_at(max(o.to_ms for o in down))}" if down and over else ""
    return {
        "3.2": dora.Told(dora.time_text(occurred_ms)),
        "3.3": dora.Told(dora.time_text(max(o.to_ms for o in down)) if down and over else "", "" if over else "a link is still down"),
        "3.15": dora.Told(dora.duration(until_ms - occurred_ms), "until the end of the time looked at"),
        "3.16": dora.Told(dora.duration(unable_ms) if unable_ms else "", "without any link to an operator" if unable_ms else "at every time a link was up"),
        "3.17": dora.Told("Actual figures", "by the box's clock and its audit log"),
        "4.8": dora.Told(note=back),
    }  # fmt: skip


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


def _at(at_ms: int) -> str:
    return rfc3339(at_ms)[:19].replace("T", " ")

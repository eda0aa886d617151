"""The reports that operations write: of a day, of a month by operator, and against what was promised. Each a function of what is known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from appliance.clock import DAY_MS, day_name, day_of, rfc3339
from appliance.evidence import EvidenceBook
from appliance.figures import Figures, percentile, within
from appliance.message import CLASSES, STATUSES

from .known import Known, country, link_name
from .sheet import Report, Table, percent, seconds
from .uptime import outages

#: What went wrong or was changed, of the events of the audit log.
TROUBLE: Final = [
    "link.up",
    "link.down",
    "process.died",
    "hsm.lost",
    "hsm.back",
    "hsm.failed_over",
    "hsm.returned",
    "hsm.out_of_step",
    "audit.stalled",
    "audit.unsigned",
    "audit.gap",
    "partition.quarantined",
    "routes.damaged",
    "register.alarm",
    "network.tried",
    "siem.lost",
    "siem.connected",
    "clock.doubted",
    "messages.indeterminate",
]
CHANGES: Final = [
    "settings.changed",
    "settings.approved",
    "settings.applied",
    "routes.activated",
    "template.saved",
    "template.removed",
    "numbers.imported",
    "numbers.back",
    "link.drained",
    "link.resumed",
    "sender.confirmed",
    "sender.expired",
    "token.created",
    "token.revoked",
    "apikey.created",
    "apikey.revoked",
    "door.account_created",
    "door.account_changed",
    "door.account_revoked",
    "console.user_created",
    "console.user_changed",
    "console.user_removed",
    "workflow.decided",
    "firmware.installed",
    "firmware.rolled_back",
    "network.changed",
    "approval.emergency",
    "console.glass_opened",
]
ENTRY_COLUMNS: Final = ("entry", "at", "event", "who", "on", "outcome", "detail")
OUTCOMES: Final = ("messages", "delivered", "delivered %", "failed", "open")
STEP_COLUMNS: Final = ("50 % within", "95 %", "99 %")


def daily(known: Known, day: int) -> Report:
    """Raises Error `store_damaged`, `peer_unavailable`."""
    figures, before = known.figures.day(day), known.figures.day(day - 1)
    from_ms, to_ms = day * DAY_MS, (day + 1) * DAY_MS
    tables = (
        Table("summary", "The day", ("figure", "this day", "day before"), _summary(figures, before)),
        Table("classes", "By class", ("class", *OUTCOMES), _rows(figures, "class")),
        Table("links", "By operator link", ("link", *OUTCOMES, "segments", "taken"), _link_rows(figures)),
        Table("callers", "By API key", ("caller", *OUTCOMES), _rows(figures, "caller", known)),
        Table("hours", "By hour (UTC)", ("hour", *OUTCOMES), _hours(figures, day)),
        _latencies(figures),
        Table(
            "refusals",
            "Refused by the rules",
            ("code", "rule", "messages"),
            _refusals(known, from_ms, to_ms),
            "none was refused",
        ),
        entries_table("trouble", "What went wrong, and came back", known.entries(TROUBLE, from_ms, to_ms)),
        entries_table("changes", "What people changed", known.entries(CHANGES, from_ms, to_ms)),
        entries_table("review", "Reviews of the audit log", known.entries(REVIEWS, from_ms, to_ms)),
    )
    return Report("daily", f"Operations of {day_name(day)}", from_ms, to_ms, _said(known, figures), tables)


REVIEWS: Final = ("audit.review", "audit.reviewed")


def monthly(known: Known, year: int, month: int) -> Report:
    """Delivery by operator, for its invoice and for its review. Raises Error `store_damaged`."""
    first, last = _month(year, month)
    days = known.figures.days(first, last)
    whole = Figures()
    for each in days.values():
        whole.add(each)
    by_day = [
        (day_name(day), link_name(link), *_outcomes(row), row["segments"], row["answered"])
        for day, figures in days.items()
        for (link,), row in figures.by("link").items()
    ]
    by_country = [
        (link_name(link), country(code), *_outcomes(row), row["segments"], row["answered"])
        for (link, code), row in whole.by("link", "country").items()
    ]
    by_class = [
        (link_name(link), CLASSES[int(str(class_))], *_outcomes(row), row["segments"], row["answered"])
        for (link, class_), row in whole.by("link", "class").items()
    ]
    more = ("segments", "taken")
    tables = (
        Table("operators", "By operator link", ("link", *OUTCOMES, *more), _link_rows(whole)),
        _link_latencies(whole),
        Table("countries", "By operator link and country", ("link", "country", *OUTCOMES, *more), by_country),
        Table("classes", "By operator link and class", ("link", "class", *OUTCOMES, *more), by_class),
        Table("days", "By day", ("day", "link", *OUTCOMES, *more), by_day),
    )
    title = f"Delivery by operator, {year}-{month:02d}"
    return Report("monthly", title, first * DAY_MS, (last + 1) * DAY_MS, _said(known, whole), tables)


def sla(known: Known, first: int, last: int) -> Report:
    """What was promised (settings `sla`), and what became of it. Raises Error `store_damaged`, `peer_unavailable`."""
    whole = Figures()
    for each in known.figures.days(first, last).values():
        whole.add(each)
    from_ms, to_ms = first * DAY_MS, min((last + 1) * DAY_MS, known.now_ms)
    lost = outages(known, [link.name for link in known.settings.links], from_ms, to_ms)
    tables = (
        Table(
            "taken",
            "Taken by an operator in time",
            ("class", "promised within", "share promised", "taken", "of them in time", "share", "kept"),
            _taken(known, whole),
        ),
        Table(
            "delivered",
            "Delivered, of those that ended",
            ("class", "share promised", "ended", "delivered", "share", "kept"),
            _delivered(known, whole),
        ),
        Table(
            "links",
            "Operator links",
            ("link", "share promised", "up for", "down for", "times down", "share", "kept"),
            _up(known, lost, from_ms, to_ms),
        ),
        Table(
            "outages",
            "Times without a link",
            ("link", "from", "to", "seconds", "why"),
            [
                (o.link, _at(o.from_ms), _at(o.to_ms), (o.to_ms - o.from_ms) // 1000, o.why)
                for found in lost.values()
                for o in found
            ],
        ),
        _latencies(whole),
    )
    title = f"Service levels from {day_name(first)} to {day_name(last)}"
    return Report("sla", title, from_ms, (last + 1) * DAY_MS, _said(known, whole), tables)


# --- rows ---------------------------------------------------------------------------------------------------


def _said(known: Known, figures: Figures) -> tuple[str, ...]:
    counted = f"Messages counted at {_at(figures.through_ms)} UTC" if figures.through_ms else "No message in this time"
    bank = [f"{known.settings['bank.name']}."] if known.settings["bank.name"] else []
    return (*bank, f"{counted}; a receipt that comes later changes what is open.")


def _at(at_ms: int) -> str:
    return rfc3339(at_ms)[:19].replace("T", " ")


def _outcomes(row: dict[str, int]) -> tuple[Any, ...]:
    ended = sum(row[name] for name in ENDED)
    delivered = row["delivered"]
    return row["messages"], delivered, percent(delivered, ended), ended - delivered, row["messages"] - ended


ENDED: Final = ("delivered", "undelivered", "failed", "expired", "cancelled", "rejected")


def _summary(figures: Figures, before: Figures) -> list[tuple[Any, ...]]:
    now, then = figures.statuses(), before.statuses()
    rows: list[tuple[Any, ...]] = [("messages accepted", sum(now.values()), sum(then.values()))]
    rows += [(f"now {name}", now[name], then[name]) for name in STATUSES if now[name] or then[name]]
    for words, which in (("segments written to links", "segments"), ("segments taken by operators", "answered")):
        rows.append((words, *(sum(getattr(each.counted, which).values()) for each in (figures, before))))
    return rows


def _rows(figures: Figures, by: str, known: Known | None = None) -> list[tuple[Any, ...]]:
    def name(value: object) -> str:
        return known.caller(value) if known else CLASSES[int(str(value))]

    return [(name(value), *_outcomes(row)) for (value,), row in figures.by(by).items()]


def _link_rows(figures: Figures) -> list[tuple[Any, ...]]:
    rows = figures.by("link").items()
    return [(link_name(link), *_outcomes(row), row["segments"], row["answered"]) for (link,), row in rows]


def _hours(figures: Figures, day: int) -> list[tuple[Any, ...]]:
    rows = []
    for row in figures.hours(day * 24, (day + 1) * 24):
        share = percent(row["delivered"], row["delivered"] + row["failed"])
        rows.append(
            (f"{row['hour'] % 24:02d}:00", row["messages"], row["delivered"], share, row["failed"], row["open"])
        )
    return rows


def _steps(found: Any) -> tuple[str, ...]:
    return tuple(seconds(percentile(found, of)) for of in (50, 95, 99))


def _latencies(figures: Figures) -> Table:
    rows = [
        (name, *_steps(figures.durations("sent_ms", n)), *_steps(figures.durations("delivered_ms", n)))
        for n, name in enumerate(CLASSES)
    ]
    columns = ("class", *(f"taken: {c}" for c in STEP_COLUMNS), *(f"delivered: {c}" for c in STEP_COLUMNS))
    return Table("times", "Time from acceptance to the operator's answer and to the receipt", columns, rows)


def _link_latencies(figures: Figures) -> Table:
    links = sorted({key[1] for key in figures.counted.sent_ms})
    rows = [
        (
            link,
            *_steps(figures.durations("sent_ms", None, link)),
            *_steps(figures.durations("delivered_ms", None, link)),
        )
        for link in links
    ]
    columns = ("link", *(f"taken: {c}" for c in STEP_COLUMNS), *(f"delivered: {c}" for c in STEP_COLUMNS))
    return Table("times", "Time from acceptance to the operator's answer and to the receipt", columns, rows)


def _refusals(known: Known, from_ms: int, to_ms: int) -> list[tuple[Any, ...]]:
    book = EvidenceBook(known.settings)
    try:
        found: dict[tuple[str, str], int] = {}
        for each in book.refusals(from_ms, to_ms):
            found[each.code, each.rule] = found.get((each.code, each.rule), 0) + each.times
    finally:
        book.close()
    return [(code, rule or "-", n) for (code, rule), n in sorted(found.items(), key=lambda each: -each[1])]


def entries_table(name: str, heading: str, entries: list[dict[str, Any]]) -> Table:
    """Entries of the audit log, a row each."""
    rows = []
    for each in entries:
        entry = each["entry"]
        told = ", ".join(f"{k} {v}" for k, v in sorted(entry["detail"].items()))
        at = entry["at"][:19].replace("T", " ")
        rows.append((str(each["index"]), at, entry["what"], entry["who"], entry["on"], entry["outcome"], told))
    return Table(name, heading, ENTRY_COLUMNS, rows)


# --- what was promised --------------------------------------------------------------------------------------


def promised_ms(settings: Any, class_: str) -> int:
    """Within how many milliseconds an operator takes a message of a class."""
    s = settings
    return {
        "otp": s["sla.otp_s"] * 1000, "alert": s["sla.alert_s"] * 1000, "transaction": s["sla.transaction_s"] * 1000,
        "bulk": s["sla.bulk_minutes"] * 60_000,
    }[class_]  # fmt: skip


def _taken(known: Known, whole: Figures) -> list[tuple[Any, ...]]:
    share, rows = known.settings["sla.taken_percent"], []
    for n, name in enumerate(CLASSES):
        found, most = whole.durations("sent_ms", n), promised_ms(known.settings, name)
        total, good = sum(found.values()), within(found, most)
        rows.append(
            (name, f"{most // 1000} s", f"{share} %", total, good, percent(good, total), kept(good, total, share))
        )
    return rows


def _delivered(known: Known, whole: Figures) -> list[tuple[Any, ...]]:
    share, rows = known.settings["sla.delivered_percent"], []
    for n, name in enumerate(CLASSES):
        found = whole.statuses(**{"class": n})
        ended, good = sum(found[each] for each in ENDED), found["delivered"]
        rows.append((name, f"{share} %", ended, good, percent(good, ended), kept(good, ended, share)))
    return rows


def _up(known: Known, lost: dict[str, Any], from_ms: int, to_ms: int) -> list[tuple[Any, ...]]:
    share, rows, whole = known.settings["sla.link_percent"], [], max(0, to_ms - from_ms) // 1000
    for link, found in lost.items():
        down = sum(o.to_ms - o.from_ms for o in found) // 1000
        up = whole - down
        rows.append(
            (link, f"{share} %", f"{up:,} s", f"{down:,} s", len(found), percent(up, whole), kept(up, whole, share))
        )
    return rows


def kept(part: int, whole: int, share: int) -> str:
    """Whether a promise of so many per cent was kept."""
    return "-" if not whole else "yes" if part * 100 >= whole * share else "NO"


def _month(year: int, month: int) -> tuple[int, int]:
    """First and last day."""
    first = datetime(year, month, 1, tzinfo=UTC)
    after = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return day_of(int(first.timestamp() * 1000)), day_of(int(after.timestamp() * 1000)) - 1

"""What people take away from the log other than the log: reports, reviews and entries, as CSV and on paper.

`call` asks the auditor: for commands as well as for the console.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from appliance.limits import AUDIT_PAGE_ENTRIES_MAX, PAPER_ROWS_MAX

from . import reports, review
from .paper import Section, pdf

Call = Callable[[str, dict[str, Any]], Any]


def report(call: Call, name: str, since: str, until: str) -> list[tuple[str, ...]]:
    """Lines of a report under `reports.COLUMNS`."""
    return list(reports.rows(name, lambda what: found(call, {"what": what, "since": since, "until": until})))


def report_csv(call: Call, name: str, since: str, until: str) -> bytes:
    return reports.as_csv(reports.COLUMNS, report(call, name, since, until)).encode()


def report_pdf(call: Call, name: str, since: str, until: str, lines: list[tuple[str, ...]] | None = None) -> bytes:
    """Raises Error `too_large`."""
    lines = report(call, name, since, until) if lines is None else lines
    said = [f"From {since} to {until} (UTC).", covered(call)]
    return pdf(reports.REPORTS[name][0], said, reports.sections(lines))


def entries_pdf(call: Call, size: int, sought: dict[str, str]) -> bytes:
    """The entries `sought` of the first `size`, oldest first. Raises Error `too_large`."""
    entries = found(call, {**sought, "before": size}, PAPER_ROWS_MAX + 1)
    rows = [reports.entry_line(each["index"], each["entry"]) for each in entries]
    words = ", ".join(f"{name} {value}" for name, value in sought.items()) or "all of them"
    return pdf("Audit log", [covered(call)], [Section(f"Entries: {words}", reports.ENTRY_COLUMNS, rows, "none")])


def review_pdf(call: Call, reviewed: dict[str, Any]) -> bytes:
    """What a review found, with the marks of those who reviewed."""
    sections = review.sections(reviewed["findings"], marks(call))
    return pdf("Review of the audit log", [title_of(reviewed), covered(call)], sections)


def marks(call: Call) -> list[dict[str, Any]]:
    """The last entries in which somebody says that the log was reviewed, oldest first."""
    return found(call, {"what": "audit.reviewed"}, AUDIT_PAGE_ENTRIES_MAX)


def title_of(reviewed: dict[str, Any]) -> str:
    return f"entries {reviewed['low']} to {reviewed['high']}: {len(reviewed['findings'])} findings"


def found(call: Call, sought: dict[str, Any], most: int | None = None) -> list[dict[str, Any]]:
    """Entries, oldest first; no more than about `most` of the newest."""
    out: list[dict[str, Any]] = []
    asked = {**sought, "limit": AUDIT_PAGE_ENTRIES_MAX}
    while (most is None or len(out) < most) and (page := call("entries", asked)["entries"]):
        out += page
        asked["before"] = page[-1]["index"]
    return out[::-1]


def covered(call: Call) -> str:
    """By what the entries on a page can be proven."""
    made = call("checkpoint", {})
    origin, root = made["checkpoint"].split("\n", 1)[0], base64.b64encode(made["root"]).decode()
    return f"Log {origin}, checkpoint of {made['size']} entries, root {root}. What proves an entry is an export of the log."

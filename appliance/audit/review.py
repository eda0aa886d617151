"""The daily review of the log (PCI DSS 4 requirement 10.4.1.1): what a person ought to look at. Pure: entries in, findings out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from appliance.settings import Hours

from .paper import Section

#: Rule -> what it finds.
RULES: Final[dict[str, str]] = {
    "off_hours": "somebody signed in to the console outside review.hours",
    "failures": "one person, program or address was refused review.failures_max times or more",
    "searches": "one person or program looked up numbers or revealed messages review.searches_max times or more",
    "administrators": "an administrator was created, a user changed, or the break-glass account opened",
    "credentials": "an API key or an account of the door was created, a secret shown, or a second factor removed",
    "key_acts": "keys or roots were destroyed, rotated or declared compromised, or two people were asked to decide, or one did it alone",
    "holds": "a legal hold was put on or lifted",
    "gaps": "entries may be missing: numbers were skipped, the store was not writable, the SIEM was lost, a check failed",
    "unsigned": "entries stood unsigned for a while",
    "settings": "the settings file was changed, or would weaken the log",
}

REFUSALS: Final = frozenset({"console.login", "apikey.refused", "token.refused", "door.refused"})
SEARCHES: Final = frozenset(
    {
        *("message.viewed", "message.searched_by_number", "message.searched_by_reference"),
        *("number.looked_up", "consent.looked_up"),
    }
)
#: Events of which each is a finding -> rule.
EACH: Final[dict[str, str]] = {
    "console.user_changed": "administrators",
    "console.glass_opened": "administrators",
    "console.glass_sealed": "credentials",
    "console.factor_removed": "credentials",
    "token.created": "credentials",
    "apikey.created": "credentials",
    "apikey.secret_shown": "credentials",
    "door.account_created": "credentials",
    "door.account_password": "credentials",
    "key.destroyed": "key_acts",
    "root.changed": "key_acts",
    "approval.asked": "key_acts",
    "approval.decided": "key_acts",
    "approval.used": "key_acts",
    "approval.emergency": "key_acts",
    "key.hold_set": "holds",
    "key.hold_lifted": "holds",
    "audit.gap": "gaps",
    "audit.stalled": "gaps",
    "siem.lost": "gaps",
    "audit.unsigned": "unsigned",
    "settings.changed": "settings",
    "settings.applied": "settings",
    "audit.weakened": "settings",
}
_ORDINARY: Final = b'"what":"batch.committed"'  # nearly all of a busy day, and nothing to any rule


class Finding(NamedTuple):
    """`times` entries (attempts, for refusals) of one rule; `first` is the number of the first of them, `who` did it."""

    rule: str
    first: int
    who: str
    times: int


class Bounds(NamedTuple):
    """The working hours, and from which number on refusals and searches of one actor are a finding."""

    hours: Hours
    failures: int
    searches: int


def review(entries: Iterable[tuple[int, bytes]], bounds: Bounds) -> list[Finding]:
    """What the rules find in entries of consecutive places, canonical JSON each; in the order of RULES, then of the log."""
    found: dict[tuple[str, str], list[int]] = {}
    for index, text in entries:
        if _ORDINARY in text:
            continue
        entry = msgspec.json.decode(text)
        for rule, count in _rules(entry, bounds.hours):
            whose = found.setdefault((rule, entry["who"]), [index, 0])
            whose[1] += count
    least: dict[str, int] = defaultdict(lambda: 1, failures=bounds.failures, searches=bounds.searches)
    findings = [Finding(rule, at, who, count) for (rule, who), (at, count) in found.items() if count >= least[rule]]
    order = list(RULES)
    return sorted(findings, key=lambda f: (order.index(f.rule), f.first))


def _rules(entry: dict[str, Any], hours: Hours) -> Iterable[tuple[str, int]]:
    what, detail = entry["what"], entry["detail"]
    well = entry["outcome"] == "ok"
    if what == "console.login" and well and not hours.open(ms_of(entry["at"])):
        yield "off_hours", 1
    if (what in REFUSALS and not well) or (what in ("apikey.refused", "door.refused") and well):
        yield "failures", int(detail.get("attempts", 1))
    if what in SEARCHES:
        yield "searches", 1
    if what == "console.user_created" and detail.get("role") == "administrator":
        yield "administrators", 1
    if what in EACH:
        yield EACH[what], 1
    if what == "key.state_changed" and detail.get("state") in ("compromised", "destroyed"):
        yield "key_acts", 1
    if what == "audit.verified" and not well:
        yield "gaps", 1


def counted(findings: Iterable[Finding]) -> dict[str, int]:
    """For the entry of the review: how many findings each rule had; rules without one are left out."""
    out: dict[str, int] = {}
    for finding in findings:
        out[finding.rule] = out.get(finding.rule, 0) + 1
    return out


def sections(findings: Iterable[dict[str, Any]], marks: Iterable[dict[str, Any]]) -> list[Section]:
    """For paper: what the rules found, and who said when that the log was reviewed, newest first."""
    found = [(f["rule"], RULES[f["rule"]], str(f["first"]), str(f["times"]), f["who"]) for f in findings]
    said = [(m["entry"]["at"], str(m["entry"]["detail"]["upto_index"]), m["entry"]["who"]) for m in marks]
    return [
        Section("Findings", ("rule", "finds", "first", "times", "who"), found, "the rules found nothing"),
        Section("Reviewed by", ("at", "upto", "who"), said[::-1], "nobody has marked the log as reviewed"),
    ]


def ms_of(at: str) -> int:
    return int(datetime.fromisoformat(at).timestamp() * 1000)

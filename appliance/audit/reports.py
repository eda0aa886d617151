"""Reports that assessors ask for: which events answer which row of a rule, and the entries of a time as CSV. Pure.

The rows are our reading of the texts; an assessor has the last word. `!` after an event: only what was refused or failed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from .paper import Section

_USERS: Final = (
    "console.user_created console.user_changed console.user_removed console.factor_added console.factor_removed console.session_ended "
    "console.glass_sealed console.glass_opened"
)
_TWO_PEOPLE: Final = "approval.asked approval.decided approval.used approval.emergency approval.reviewed"
_KEYS: Final = "apikey.created apikey.revoked apikey.secret_shown token.created token.revoked"
_ACCOUNTS: Final = "door.account_created door.account_changed door.account_password door.account_revoked"
_CRYPTO: Final = f"key.destroyed key.hold_set key.hold_lifted root.changed {_TWO_PEOPLE}"
_CONFIGURATION: Final = "settings.changed settings.approved settings.applied routes.activated numbers.imported numbers.back template.saved template.removed"
_LINKS: Final = "link.drained link.resumed link.tested link.trace_on"
_PERSONAL: Final = (
    "message.viewed message.searched_by_number message.searched_by_reference number.looked_up consent.looked_up"
    " consent.exported evidence.exported"
)
_FAILURES: Final = (
    "audit.gap audit.stalled audit.unsigned siem.lost hsm.lost hsm.failed_over hsm.out_of_step process.died"
)
_OF_THE_LOG: Final = (
    "audit.weakened audit.pruned audit.exported audit.verified audit.reported audit.reviewed audit.cosigned"
)
_DECISIONS: Final = "message.decided message.cancelled message.redacted consent.reviewed"


class Row(NamedTuple):
    """One requirement, in a few words, and the events that answer it."""

    requirement: str
    words: str
    events: str


#: Name of a report -> its title and rows.
REPORTS: Final[dict[str, tuple[str, tuple[Row, ...]]]] = {
    "pci-dss": (
        "PCI DSS 4.0.1 requirement 10",
        (
            Row("10.2.1.1", "access of individuals to personal contents", _PERSONAL),
            Row(
                "10.2.1.2",
                "acts with administrative access",
                f"{_USERS} {_KEYS} {_ACCOUNTS} {_CRYPTO} {_CONFIGURATION} {_LINKS} {_DECISIONS}",
            ),
            Row("10.2.1.3", "access to audit logs", _OF_THE_LOG),
            Row("10.2.1.4", "invalid logical access attempts", "console.login! apikey.refused door.refused"),
            Row("10.2.1.5", "changes to credentials", f"{_USERS} {_KEYS} {_ACCOUNTS}"),
            Row(
                "10.2.1.6",
                "start, stop and pause of the log",
                "process.start process.stop process.died audit.stalled audit.unsigned audit.gap",
            ),
            Row(
                "10.2.1.7",
                "creation and deletion of system-level objects",
                "token.initialised hsm.replicated key.created key.destroyed partition.erased partition.quarantined",
            ),
            Row("10.4.1", "reviews of the log", "audit.review audit.reviewed"),
            Row("10.7", "failures of security controls", _FAILURES),
        ),
    ),
    "psd2": (
        "PSD2, RTS (EU) 2018/389",
        (
            Row("art. 22", "credentials and the keys that protect them", f"{_KEYS} {_ACCOUNTS} {_CRYPTO} key.created"),
            Row("art. 29(1)", "what was done is traceable", f"batch.committed messages.indeterminate {_DECISIONS}"),
            Row("art. 3", "the measures are audited", _OF_THE_LOG),
        ),
    ),
    "dora": (
        "DORA, RTS (EU) 2024/1774 art. 12",
        (
            Row(
                "12(2)(c)(i)",
                "logical access and identities",
                f"console.login console.logout apikey.refused door.refused door.bound {_USERS} {_KEYS} {_ACCOUNTS}",
            ),
            Row("12(2)(c)(iii)", "change management", f"{_CONFIGURATION} settings.loaded {_LINKS}"),
            Row(
                "12(2)(c)(iv)",
                "operations",
                "process.start process.stop process.died hsm.lost hsm.back hsm.failed_over hsm.returned partition.erased",
            ),
            Row("12(2)(c)(v)", "network", "link.up link.down siem.connected siem.lost"),
            Row("12(2)(d)", "the log against tampering", "audit.verified audit.cosigned audit.exported audit.gap"),
            Row("12(2)(e)", "failures of logging", "audit.stalled audit.unsigned siem.lost audit.gap"),
        ),
    ),
    "access": (
        "Access review: who could do what, and who did",
        (
            Row("people", "people, roles, second factors, sessions", _USERS),
            Row("programs", "API keys and accounts of the SMPP door", f"{_KEYS} {_ACCOUNTS}"),
            Row(
                "sign-ins",
                "who came in, and who did not",
                "console.login console.proved! field.login apikey.refused door.refused",
            ),
            Row(
                "break-glass",
                "the envelope and the officers' codes",
                "console.glass_opened field.breakglass field.envelope_opened",
            ),
            Row("two people", "what one asked for and another decided, or did alone", _TWO_PEOPLE),
            Row("contents", "looks at personal contents", _PERSONAL),
        ),
    ),
    "iso-27001": (
        "ISO/IEC 27001 A.8.15, as ISO/IEC 27002:2022 8.15 lists events",
        (
            Row(
                "8.15 a", "access to the system", "console.login console.logout apikey.refused door.bound door.refused"
            ),
            Row("8.15 b", "access to contents", _PERSONAL),
            Row("8.15 c", "changes of configuration", _CONFIGURATION),
            Row("8.15 d", "use of privileges", f"{_CRYPTO} {_LINKS} {_DECISIONS}"),
            Row("8.15 f", "deletion", "key.destroyed message.redacted partition.erased"),
            Row(
                "8.15 h",
                "security systems on and off",
                f"process.start process.stop {_FAILURES} hsm.back siem.connected",
            ),
            Row("8.15 i", "identities", f"{_USERS} {_KEYS} {_ACCOUNTS}"),
            Row("8.15 j", "transactions", "batch.committed"),
        ),
    ),
}
COLUMNS: Final = ("requirement", "words", "entry", "at", "who", "event", "on", "outcome", "detail")

#: Entries of one event, oldest first: `index` and `entry` each.
Read = Callable[[str], Iterable[dict[str, Any]]]


def rows(name: str, read: Read) -> Iterator[tuple[str, ...]]:
    """Lines of a report under COLUMNS: by requirement, then by event, then in the order of the log. A row without any says so."""
    for row in REPORTS[name][1]:
        some = False
        for event in row.events.split():
            for found in read(event.rstrip("!")):
                entry = found["entry"]
                if event.endswith("!") and entry["outcome"] == "ok":
                    continue
                some = True
                yield (row.requirement, row.words, *entry_line(found["index"], entry))
        if not some:
            yield (row.requirement, row.words, "", "", "", "none in this time", "", "", "")


#: Of entries without a requirement beside them.
ENTRY_COLUMNS: Final = COLUMNS[2:]


def entry_line(index: int, entry: dict[str, Any]) -> tuple[str, ...]:
    """An entry under ENTRY_COLUMNS."""
    detail = msgspec.json.encode(entry["detail"], order="sorted").decode()
    return (str(index), entry["at"], entry["who"], entry["what"], entry["on"], entry["outcome"], detail)


def sections(lines: Iterable[tuple[str, ...]]) -> list[Section]:
    """The lines of a report for paper: a table a requirement."""
    out: dict[str, list[tuple[str, ...]]] = {}
    for requirement, words, *rest in lines:
        rows = out.setdefault(f"{requirement}  {words}", [])
        if rest[0]:
            rows.append(tuple(rest))
    return [Section(heading, ENTRY_COLUMNS, rows) for heading, rows in out.items()]


def as_csv(columns: Iterable[str], lines: Iterable[tuple[str, ...]]) -> str:
    """RFC 4180."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows(lines)
    return out.getvalue()

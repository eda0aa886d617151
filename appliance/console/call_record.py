"""Calls of the admin API about what is on record: the audit log, reports, evidence, the register of certificates, releases."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import request
from werkzeug.wrappers import Response as AnyResponse

from appliance.certificates import register, shown
from appliance.clock import DAY_MS, day_of, rfc3339
from appliance.errors import Error
from appliance.limits import OFFER_PIECE_OCTETS_MAX
from appliance.numbering import normalise
from appliance.reports import Incident, Report, checked, daily, monthly, report, review, sla

from . import page_audit, page_evidence, page_register, page_release, page_reports
from .calling import at, call, changed, unchanged
from .desk import desk, party, who

ROWS = 200
SOUGHT = ("what", "who", "on", "outcome", "since", "until")


class Upto(msgspec.Struct, forbid_unknown_fields=True):
    """Reviewed up to this entry."""

    upto: int


class ExportAsked(msgspec.Struct, forbid_unknown_fields=True):
    """Which entries, in which form: archive, csv or pdf. `request`: the approved request, where two people decide exports."""

    form: str = "archive"
    what: str = ""
    who: str = ""
    on: str = ""
    outcome: str = ""
    since: str = ""
    until: str = ""
    request: int = 0


class ReportAsked(msgspec.Struct, forbid_unknown_fields=True):
    """What a report is of. `day` for daily, `month` (2026-11) for monthly, `first` and `last` for sla and access, the rest for incident.

    `form`: `tables` as JSON, or `archive`, with the proof of the audit log.
    """

    form: str = "archive"
    day: str = ""
    month: str = ""
    first: str = ""
    last: str = ""
    reference: str = ""
    from_time: str = msgspec.field(default="", name="from")
    until: str = ""
    detected: str = ""
    classified: str = ""


class EvidenceAsked(msgspec.Struct, forbid_unknown_fields=True):
    """What the rules decided from the first day to the last, or only about one number."""

    first: str
    last: str
    number: str = ""


class CsrAsked(msgspec.Struct, forbid_unknown_fields=True):
    """A request for a certificate; its key stays on the box, sealed."""

    place: str
    name: str
    hosts: list[str] = []
    organisation: str = ""
    country: str = ""
    kind: str = "p256"


class Upload(msgspec.Struct, forbid_unknown_fields=True):
    """A bundle that is to be uploaded in pieces."""

    name: str
    octets: int


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """Why the release shall be installed: another person decides at the console."""

    reason: str


# --- the audit log ------------------------------------------------------------------------------------------


@call("GET", "/audit/entries", "audit.read", query=(*SOUGHT, "before"))
def list_entries() -> dict[str, Any]:
    """Entries of the audit log, newest first; `before` is the index below which to go on"""
    text = request.args.get("before", "")
    before = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
    return {"entries": desk().peers.audit_entries(before, ROWS, page_audit.sought_of(request.args))}


@call("GET", "/audit/checkpoint", "audit.read")
def read_checkpoint() -> dict[str, Any]:
    """The newest signed checkpoint of the log"""
    return desk().peers.checkpoint()


@call("GET", "/audit/review", "audit.read")
def read_review() -> dict[str, Any]:
    """What the last daily review found"""
    return {"review": desk().peers.review()}


@call("POST", "/audit/verify", "audit.verify")
def verify_log() -> dict[str, Any]:
    """Have the whole log verified; that is on record too"""
    with page_audit.alone():
        return desk().peers.verify(who())


@call("POST", "/audit/reviewed", "audit.verify", Upto)
def mark_reviewed(given: Upto) -> dict[str, Any]:
    """Say that the log was reviewed up to an entry"""
    desk().peers.reviewed(given.upto, who())
    return changed()


@call("POST", "/audit/export", "audit.export", ExportAsked)
def export_log(given: ExportAsked) -> AnyResponse:
    """The log, or the entries that are looked for, as a signed archive, CSV or PDF"""
    sought = page_audit.sought_of({name: getattr(given, name) for name in SOUGHT})
    return page_audit.exported(given.form, sought, given.request)


# --- reports and evidence -----------------------------------------------------------------------------------


def _day(text: str) -> int:
    return page_reports.day_of_text(text)


def _made(form: str, make: Any) -> AnyResponse | dict[str, Any]:
    with page_reports.alone():
        made: Report = make()
        if form == "archive":
            return page_reports.archive(made)
    if form != "tables":
        raise Error("invalid", "a report is given as archive or tables", field="form")
    tables = [{"name": t.name, "columns": t.columns, "rows": list(t.rows)} for t in made.tables]
    return {"report": made.name, "from": at(made.from_ms), "to": at(made.to_ms), "said": made.said, "tables": tables}


@call("POST", "/reports/daily", "reports.make", ReportAsked)
def report_day(given: ReportAsked) -> Any:
    """Operations of a day"""
    return _made(given.form, lambda: daily(page_reports.known(), _day(given.day)))


@call("POST", "/reports/monthly", "reports.make", ReportAsked)
def report_month(given: ReportAsked) -> Any:
    """Delivery of a month by operator"""

    def make() -> Report:
        year, month = rfc3339(_day(f"{given.month}-01") * DAY_MS)[:7].split("-")
        return monthly(page_reports.known(), int(year), int(month))

    return _made(given.form, make)


@call("POST", "/reports/sla", "reports.make", ReportAsked)
def report_sla(given: ReportAsked) -> Any:
    """What was promised and what was kept"""
    return _made(given.form, lambda: sla(page_reports.known(), *page_reports.span(given.first, given.last)))


@call("POST", "/reports/access", "audit.export", ReportAsked)
def report_access(given: ReportAsked) -> Any:
    """Who may do what, and did"""
    return _made(
        given.form,
        lambda: review(page_reports.known(), desk().access, *page_reports.span(given.first, given.last)),
    )


@call("POST", "/reports/incident", "reports.make", ReportAsked)
def report_incident(given: ReportAsked) -> Any:
    """The timeline of an incident, with DORA's forms"""

    def make() -> Report:
        times = [page_reports.time_of(t) for t in (given.from_time, given.until, given.detected, given.classified)]
        return report(page_reports.known(), checked(Incident(given.reference.strip(), *times), desk().clock()))

    return _made(given.form, make)


@call("POST", "/evidence", "evidence.export", EvidenceAsked)
def export_evidence(given: EvidenceAsked) -> AnyResponse:
    """What the rules decided, as a signed archive"""
    from_ms, until_ms = page_evidence.day_ms(given.first), page_evidence.day_ms(given.last) + DAY_MS
    if from_ms >= until_ms or day_of(until_ms) - day_of(from_ms) > 3_660:
        raise Error("invalid", "the first day is after the last", field="first")
    subject = desk().peers.blind_index(normalise(given.number)[0]) if given.number else None
    return page_evidence.archive(from_ms, until_ms, subject)


# --- the register -------------------------------------------------------------------------------------------


@call("GET", "/register", "register.read")
def read_register() -> dict[str, Any]:
    """Every certificate, key and secret, and until when each is good"""
    items = register(desk().settings, desk().access, desk().peers.keys_state())
    return {"register": [each.shown() for each in items], "places": list(shown(desk().settings))}


@call("POST", "/register/csr", "register.ask", CsrAsked)
def ask_for_certificate(given: CsrAsked) -> AnyResponse:
    """Make a key, sealed, that stays on the box, and the request for its certificate (PKCS #10, PEM)"""
    if given.place not in shown(desk().settings):
        raise Error("invalid", "there is no such place for a certificate", field="place")
    return page_register.asked(given.place, given.name, given.hosts, given.organisation, given.country, given.kind)


# --- releases -----------------------------------------------------------------------------------------------


@call("GET", "/release", "firmware.read")
def read_release() -> dict[str, Any]:
    """The bundle that was uploaded, what was found in it, and the requests to install one"""
    found = page_release.state()
    return msgspec.to_builtins(found, enc_hook=str)  # type: ignore[no-any-return]


@call("POST", "/release/upload", "firmware.ask", Upload)
def begin_upload(given: Upload) -> dict[str, Any]:
    """Begin to upload a bundle, or go on: `here` octets of it are there"""
    return {"here": page_release.offers().begin(given.name, given.octets, who())}


@call("PUT", "/release/upload", "firmware.ask", query=("at",), raw=True, octets_max=OFFER_PIECE_OCTETS_MAX)
def upload_piece(given: bytes) -> dict[str, Any]:
    """A piece of the bundle at the octet `at`"""
    text = request.args.get("at", "")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Error("invalid", "that is no place in a file", field="at")
    return {"here": page_release.offers().piece(int(text), given)}


@call("POST", "/release/upload/end", "firmware.ask")
def end_upload() -> dict[str, Any]:
    """The bundle is whole: a process apart looks into it"""
    return changed(sha256=page_release.ended(page_release.offers()))


@call("DELETE", "/release/upload", "firmware.ask")
def leave_upload() -> dict[str, Any]:
    """Take the bundle away"""
    it = page_release.offers()
    if not it.said():
        return unchanged()
    it.leave()
    return changed()


@call("POST", "/release/ask", "firmware.ask", Wanted)
def ask_for_release(given: Wanted) -> dict[str, Any]:
    """Ask that the bundle be installed: another person than the token's maker decides, at the console"""
    page_release.offers().ask(given.reason, party())
    return changed()

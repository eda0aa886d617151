"""Evidence for a compliance officer: what the rules decided in a span of days, or about one number, as a signed archive."""

from __future__ import annotations

import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from flask import Blueprint, render_template, request, send_file
from werkzeug.wrappers import Response as AnyResponse

from appliance.clock import rfc3339
from appliance.errors import Error
from appliance.evidence import EvidenceBook, write
from appliance.numbering import normalise

from .desk import desk, who
from .guard import needs
from .saying import said

views = Blueprint("evidence", __name__)

DAYS: Final = 30
REFUSALS_SHOWN: Final = 50


def _page(problem: str = "", status: int = 200) -> Any:
    to_ms = desk().clock() + 1
    from_ms = to_ms - DAYS * 86_400_000
    book = EvidenceBook(desk().settings)
    try:
        refusals: dict[tuple[str, str], int] = {}
        for each in book.refusals(from_ms, to_ms):
            refusals[each.code, each.rule] = refusals.get((each.code, each.rule), 0) + each.times
        in_force = book.in_force(from_ms, to_ms)
    finally:
        book.close()
    most = sorted(refusals.items(), key=lambda each: -each[1])[:REFUSALS_SHOWN]
    last = datetime.fromtimestamp(to_ms / 1000, UTC).date()
    filled = {"refusals": most, "in_force": in_force[-REFUSALS_SHOWN:], "days": DAYS, "problem": problem}
    return render_template("evidence.html", first=last - timedelta(days=DAYS), last=last, **filled), status


@views.get("/evidence")
@needs("evidence.export")
def page() -> Any:
    return _page()


@views.post("/evidence")
@needs("evidence.export")
def export() -> AnyResponse | Any:
    """The archive. A number comes in the form's body and stays out of addresses, logs and the archive."""
    number = request.form.get("number", "").strip()
    try:
        from_ms, until_ms = day_ms(request.form.get("first", "")), day_ms(request.form.get("last", "")) + 86_400_000
        if from_ms >= until_ms:
            raise Error("invalid", "the first day is after the last")
        subject = desk().peers.blind_index(normalise(number)[0]) if number else None
    except Error as error:
        return _page(said(error), 422)
    return archive(from_ms, until_ms, subject)


def archive(from_ms: int, until_ms: int, subject: bytes | None) -> AnyResponse:
    """What the rules decided, as a signed archive; on the audit log."""
    scratch = desk().settings.home / "export"
    scratch.mkdir(mode=0o770, parents=True, exist_ok=True)
    peers, settings = desk().peers, desk().settings
    with tempfile.TemporaryDirectory(prefix="evidence-", dir=scratch) as folder:
        path = Path(folder) / "evidence.zip"
        write(path, settings, peers, peers, who(), from_ms, until_ms, subject, desk().clock(), lambda name, rows: None)
        packed = cast(Any, path.open("rb"))  # closed with the answer
    name = f"casemate-evidence-{rfc3339(desk().clock())[:19].replace(':', '')}Z.zip"
    return send_file(packed, mimetype="application/zip", as_attachment=True, download_name=name)


def day_ms(text: str) -> int:
    """Milliseconds since 1970 of a day that begins (UTC). Raises Error `invalid`."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Error("invalid", "that is not a day", "write it as 2026-11-22") from None
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)

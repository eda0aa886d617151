"""The register as CSV and JSON, for the bank's own register of certificates and for its supervisor."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Final

from appliance.clock import rfc3339

from .item import Item

COLUMNS: Final = (
    *(
        "id",
        "kind",
        "purpose",
        "owner",
        "where",
        "created",
        "expires",
        "replaced_by",
        "state",
        "subject",
        "fingerprint",
        "problem",
    ),
)


def rows(items: Iterable[Item]) -> list[dict[str, str]]:
    """One a thing, times as RFC 3339, empty where there is none."""
    out = []
    for item in items:
        said = item.shown()
        said["created"], said["expires"] = (
            rfc3339(ms) if ms else "" for ms in (said.pop("created_ms"), said.pop("expires_ms"))
        )
        out.append({name: str(said[name]) for name in COLUMNS})
    return out


def as_json(items: Iterable[Item]) -> str:
    return json.dumps(rows(items), indent=1) + "\n"


def as_csv(items: Iterable[Item]) -> str:
    """RFC 4180, a heading first. What a spreadsheet would take for a formula is quoted."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for row in rows(items):
        writer.writerow({name: f"'{text}" if text[:1] in "=+-@\t" else text for name, text in row.items()})
    return out.getvalue()

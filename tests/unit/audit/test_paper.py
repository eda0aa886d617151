"""Reports and entries as PDF: everything of a row is on the page, long ones go on below, pages are numbered, octets repeat."""

from __future__ import annotations

import base64
import re
import zlib

import pytest

from appliance.audit.paper import LINE, WIDTHS, Section, pdf
from appliance.audit.reports import COLUMNS, ENTRY_COLUMNS, entry_line, sections
from appliance.audit.review import sections as review_sections
from appliance.errors import Error
from appliance.limits import PAPER_ROWS_MAX
from tests.support.auditlog import sample


def pages(content: bytes) -> list[str]:
    """The texts drawn on each page, in their order."""
    out = []
    for stream in re.findall(rb"stream\n?(.*?)endstream", content, re.S):
        text = zlib.decompress(
            base64.a85decode(stream.strip(), adobe=False)
            if b"~>" not in stream
            else base64.a85decode(b"<~" + stream.strip(), adobe=True)
        )
        drawn = re.findall(rb"\((.*?)(?<!\\)\) Tj", text)
        texts = (re.sub(rb"\\(\d{3})", lambda m: bytes([int(m[1], 8)]), d).decode("cp1252") for d in drawn)
        out.append("\n".join(re.sub(r"\\(.)", r"\1", text) for text in texts))
    return out


def test_every_column_fits_the_line() -> None:
    assert sum(WIDTHS[c] + 1 for c in ENTRY_COLUMNS) <= LINE


def test_all_of_a_row_is_there_and_the_octets_repeat() -> None:
    entry = sample(7, text="é" + "long " * 40)
    section = Section("10.2.1.2  acts", ENTRY_COLUMNS, [entry_line(7, entry)])
    made = pdf("Title", ["said"], [section, Section("10.2.1.1  none", ENTRY_COLUMNS, [])])
    assert made == pdf("Title", ["said"], [section, Section("10.2.1.1  none", ENTRY_COLUMNS, [])])
    (page,) = pages(made)
    lines = page.split("\n")
    assert lines[:3] == ["Title", "page 1 of 1", "said"]
    assert "".join(line for line in lines if "long" in line).count("long ") == 40
    assert "é" in page and "none in this time" in page


def test_pages_are_numbered_and_none_begins_without_its_columns() -> None:
    rows = [entry_line(n, sample(n)) for n in range(300)]
    made = pages(pdf("Title", [], [Section("Entries", ENTRY_COLUMNS, rows)]))
    assert len(made) > 5
    for number, page in enumerate(made, 1):
        assert page.split("\n")[:4] == ["Title", f"page {number} of {len(made)}", "Entries", "entry"]
    drawn = "\n".join(made)
    assert all(f"\nbatch:{n:x}\n" in drawn for n in range(300))


def test_letters_that_the_fonts_lack_are_spelt_out() -> None:
    (page,) = pages(pdf("Title", [], [Section("Entries", ("who",), [("console:漢",)])]))
    assert "console:\\u6f22" in page or "console:u6f22" in page


def test_too_much_for_paper_is_refused() -> None:
    with pytest.raises(Error) as caught:
        pdf("Title", [], [Section("Entries", ("who",), [("x",)] * (PAPER_ROWS_MAX + 1))])
    assert caught.value.code == "too_large"


def test_a_report_has_a_table_a_requirement_also_where_there_is_nothing() -> None:
    nothing = ("10.4.1", "reviews", "", "", "", "none in this time", "", "", "")
    made = sections([("10.2.1.3", "access to logs", *entry_line(1, sample(1))), nothing])
    assert [(s.heading, len(s.rows)) for s in made] == [("10.2.1.3  access to logs", 1), ("10.4.1  reviews", 0)]
    assert len(COLUMNS) == len(made[0].rows[0]) + 2


def test_a_review_shows_findings_and_who_reviewed() -> None:
    mark = {"index": 9, "entry": {**sample(9), "who": "console:anna", "detail": {"upto_index": 42}}}
    found, marks = review_sections([{"rule": "failures", "first": 3, "who": "console:x", "times": 7}], [mark])
    assert found.rows == [("failures", found.rows[0][1], "3", "7", "console:x")]
    assert marks.rows[0][1:] == ("42", "console:anna")
    (page,) = pages(pdf("Review", [], [found, marks]))
    assert "console:anna" in page and "failures" in page

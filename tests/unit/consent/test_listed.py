"""Lists as CSV: what a file may look like, what is refused by line, and an import that decides only what it changes."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from appliance.consent import EVERY, STOP, Book, Listed, bring_in, read, write_out
from appliance.consent import listed as listed_lists
from appliance.errors import Error
from appliance.keys import blind_index

NUMBERS = ["+393471234567", "+4791234567", "+35312345678", "+6591234567", "+390612345", "+8613812345678"]


class Ring:
    def index_key(self) -> bytes:
        return b"i" * 32

    def derive(self, purpose: str, subject: str) -> bytes:
        return b"d" * 32


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "consent.db")


def told(*_: object) -> None:
    pass


def listed(tmp_path: Path, text: str) -> Listed:
    file = tmp_path / "list.csv"
    file.write_text(text, encoding="utf-8")
    return read(file, "marketing", ["marketing", "offers"], told)


def exported(book: Book) -> list[dict[str, str]]:
    out = io.StringIO()
    write_out(book, Ring(), out, told)
    return list(csv.DictReader(io.StringIO(out.getvalue())))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("+393471234567\n+4791234567\n", {"marketing": ["+393471234567", "+4791234567"]}),
        ("number\n+39 347 123-4567\n\n", {"marketing": ["+393471234567"]}),
        ("\ufeffwho,programme,number\r\nx,all,+4791234567\r\ny,,+393471234567\r\n", {"": ["+4791234567"], "marketing": ["+393471234567"]}),
        ('number,programme\n"+4791234567"," offers "\n', {"offers": ["+4791234567"]}),
        ("", {}),
    ],
)  # fmt: skip
def test_files_that_are_lists(tmp_path: Path, text: str, numbers: dict[str, list[str]]) -> None:
    assert listed(tmp_path, text) == (numbers, [])


def test_a_line_that_is_wrong_is_told_by_number_only(tmp_path: Path) -> None:
    found = listed(tmp_path, "programme,number\nother,+4791234567\nall,347123\nall\nall,+4791234567\n")
    assert found == ({EVERY: ["+4791234567"]}, [(2, "invalid"), (3, "number_invalid"), (4, "number_invalid")])


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Error) as e:
        read(tmp_path / "list.csv", "all", [], told)
    assert e.value.code == "file_invalid"


def test_numbers_of_all_lengths_come_in_once_and_open_again(
    tmp_path: Path, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SEALED_AT_ONCE", "ROWS_AT_ONCE", "IMPORTED_AT_ONCE"):
        monkeypatch.setattr(listed_lists, name, 4)
    live = book.snapshot()
    some = Listed({EVERY: NUMBERS + NUMBERS[:2], "offers": NUMBERS[:1]}, [])
    assert bring_in(book, Ring(), some, "person:eva", 1, told) == (len(NUMBERS) + 1, 0)
    rows = exported(book)
    assert sorted(row["number"] for row in rows if row["programme"] == "all") == sorted(NUMBERS)
    assert [row["number"] for row in rows if row["programme"] == "offers"] == NUMBERS[:1]
    assert {(row["source"], row["who"], row["evidence"]) for row in rows} == {("import", "person:eva", "")}
    for known in (book.snapshot(), live):
        for n, programme, subject, out in book.decided_since(known.upto, 100):
            known.decided(programme, subject, out)
            known.upto = n
        assert all(known.first_of(("",), blind_index(b"i" * 32, number)) == "" for number in NUMBERS)
        assert known.first_of(("offers",), blind_index(b"i" * 32, NUMBERS[1])) is None


def test_an_import_done_again_decides_only_what_is_new(book: Book) -> None:
    before = blind_index(b"i" * 32, NUMBERS[2])
    book.heard(before, b"sealed", [EVERY], STOP, "stop", b"e" * 16, 1, "process:engine-0")
    assert bring_in(book, Ring(), Listed({EVERY: NUMBERS}, []), "p", 2, told) == (len(NUMBERS) - 1, 1)
    assert bring_in(book, Ring(), Listed({EVERY: NUMBERS}, []), "p", 3, told) == (0, len(NUMBERS))
    assert bring_in(book, Ring(), Listed({EVERY: [*NUMBERS, "+447400123456"]}, []), "p", 4, told) == (1, len(NUMBERS))
    assert [(d.source, d.at_ms) for d in book.history(before)] == [("keyword", 1)]
    assert [d.at_ms for d in book.history(blind_index(b"i" * 32, NUMBERS[0]))] == [2]
    assert book.heard(before, b"x", ["offers"], STOP, "stop", b"f" * 16, 5, "p") == ["offers"]

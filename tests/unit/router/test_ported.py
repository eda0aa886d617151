"""Books of ported numbers against a dict; lines that cannot be read are told; versions, damage and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import Error
from appliance.router import Bookshelf, Kept, Layout, Numbers, binding, explain
from appliance.router.binding import Binder
from appliance.router.ported import HEADER_OCTETS, Book
from appliance.router.table import RouteTable
from appliance.settings import Operator, Route, parse

NAMES = ("tim", "vf", "22201")


def bound(folder: Path, text: str | bytes, **layout: Any) -> tuple[Book, Any]:
    csv = folder / "database.csv"
    csv.write_bytes(text.encode() if isinstance(text, str) else text)
    said = Binder(Layout(**layout), folder).bind(csv, folder / "one.book")
    return Book(folder / "one.book"), said


def imported(shelf: Bookshelf, csv: Path, text: str, name: str = "IT", anyway: bool = False) -> Kept:
    csv.write_text(text)
    with shelf.changing():
        kept, _ = shelf.bind(csv, name, Layout(), "cli:me", 7, lambda done, of: None, anyway)
        shelf.put(name, kept)
    return kept


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(390_000_000, 399_999_999), st.sampled_from(NAMES)), min_size=1, max_size=60),
    st.integers(1, 30),
    st.integers(1, 5),
)
def test_it_knows_what_a_dict_knows(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str]], run: int, each: int
) -> None:
    folder = tmp_path_factory.mktemp("ported")
    rows = rows + rows[: len(rows) // 3]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binding, "RUN_ROWS", run)
        patch.setattr(binding, "BLOCK_OCTETS", 40)
        patch.setattr(binding, "SAMPLE_EACH", each)
        patch.setattr(binding, "SLICE_ROWS", 7)
        book, said = bound(folder, "number,operator\n" + "".join(f"{n},{o}\n" for n, o in rows))
    known = dict(rows)  # the last row of a number counts
    assert (len(book), said.rows, said.doubled, said.refusals) == (len(known), len(known), len(rows) - len(known), {})
    for number in [*known, 1, 10**15 - 1, *(n + 1 for n in known)]:
        assert book.code(number) == known.get(number, "")


@pytest.mark.parametrize(
    ("text", "layout", "known"),
    [
        ("393331234567,tim", {}, {393331234567: "tim"}),
        ("393331234567,tim\r\n+393331234568 , vf\r\n", {}, {393331234567: "tim", 393331234568: "vf"}),
        ('# of this week\n\n"393331234567","22201"\n', {}, {393331234567: "22201"}),
        ("id;op;num;date\n1;tim;0039 333 123 4567;x\n", {"number": 2, "operator": 1, "separator": ";"}, {393331234567: "tim"}),
        ('"a","b","393331234567","tim","c"\n', {"number": 2, "operator": 3}, {393331234567: "tim"}),
        ("393331234567\ttim\tx\ty\n", {"separator": "\t"}, {393331234567: "tim"}),
        ('a,"with, comma",393331234567,tim\n', {"number": 2, "operator": 3}, {393331234567: "tim"}),
        ("number,operator\n", {}, {}),
        ("", {}, {}),
    ],
)  # fmt: skip
def test_what_databases_look_like(tmp_path: Path, text: str, layout: dict[str, Any], known: dict[int, str]) -> None:
    book, said = bound(tmp_path, text, **layout)
    assert {n: book.code(n) for n in (393331234567, 393331234568) if book.code(n)} == known
    assert (len(book), said.refused) == (len(known), [])


def test_lines_that_cannot_be_read_are_told_by_number_and_code_and_the_rest_is_taken(tmp_path: Path) -> None:
    lines = [
        "number,operator",
        "393331234567,tim",
        "abc,tim",  # 3
        "39333,tim",  # 4
        "393331234568",  # 5
        "393331234569,",  # 6
        "999331234567,tim",  # 7: nobody has the calling code
        "393331234570,<tim>",  # 8
        "3933312345712345,tim",  # 9
        '"393331234572,tim',  # 10
        "393331234573,vf",
        "٣٩٣٣٣١٢٣٤٥٦٧,tim",  # 12
    ]
    book, said = bound(tmp_path, "\n".join(lines))
    assert said.refused == [
        (3, "number_invalid"), (4, "number_invalid"), (5, "malformed"), (6, "invalid"), (7, "number_invalid"),
        (8, "invalid"), (9, "number_invalid"), (10, "malformed"), (12, "number_invalid"),
    ]  # fmt: skip
    assert (len(book), book.code(393331234573), said.codes) == (2, "vf", {"tim": 1, "vf": 1})
    assert bound(tmp_path, b"393331234567,tim\n\xff\xfe,vf\n")[1].refused == [(2, "malformed")]


def test_a_file_of_one_endless_line_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "BLOCK_OCTETS", 100)
    with pytest.raises(Error, match="a line of more than"):
        bound(tmp_path, "3" * 100_000)
    monkeypatch.setattr(binding, "PORTED_ROWS_MAX", 1)
    with pytest.raises(Error, match="more than 1 rows"):
        bound(tmp_path, "393331234567,tim\n393331234568,tim\n")


def test_versions_come_and_go_and_the_old_one_serves_whoever_has_it(tmp_path: Path) -> None:
    shelf, csv = Bookshelf(tmp_path), tmp_path / "it.csv"
    assert (shelf.opened(), shelf.stamp(), shelf.status()) == ([], None, [])
    imported(shelf, csv, "393331234567,tim\n")
    (first,) = shelf.opened()
    stamp = shelf.stamp()
    imported(shelf, csv, "393331234567,vf\n")
    (second,) = shelf.opened()
    assert isinstance(first, Book) and isinstance(second, Book)
    assert (first.code(393331234567), second.code(393331234567)) == ("tim", "vf") and shelf.stamp() != stamp
    assert shelf.opened() == [second], "what is open is not opened again"
    imported(shelf, csv, "34600000000,ES1\n", "ES")
    assert [row["book"] for row in shelf.status()] == ["ES", "IT"]
    shelf.back()
    shelf.back()
    (third,) = shelf.opened()
    assert isinstance(third, Book) and third.code(393331234567) == "tim"
    with pytest.raises(Error, match="no other books"):
        shelf.back()


def test_old_versions_are_swept_and_back_leads_only_where_a_book_is(tmp_path: Path) -> None:
    shelf, csv = Bookshelf(tmp_path), tmp_path / "it.csv"
    (tmp_path / "numbers" / ".import-dead").mkdir(parents=True)
    (tmp_path / "numbers" / ".import-dead" / "run-0").write_bytes(b"x")
    for n in range(6):
        imported(shelf, csv, f"39333123456{n},tim\n")
    assert sorted(p.name for p in shelf.folder.iterdir()) == [
        "IT-000004.book", "IT-000005.book", "IT-000006.book", "active", "lock",
    ]  # fmt: skip
    shelf.path("IT", 5).unlink()
    with pytest.raises(Error, match="no longer there"):
        shelf.back()


@pytest.mark.parametrize("damage", [b"", b"x" * 2_000_000, None])
def test_a_damaged_book_is_said_and_the_one_before_is_used(tmp_path: Path, damage: bytes | None) -> None:
    csv = tmp_path / "it.csv"
    shelf = Bookshelf(tmp_path)
    imported(shelf, csv, "393331234567,tim\n")
    imported(shelf, csv, "393331234567,vf\n")
    path = shelf.path("IT", 2)
    octets = bytearray(path.read_bytes())
    octets[HEADER_OCTETS] ^= 1  # another operator
    path.write_bytes(bytes(octets) if damage is None else damage)
    said, book = Bookshelf(tmp_path).opened()
    assert isinstance(said, str) and "IT-000002.book" in said
    assert isinstance(book, Book) and book.code(393331234567) == "tim"
    shelf.active_path.write_bytes(b"{")
    assert Bookshelf(tmp_path).opened() == ["numbers/active is damaged"]


def test_what_is_more_likely_a_wrong_file_changes_nothing(tmp_path: Path) -> None:
    shelf, csv = Bookshelf(tmp_path), tmp_path / "it.csv"
    good = "".join(f"3933312{n:05},tim\n" for n in range(1000))
    imported(shelf, csv, good)
    for text, said in (
        ("id;op\n" * 9, "no row that can be read"),
        (good + "abc,tim\nabd,tim\n", "2 lines of it.csv cannot be read .line 1001: number_invalid, line 1002"),
        (good[: 333 * 17], "has 333 numbers, the version in use 1,000"),
    ):
        with pytest.raises(Error, match=said) as e:
            imported(shelf, csv, text)
        assert e.value.code == "file_invalid" and "39333" not in str(e.value)
    assert [row["version"] for row in shelf.status()] == [1]
    assert imported(shelf, csv, good[: 333 * 17], anyway=True).version == 2
    assert imported(shelf, csv, good + "abc,tim\n").refused == 1, "one in a thousand"
    with pytest.raises(Error, match="1 to 32 letters"):
        imported(shelf, csv, good, "../x")


def test_one_import_at_a_time(tmp_path: Path) -> None:
    with Bookshelf(tmp_path).changing(), pytest.raises(Error) as e, Bookshelf(tmp_path).changing():
        pass
    assert e.value.code == "already_running"


def test_ported_numbers_stand_above_the_plan_and_codes_are_operators(tmp_path: Path) -> None:
    book, _ = bound(tmp_path, "393471234567,22201\n393471234568,unknown\n")
    numbers = Numbers([Operator("tim", ("39335",), ("22201",)), Operator("vf", ("39347", "393"))], [book])
    asked = ("+393471234567", "+393471234568", "+393471234569", "+39335999", "+49171")
    assert [numbers.operator(n) for n in asked] == ["tim", "", "vf", "tim", ""]
    assert [tuple(numbers.told(n)) for n in asked] == [
        ("tim", True, "22201", "ported to 22201 (book one)"),
        ("", True, "unknown", "ported to unknown (book one)"),
        ("vf", False, "", "number plan, prefix 39347"),
        ("tim", False, "", "number plan, prefix 39335"),
        ("", False, "", "of no known operator"),
    ]
    assert numbers.unnamed() == ["unknown"]
    table = RouteTable([Route("39", ("one",), operator="tim"), Route("", ("two",))], numbers)
    assert (table.links(asked[0]), table.links(asked[1])) == (("one",), ("two",))
    assert (
        next(s.why for s in explain(table, asked[0], 2, "", 0).steps) == "a number of tim: ported to 22201 (book one)"
    )


@pytest.mark.parametrize(("codes", "said"), [(["a"] * 2, ""), (["<x>"], "1 to 48"), (["b"], "belongs to vf")])
def test_codes_of_operators_are_checked(tmp_path: Path, codes: list[str], said: str) -> None:
    raw = {"operator": [{"name": "vf", "codes": ["b"]}, {"name": "tim", "codes": codes}]}
    if not said:
        assert parse(raw, tmp_path, "t").operators[1].codes == ("a", "a")
        return
    with pytest.raises(Error) as e:
        parse(raw, tmp_path, "t")
    assert said in str(e.value)

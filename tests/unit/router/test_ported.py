"""The book of ported numbers against a dict; what is damaged is said, what is old is made anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import Error
from appliance.router import Numbers, ported
from appliance.router.ported import Book, book_of, build, opened
from appliance.settings import Operator

NAMES = ("tim", "vf", "w3")


@given(st.lists(st.tuples(st.integers(1, 10**15 - 1), st.sampled_from(NAMES)), max_size=60), st.integers(1, 30))
def test_it_knows_what_a_dict_knows(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str]], run: int
) -> None:
    csv = tmp_path_factory.mktemp("ported") / "ported.csv"
    csv.write_text("number,operator\n" + "".join(f"{n},{o}\n" for n, o in rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ported, "RUN_ROWS", run)
        patch.setattr(ported, "CHUNK_ROWS", 7)
        build(csv, NAMES)
    book = Book(book_of(csv))
    known = dict(rows)  # the last row of a number counts
    assert len(book) == len(known)
    for number in [*known, 1, 10**15 - 1, *(n + 1 for n in known)]:
        assert book.operator(number) == known.get(number, "")


def test_it_is_made_once_and_again_when_the_file_changed(tmp_path: Path) -> None:
    csv = tmp_path / "ported.csv"
    csv.write_text("# of this week\n+393471234567,tim\n\n")
    first = opened(csv, NAMES)
    stamp = book_of(csv).stat().st_mtime_ns
    assert opened(csv, NAMES).operator(393471234567) == "tim"
    assert book_of(csv).stat().st_mtime_ns == stamp
    csv.write_text("393471234567,vf\n")
    os.utime(csv, ns=(1, 1))
    assert opened(csv, NAMES).operator(393471234567) == "vf"
    assert first.operator(393471234567) == "tim"  # whoever uses the old one still does
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ported.csv", "ported.csv.sorted"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("393471234567,orange\n", "line 1: names no operator"),
        ("number,operator\nabc,tim\n", "line 2: does not begin with a number"),
        ("3934712345671234,tim\n", "line 1: does not begin"),
        ("393471234567\n", "line 1: names no operator"),
    ],
)
def test_a_line_that_makes_no_sense_is_named_and_its_number_is_not(tmp_path: Path, text: str, said: str) -> None:
    csv = tmp_path / "ported.csv"
    csv.write_text(text)
    with pytest.raises(Error, match=said) as caught:
        opened(csv, NAMES)
    assert "3934712345" not in str(caught.value)
    assert not book_of(csv).exists()


def test_a_damaged_book_is_made_again(tmp_path: Path) -> None:
    csv = tmp_path / "ported.csv"
    csv.write_text("393471234567,tim\n")
    opened(csv, NAMES)
    octets = book_of(csv).read_bytes()
    for damaged in (b"", b"x" * len(octets), octets[:-3], octets[:100]):
        book_of(csv).write_bytes(damaged)
        with pytest.raises(Error):
            Book(book_of(csv))
        assert opened(csv, NAMES).operator(393471234567) == "tim"


def test_ported_numbers_stand_above_the_plan(tmp_path: Path) -> None:
    csv = tmp_path / "ported.csv"
    csv.write_text("393471234567,tim\n")
    numbers = Numbers([Operator("tim", ("39335",)), Operator("vf", ("39347", "393"))], [opened(csv, NAMES)])
    assert [numbers.operator(n) for n in ("+393471234567", "+393471234568", "+39335999", "+49171")] == [
        "tim",
        "vf",
        "tim",
        "",
    ]

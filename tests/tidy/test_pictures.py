"""Every page of the console has a picture in the manual that shows the page as it is now; what is heavy or forgotten is found."""

from __future__ import annotations

import re
import struct

import pytest
from PIL import Image

from tests.support.pictured import (
    CONSOLE,
    HEIGHT,
    MADE_FROM,
    MANUAL,
    PICTURED,
    PICTURES,
    TEMPLATES,
    WIDTH,
    WITHOUT,
    made_from,
    words_of,
)

OCTETS_MAX, SUM_OCTETS_MAX = 80_000, 2_000_000
PARTS = {"frame", "bare", "macros"}


def test_every_page_is_in_the_table() -> None:
    pages = {path.stem for path in TEMPLATES.glob("*.html") if not path.stem.startswith("_")} - PARTS
    assert pages == PICTURED.keys() | WITHOUT.keys() and not PICTURED.keys() & WITHOUT.keys()


@pytest.mark.parametrize("name", PICTURED)
def test_a_picture_shows_the_page_as_it_is(name: str) -> None:
    assert made_from().get(name) == words_of(name), f"{name}.html says something else now: run `make shots`"
    octets = (PICTURES / f"{name}.png").read_bytes()
    assert octets.startswith(b"\x89PNG\r\n") and len(octets) <= OCTETS_MAX
    assert struct.unpack(">II", octets[16:24]) == (WIDTH, HEIGHT)


def test_the_manual_shows_each_once_and_nothing_lies_about() -> None:
    shown = re.findall(r"^!\[[^\]]+\]\(static/pages/(\w+)\.png\)$", MANUAL.read_text(encoding="utf-8"), re.M)
    assert sorted(shown) == sorted(PICTURED)
    files = {path for path in PICTURES.iterdir() if path != MADE_FROM}
    assert {path.name for path in files} == {f"{name}.png" for name in PICTURED}
    assert sum(path.stat().st_size for path in files) <= SUM_OCTETS_MAX


def test_a_page_that_says_something_else_is_noticed(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    before = words_of("links")
    monkeypatch.setattr("tests.support.pictured.TEMPLATES", tmp_path)
    for name in ("links", "_links", "_link"):
        text = (TEMPLATES / f"{name}.html").read_text(encoding="utf-8")
        (tmp_path / f"{name}.html").write_text(text.replace('_("Queued")', '_("Waiting")'), encoding="utf-8")  # type: ignore[operator]
    assert words_of("links") == before, "a macro's words are not the page's own"
    (tmp_path / "_links.html").write_text('{{ _("Other") }}', encoding="utf-8")  # type: ignore[operator]
    assert words_of("links") != before


def test_lines_of_the_chart_are_told_apart() -> None:
    """Few colours, but not by mixing those that mean something."""
    css = (CONSOLE / "static" / "casemate.css").read_text(encoding="utf-8")
    lines = [re.search(rf"--series-{n}: #(\w{{6}});", css) for n in (2, 3)]
    with Image.open(PICTURES / "overview.png") as picture:
        has = [colour for _, colour in picture.convert("RGB").getcolors(WIDTH * HEIGHT) or []]
    for line in lines:
        assert line is not None
        wanted = tuple(bytes.fromhex(line[1]))
        off = min(max(abs(a - b) for a, b in zip(wanted, colour, strict=True)) for colour in has)  # type: ignore[arg-type]  # RGB
        assert off <= 4, wanted

"""The manual in the box: the pages that the rooms carry, read from the installed package, made into HTML, searched by words. Pure but for the reading.

Only what these pages use of CommonMark is known: headings, paragraphs, lists, tables, code, emphasis, links between pages. Everything is escaped first.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from markupsafe import Markup, escape

ROOT: Final = Path(__file__).resolve().parents[1]
FOUND_MAX: Final = 40
PICTURE: Final = re.compile(r"!\[([^\]]+)\]\((?:console/)?static/pages/(\w+\.png)\)")
PAGES: Final = ROOT / "console" / "PAGES.md"  # the only page beside those of the rooms
AROUND: Final = 90  # characters each side of what was found


class Leaf(NamedTuple):
    """One page: the room's name, its title, its text."""

    name: str
    title: str
    text: str


class Hit(NamedTuple):
    """Where words stand: page, nearest heading above, an excerpt."""

    leaf: Leaf
    heading: str
    anchor: str
    excerpt: str


@functools.cache
def leaves() -> tuple[Leaf, ...]:
    """All pages, the floor plan first."""
    paths = [ROOT / "README.md", PAGES, *sorted(ROOT.glob("*/README.md"))]
    out = []
    for path in paths:
        if path.exists():
            text = path.read_text(encoding="utf-8")
            name = "appliance" if path.parent == ROOT else "pages" if path == PAGES else path.parent.name
            out.append(Leaf(name, text.split("\n", 1)[0].lstrip("# ").strip(), text))
    return tuple(out)


def leaf(name: str) -> Leaf | None:
    return next((each for each in leaves() if each.name == name), None)


def anchor_of(heading: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")


def search(words: str) -> list[Hit]:
    """Lines that have every word, those in headings first."""
    wanted = [w for w in words.casefold().split() if w][:8]
    if not wanted:
        return []
    heads: list[Hit] = []
    lines: list[Hit] = []
    for each in leaves():
        heading = each.title
        for line in each.text.splitlines():
            if line.startswith("#"):
                heading = line.lstrip("# ").strip()
            if all(w in line.casefold() for w in wanted):
                at = line.casefold().find(wanted[0])
                excerpt = line[max(0, at - AROUND) : at + AROUND].strip("|#- ")
                (heads if line.startswith("#") else lines).append(Hit(each, heading, anchor_of(heading), excerpt))
    return (heads + lines)[:FOUND_MAX]


def html(text: str) -> Markup:
    """A page's text as HTML."""
    return Markup("\n").join(_blocks(text.splitlines()))


def _blocks(lines: list[str]) -> Iterator[Markup]:
    at = tables = 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("```"):
            end = next((n for n in range(at + 1, len(lines)) if lines[n].startswith("```")), len(lines))
            yield Markup('<pre class="mono" tabindex="0">{}</pre>').format("\n".join(lines[at + 1 : end]))
            at = end + 1
            continue
        taken = [line]
        kind = _kind(line)
        while at + len(taken) < len(lines) and _goes_on(kind, lines[at + len(taken)]):
            taken.append(lines[at + len(taken)])
        at += len(taken)
        if kind == "heading":
            # The page's own title is the console's; what is below it begins at the second level.
            level, words = max(2, len(line) - len(line.lstrip("#"))), line.lstrip("# ").strip()
            yield Markup('<h{0} id="{1}">{2}</h{0}>').format(min(level, 4), anchor_of(words), inline(words))
        elif kind == "table":
            tables += 1
            yield _table(taken, tables)
        elif kind == "list":
            items = re.split(r"\n(?=\s*(?:[-*]|\d+\.) )", "\n".join(taken))
            yield Markup("<ul>{}</ul>").format(
                Markup("").join(
                    Markup("<li>{}</li>").format(inline(re.sub(r"^\s*(?:[-*]|\d+\.) ", "", i))) for i in items
                )
            )
        elif kind == "picture":
            yield _picture(line)
        elif kind == "text":
            yield Markup("<p>{}</p>").format(inline(" ".join(taken)))


def _kind(line: str) -> str:
    if not line.strip() or line.startswith("<!--"):
        return "nothing"
    if line.startswith("#"):
        return "heading"
    if PICTURE.fullmatch(line):
        return "picture"
    if line.startswith("|"):
        return "table"
    return "list" if re.match(r"\s*(?:[-*]|\d+\.) ", line) else "text"


def _goes_on(kind: str, line: str) -> bool:
    if kind == "list":
        return _kind(line) in ("list", "text") and not line.startswith("```")
    return kind in ("table", "text") and _kind(line) == kind and not line.startswith("```")


def _picture(line: str) -> Markup:
    """One of the console's own, which is in the box; a browser asks for it when somebody comes to it."""
    found = PICTURE.fullmatch(line)
    assert found is not None
    made = '<p><img class="page" src="/static/pages/{}" alt="{}" width="1280" height="800" loading="lazy"></p>'
    return Markup(made).format(found[2], found[1])


def _table(lines: list[str], number: int) -> Markup:
    rows = [[c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line.strip().strip("|"))] for line in lines]
    head, body = rows[0], [r for r in rows[1:] if not all(re.fullmatch(r":?-+:?", c) for c in r if c)]
    cells = Markup("").join(
        Markup('<th scope="col">{}</th>').format(inline(c)) if c else Markup("<td></td>") for c in head
    )
    more = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(inline(c)) for c in row))
        for row in body
    )
    made = Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="Table {}"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    )
    return made.format(number, cells, more)


def inline(text: str) -> Markup:
    """Code, strong words and links; everything else is text."""
    out = Markup("")
    for part in re.split(r"(`[^`]+`)", text):
        if len(part) > 2 and part.startswith("`") and part.endswith("`"):
            out += Markup("<code>{}</code>").format(part[1:-1])
            continue
        found = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", str(escape(part)))
        out += Markup(re.sub(r"\[([^\]]+)\]\(([^)\s]*)\)", _link, found))  # escaped above
    return out


def _link(found: re.Match[str]) -> str:
    """A link to another page of the manual; others, which lead out of the box, are their words."""
    room = re.fullmatch(r"(?:\.\./)*(?:appliance/)?([a-z]+)/README\.md(?:#[\w-]*)?", found[2])
    return f'<a href="/help/{room[1]}">{found[1]}</a>' if room and leaf(room[1]) else found[1]

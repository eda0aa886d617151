"""Brings the catalogues of `languages/` up to date with the console's pages: `make languages`, or `python -m appliance.console.catalogues`.

What is written in templates and sources is found by Babel; what other rooms have in tables, or say in errors, is read from those rooms. A text that is gone
leaves the catalogues, a new one waits in them without a translation. Nothing is guessed: a changed text is a new text.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from appliance.access import ROLES
from appliance.audit import REPORTS, RULES
from appliance.verify import WHY

from .languages import CATALOGUES, LANGUAGES, SOURCE
from .saying import SAID
from .terms import TERMS

HERE: Final = Path(__file__).parent
ROOMS: Final = HERE.parent
KEYWORDS: Final[dict[str, Any]] = {"_": None, "say": None, "N_": None, "ngettext": (1, 2)}
#: Rooms whose errors a person meets at the console, or files of them. What others say is shown in English, marked as such.
SAYING: Final = ("access", "console", "numbering/number.py", "numbering/sender.py")
HEAD: Final = """# The admin console in {name}. Written by people, brought up to date by `make languages`.
msgid ""
msgstr ""
"Language: {tag}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plurals}\\n"

"""


class Text(NamedTuple):
    """One text to translate. `more` is its plural, `context` the table or speaker it is of, `place` the file it is in."""

    text: str
    more: str
    context: str | None
    place: str


#: Files of the admin API beside those that begin with `call_`.
OF_PROGRAMS: Final = frozenset({"bearer.py", "calling.py", "composing.py", "describing.py"})


def texts() -> list[Text]:
    """Everything that the console shows, each once, in a settled order."""
    found: dict[tuple[str | None, str], Text] = {}
    for each in (*_written(), *_tables(), *_said()):
        found.setdefault((each.context, each.text), each)
    return list(found.values())


def _written() -> Iterator[Text]:
    paths = [*sorted((HERE / "templates").glob("*.html")), *sorted(HERE.glob("*.py"))]
    for path in paths:
        how: Any = babel_extract if path.suffix == ".html" else "python"
        with path.open("rb") as file:
            for _, message, _, _ in extract(how, file, KEYWORDS, options={"silent": "false"}):
                one, more = (message[0], message[1]) if isinstance(message, tuple) else (message, "")
                yield Text(one, more, None, path.name)


def _tables() -> Iterator[Text]:
    for kind, words in TERMS.items():
        for said in words.values():
            yield Text(said, "", kind, "terms.py")
    tables = {"access": ROLES, "audit": RULES, "verify": WHY}
    for room, table in tables.items():
        for said in table.values():
            yield Text(said, "", None, room)
    for title, _ in REPORTS.values():
        yield Text(title, "", None, "audit")


def _said() -> Iterator[Text]:
    """Messages and hints of errors: `{1}` where the source fills something in. What the admin API alone says, programs read: it stays English."""
    for name in SAYING:
        path = ROOMS / name
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            if file.parent == HERE and (file.name.startswith("call_") or file.name in OF_PROGRAMS):
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Error":
                    for given in node.args[1:3]:
                        for text in _filled_in(given):
                            yield Text(text.replace("`", ""), "", SAID, name)


def _filled_in(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        return [node.value]
    if isinstance(node, ast.IfExp):
        return [*_filled_in(node.body), *_filled_in(node.orelse)]
    if isinstance(node, ast.JoinedStr):
        parts, n = [], 0
        for part in node.values:
            if isinstance(part, ast.Constant):
                parts.append(str(part.value))
            else:
                n += 1
                parts.append(f"{{{n}}}")
        return ["".join(parts)] if n < 10 and len("".join(parts)) > 3 * n + 3 else []
    return []


def updated(tag: str, wanted: list[Text]) -> tuple[Catalog, list[Text]]:
    """The language's catalogue with these texts and no others, and those that wait for a translator."""
    path = CATALOGUES / f"{tag}.po"
    old = Catalog(locale=tag)
    if path.exists():
        with path.open("rb") as file:
            old = read_po(file, locale=tag, abort_invalid=True)
    new, waiting = Catalog(locale=tag), []
    for each in wanted:
        known = old.get(each.text, each.context)
        said: Any = known.string if known is not None else ""
        if each.more and not isinstance(said, tuple):
            said = ("",) * new.num_plurals
        if not each.more and isinstance(said, tuple):
            said = said[0]
        if not all(said if isinstance(said, tuple) else (said,)):
            waiting.append(each)
        new.add((each.text, each.more) if each.more else each.text, said, [(each.place, 0)], context=each.context)
    return new, waiting


def main() -> int:
    wanted = texts()
    for tag in LANGUAGES:
        if tag == SOURCE:
            continue
        catalogue, waiting = updated(tag, wanted)
        head = HEAD.format(name=catalogue.locale.english_name, tag=tag, plurals=catalogue.plural_forms)
        with (CATALOGUES / f"{tag}.po").open("wb") as file:
            file.write(head.encode())
            write_po(file, catalogue, width=0, omit_header=True, include_lineno=False)
        print(f"{tag}: {len(wanted)} texts, {len(waiting)} without a translation")
        for each in waiting[:5]:
            print(f"    {each.place}: {each.text[:100]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Does the console say everything in five languages: no text outside gettext, none untranslated or stale, the same placeholders, one term for one meaning.

A new text of a page: `_("...")` in a template, `say("...")` in a source, `N_("...")` in a table; then `make languages`, and the four catalogues are filled in.
"""

from __future__ import annotations

import ast
import functools
import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from jinja2 import Environment, nodes

from appliance.console.catalogues import Text, texts
from appliance.console.languages import CATALOGUES, LANGUAGES, SOURCE
from appliance.settings.rows import LANGUAGES as OFFERED
from tests.tidy.house import sources

ROOT = Path(__file__).resolve().parents[2]
CONSOLE = ROOT / "appliance" / "console"
TEMPLATES = sorted((CONSOLE / "templates").glob("*.html"))

#: Templates and sources that still hold English texts of their own. This list may only shrink, and is empty before a release.
UNWRAPPED: set[str] = {"calling.py", "describing.py"}  # of the admin API: programs read it

#: What is no language: names, units, words of protocols.
NAMES = {"UTC", "Casemate", "TLS", "SIEM", "CSV", "PDF", "ms", "system_id", "message"}
#: Attributes that a person reads or hears.
READ = {"alt", "aria-label", "placeholder", "title", "data-none", "data-failed"}
#: Examples in fields: what a program reads is the same in every language.
EXAMPLE = re.compile(r"[\w.:+/…*-]+|\+39 347 123 4567|\[\{.*|\{\}")
#: What is called with texts of its own, and only with those.
SAYS = {"_", "ngettext", "say", "N_"}


class Seen(HTMLParser):
    """Texts and attributes of a page's fixed parts; where an expression stood there is a mark."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in READ and value and not (name == "placeholder" and EXAMPLE.fullmatch(value)):
                self.found.append(value)


def is_said(text: str) -> bool:
    return any(word not in NAMES for word in re.findall(r"[^\W\d_]{2,}(?:_\w+)?", text))


def outside(source: str) -> list[str]:
    """Texts of a template that no translator would see."""
    bare = re.sub(r"\{#.*?#\}", "", source, flags=re.S)
    page = Seen()
    page.feed(re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", bare, flags=re.S))
    page.close()
    found = [" ".join(text.split()) for text in page.found if is_said(text)]
    for output in Environment(extensions=["jinja2.ext.i18n"]).parse(bare).find_all((nodes.Output, nodes.Assign)):
        found += [text for node in output.iter_child_nodes() for text in _literals(node)]
    return found


def _literals(node: nodes.Node) -> list[str]:
    """Sentences and capitalised words among an expression's literals, but for what is asked of gettext."""
    if isinstance(node, nodes.TemplateData):
        return []
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in SAYS:
        return [text for child in node.kwargs for text in _literals(child)]
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        text = node.value
        return [text] if is_said(text) and re.match(r"[A-Z][a-z]+|\w+ [a-z]{2,}", text) else []
    return [text for child in node.iter_child_nodes() for text in _literals(child)]


def spoken(tree: ast.AST) -> list[str]:
    """Sentences of a source that are shown and not asked of gettext: they begin with a capital, have a blank, and are no docstring."""
    passed: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in SAYS | {"Error", "error", "warning", "info", "Thread", "Migrations"}:
                passed |= {id(each) for each in ast.walk(node)}
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            passed.add(id(node.value))
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in passed
        and re.match(r"[A-Z][a-z]+ [a-z]", node.value)
        and not node.value.endswith("\n")  # plain text for programs
    ]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_no_text_outside_gettext(path: Path) -> None:
    found = outside(path.read_text(encoding="utf-8"))
    assert (found == []) != (path.name in UNWRAPPED), (path.name, found)


def test_sources_have_no_text_outside_gettext() -> None:
    files = {f.name.rsplit("/", 1)[-1]: spoken(f.tree) for f in sources(ROOT, "appliance/console")}
    assert {name: found for name, found in files.items() if found and name not in UNWRAPPED} == {}
    assert {name for name in UNWRAPPED if name.endswith(".py") and not files.get(name)} == set()


def test_what_is_outside_is_found() -> None:
    page = """{% extends "x" %}<h1 title="A word">Text {{ n }}</h1><p>{{ "Yes" if n else _("No") }}</p>{{ notice("Not well") }}
    <input placeholder="core-banking" class="card"><p>{{ _("Fine %(a)s", a="a sentence here") }} UTC</p>{% set x = "Some words" %}"""
    assert sorted(outside(page)) == ["A word", "Not well", "Some words", "Text", "Yes", "a sentence here"]
    assert spoken(
        ast.parse('"Doc string"\nx = "One thing"\ny = say("Two things")\nraise Error("a", "Three things")')
    ) == ["One thing"]


# --- the catalogues ---------------------------------------------------------------------------------------

TAGS = [tag for tag in LANGUAGES if tag != SOURCE]
GLOSSARY = tomllib.loads((CATALOGUES / "glossary.toml").read_text(encoding="utf-8"))
MARKUP = re.compile(r"<[^>]*>")
PLACES = re.compile(r"%\((\w+)\)s|\{(\d)\}|(%)")


@functools.cache
def wanted() -> list[Text]:
    return texts()


@functools.cache
def translations(tag: str) -> dict[tuple[str | None, str], tuple[str, ...]]:
    with (CATALOGUES / f"{tag}.po").open("rb") as file:
        messages = [m for m in read_po(file, locale=tag, abort_invalid=True) if m.id]
    assert not any(m.fuzzy for m in messages), "somebody has to look at it"
    assert len(messages) == len({(m.context, m.id) for m in messages})
    return {
        (m.context, m.id[0] if isinstance(m.id, tuple) else m.id): m.string
        if isinstance(m.string, tuple)
        else (m.string,)
        for m in messages
    }


@pytest.mark.parametrize("tag", TAGS)
def test_a_catalogue_has_every_text_and_no_other(tag: str) -> None:
    has, right = translations(tag), {(each.context, each.text) for each in wanted()}
    assert sorted(text for _, text in has.keys() - right) == [], "stale: make languages"
    assert sorted(text for _, text in right - has.keys()) == [], "new: make languages, then translate"
    assert [text for (_, text), said in has.items() if not all(said)] == [], "not translated"


@pytest.mark.parametrize("tag", TAGS)
def test_placeholders_and_markup_are_the_same(tag: str) -> None:
    for each in wanted():
        said = translations(tag).get((each.context, each.text), ())
        english = (each.text, each.more) if each.more else (each.text,)
        for source, text in zip(english, said, strict=False):
            less = {"n"} if each.more and source == each.text else set()  # one may be said without its figure
            places = {name or digit or sign for name, digit, sign in PLACES.findall(source)}
            assert places - {name or digit or sign for name, digit, sign in PLACES.findall(text)} <= less, text
            assert {name or digit or sign for name, digit, sign in PLACES.findall(text)} <= places, text
            assert sorted(MARKUP.findall(source)) == sorted(MARKUP.findall(text)), text
            # What stands in an attribute ends at the first quotation mark, and nothing else escapes a catalogue.
            assert '"' not in MARKUP.sub("", text) and not re.search(r"&(?!\w+;)", text), text
            assert text == text.strip() and "  " not in text and "'" not in MARKUP.sub("", text), text
            if tag == "fr":
                assert not re.search(r" [:;?!»]|« ", text), f"a blank that may break: {text}"
            if source.endswith(".") and " " in source and each.context is None:
                assert text.endswith("."), text


@pytest.mark.parametrize("tag", TAGS)
def test_one_term_for_one_meaning(tag: str) -> None:
    wrong = []
    for term, row in GLOSSARY.items():
        pattern = re.compile(rf"(?<![-\w.]){re.escape(term)}(?:s|es)?(?![-\w.(])", re.I)
        for each in wanted():
            text = re.sub(r"%\(\w+\)s|\[\[\w+\]\]|<code>.*?</code>", "", each.text)
            for other in row.get("unless", ()):
                text = text.replace(other, "")
            said = MARKUP.sub("", translations(tag).get((each.context, each.text), ("",))[0]).casefold()
            if pattern.search(MARKUP.sub("", text)) and not any(word.casefold() in said for word in row[tag]):
                wrong.append((term, each.text, said))
    assert wrong == []


def test_the_glossary_has_every_language_and_terms_that_are_used() -> None:
    every = " ".join(each.text.casefold() for each in wanted())
    assert all(set(TAGS) <= row.keys() <= {*TAGS, "unless"} for row in GLOSSARY.values())
    assert [term for term in GLOSSARY if term.casefold() not in every] == []
    assert tuple(LANGUAGES) == OFFERED

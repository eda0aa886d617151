"""Templates: checked against themselves when saved, rendered by each locale's rules, versions kept."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Error
from appliance.settings import parse as settings_of
from appliance.templates import LOCALES, Body, Template, TemplateBook
from appliance.text import encode

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = tomllib.loads((ROOT / "tests/vectors/templates/samples.toml").read_text(encoding="utf-8"))
GIVEN: dict[str, Any] = {"n": 3, "sum": {"amount": "1234.50", "currency": "EUR"}, "day": "2026-11-22"}
ENGLISH = "{n, plural, one {# payment} other {# payments}} of {sum, number, currency}"
PAGE = ROOT / "appliance" / "templates" / "LOCALES.md"


def template(**texts: str) -> Template:
    return Template("t", 1, Body(texts, next(iter(texts)), "Europe/Rome"))


def page() -> str:
    """The manual's table: what each locale makes of its sample, and what it costs."""
    made = Template("sample", 1, Body({each.tag: SAMPLES[each.tag] for each in LOCALES}, "en", "Europe/Rome"))
    lines = [
        "# A text in each of the 87 locales",
        "",
        "Made and checked by the tests: a plural, an amount and a date as each locale writes them, and the segments it takes.",
        "",
        "| locale | language | template | text | encoding | segments |",
        "|---|---|---|---|---|---|",
    ]
    for each in LOCALES:
        text = made.text(GIVEN, each.tag)
        encoding, _, segments = encode(text)
        name = f"{each.name}, right to left" if each.right_to_left else each.name
        lines.append(
            f"| `{each.tag}` | {name} | `{SAMPLES[each.tag]}` | {text} | {('GSM-7', 'UCS-2')[encoding]} | {segments} |"
        )
    return "\n".join(lines) + "\n"


def test_the_manual_shows_what_is_sent() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m tests.unit.templates.test_templates"


@pytest.mark.parametrize("tag", [each.tag for each in LOCALES])
def test_every_locale_has_its_plural_amount_and_date(tag: str) -> None:
    made = Template("sample", 1, Body({tag: SAMPLES[tag]}, tag))
    texts = {made.text(GIVEN | {"n": n}, tag) for n in (1, 2, 3, 5, 11, 100)}
    assert len(texts) == 6, "every number is written"
    for text in texts:
        assert "{" not in text and "\u00a0" not in text and "\u202f" not in text
        assert encode(text)[2] == 1


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("en", "2 payments of €1,234.50"),
        ("it-CH", "2 pagamenti per 1.234,50 €"),
        ("de", "2 payments of €1,234.50"),
        (None, "2 payments of €1,234.50"),
        ("IT_it", "2 pagamenti per 1.234,50 €"),
    ],
)
def test_a_locale_gets_its_own_text_or_its_languages_or_the_templates(tag: str | None, text: str) -> None:
    made = template(en=ENGLISH, it="{n, plural, one {# pagamento} other {# pagamenti}} per {sum, number, currency}")
    assert made.text({"n": 2, "sum": GIVEN["sum"]}, tag) == text


def test_one_and_one_point_nought_are_different_plurals() -> None:
    made = template(en="{n, plural, one {one} other {other}}")
    assert [made.text({"n": n}, "en") for n in ("1", "1.0", 1, "1.0")] == ["one", "other", "one", "other"]


def test_every_kind_of_place() -> None:
    made = template(
        en="{w, select, f {Ms} other {Mr}} {who}: {n, selectordinal, one {#st} two {#nd} few {#rd} other {#th}} on "
        "{at, date, short} {at, time}, {p, number, percent}, {k, plural, offset:1 =1 {you} one {you and # other} other {you and # others}}, "
        "{q, number, integer} {q, number}"
    )
    given = {"w": "f", "who": "Rossi", "n": 2, "at": "2026-11-22T23:30:00Z", "p": "0.25", "k": 3, "q": "7.5"}
    assert made.text(given, "en") == "Ms Rossi: 2nd on 11/23/26 12:30 AM, 25%, you and 2 others, 8 7.5"
    assert "you," in made.text(given | {"k": 1}, "en") and "you and 1 other," in made.text(given | {"k": 2}, "en")


@pytest.mark.parametrize(
    ("texts", "what"),
    [
        ({"en": ENGLISH, "it": "ciao {n, plural, one {#} other {#}}"}, "it: the parameter sum is missing"),
        ({"en": "hi", "it": "ciao {name}"}, "not the same as in en"),
        ({"en": "{n, plural, other {#}}"}, "no branch `one`"),
        ({"ar": "{n, plural, one {#} other {#}}"}, "no branch `few`"),
        ({"en": "{n"}, "en: a comma"),
        ({"xx-nowhere": "a"}, "no locale of this name"),
        ({"en": "{s}" * 33}, "more than 32 places"),
        ({"en": "{n, plural, one {#} other {" + "{s}" * 31 + "}}{s}"}, "more than 32 places"),
        (
            {"en": "x" * 8_000}
            | {f"de-{c}": "x" * 8_000 for c in ["DE", "AT", "CH", "LI", "LU", "BE", "IT"]}
            | dict.fromkeys(
                (
                    "fr",
                    "it",
                    "es",
                    "nl",
                    "pl",
                    "cs",
                    "sk",
                    "sl",
                    "hr",
                    "sr",
                    "bg",
                    "ro",
                    "hu",
                    "el",
                    "tr",
                    "da",
                    "sv",
                    "fi",
                ),
                "x" * 8_000,
            ),
            "at most 200,000 characters",
        ),
    ],
)
def test_mistakes_are_refused_when_saved(texts: dict[str, str], what: str) -> None:
    with pytest.raises(Error, match=what) as caught:
        template(**texts)
    assert caught.value.code == "template_invalid"


@pytest.mark.parametrize(
    "changed",
    [
        {"n": None}, {"n": 1.5}, {"n": "x"}, {"n": True}, {"n": "1" * 40}, {"sum": "12.50"}, {"sum": {"amount": "1"}},
        {"sum": {"amount": "1.234", "currency": "EUR"}}, {"sum": {"amount": "1", "currency": "EURO"}}, {"day": "tomorrow"},
        {"day": "2026-13-01"}, {"day": "2026-11-22T10:00:00"}, {"day": 5}, {"other": "x"}, {"n": 10**4_000},
        {"sum": {"amount": "1", "currency": []}}, {"day": "0001-01-01T00:00:00+23:59"}, {"day": "9999-12-31T23:59:59-23:59"},
    ],
)  # fmt: skip
def test_parameters_that_do_not_fit_are_named_and_never_shown(changed: dict[str, Any]) -> None:
    made = template(en=SAMPLES["en"])
    with pytest.raises(Error) as caught:
        made.text(GIVEN | changed, "en")
    name = next(iter(changed))
    assert caught.value.code == "params_invalid" and f"parameter {name}" in caught.value.message
    assert repr(changed[name])[:4_000] not in caught.value.message or len(repr(changed[name])) < 6


def test_a_date_where_a_time_is_shown_is_named() -> None:
    made = template(en="{at, time}")
    assert made.text({"at": "2026-11-22T18:30:00Z"}, "en") == "7:30 PM"
    with pytest.raises(Error, match="parameter at is a time") as caught:
        made.text({"at": "2026-11-22"}, "en")
    assert caught.value.code == "params_invalid"


def test_one_template_that_is_not_right_any_more_takes_no_other_with_it(tmp_path: Path) -> None:
    book = TemplateBook(settings_of({}, tmp_path, "test"))
    for name in ("cut", "odd", "whole"):
        book.save(name, Body({"en": "paid {n, number}"}, "en"), "cli:a", 1)
    book.conn.execute("UPDATE template SET body = substr(body, 1, 9) WHERE name = 'cut'")
    book.conn.execute(
        """UPDATE template SET body = '{"texts":{"en":"{n, plural, other {#}}"},"locale":"en"}' WHERE name = 'odd'"""
    )
    snapshot = book.snapshot()
    assert len(snapshot) == 1 and snapshot.text("whole", {"n": 1}, None) == "paid 1"
    book.close()


def test_versions_are_kept_and_the_newest_is_in_use(tmp_path: Path) -> None:
    book = TemplateBook(settings_of({}, tmp_path, "test"))
    first = book.save("paid", Body({"en": "paid {n, number}"}, "en"), "cli:a", 1)
    snapshot = book.snapshot()
    assert snapshot.text("paid", {"n": 1}, None) == "paid 1" and snapshot.fresh()
    assert book.save("paid", Body({"en": "paid {n, number}"}, "en"), "cli:b", 2) == first, "the same again is nothing"
    second = book.save("paid", Body({"en": "you paid {n, number}"}, "en"), "cli:b", 3)
    assert not snapshot.fresh() and book.snapshot().text("paid", {"n": 1}, None) == "you paid 1"
    assert [v.version for v in book.versions("paid")] == [2, 1] and second.digest != first.digest
    book.remove("paid")
    with pytest.raises(Error, match="no such template"):
        book.snapshot().text("paid", {"n": 1}, None)
    assert book.save("paid", Body({"en": "again"}, "en"), "cli:b", 4).version == 3
    assert [s.name for s in book.all()] == ["paid"]
    with pytest.raises(Error, match="a name is"):
        book.save("No Name", Body({"en": "x"}, "en"), "cli:b", 5)
    book.close()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

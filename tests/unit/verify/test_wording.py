"""Texts: each language names the code, a payment's payee and amount; the content guard lets all of them through; a bank's template is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.content import Guard
from appliance.errors import Error
from appliance.settings import Settings, parse
from appliance.templates import Body, Snapshot, Template
from appliance.text import encode, transliterated
from appliance.verify import NONE, TEXTS, Payment, Wording

PAYMENT = Payment("Rossi & Figli S.r.l.", "1234.5", "EUR")
HOME = Path("/nonexistent")


def settings(**verify: Any) -> Settings:
    return parse({"verify": verify}, HOME, "test")


def snapshot(name: str, texts: dict[str, str]) -> Snapshot:
    return Snapshot({name: Template(name, 3, Body(texts, next(iter(texts))))})


@pytest.mark.parametrize("locale", TEXTS)
def test_every_language_says_all_of_it_and_passes_the_guard(locale: str) -> None:
    shown = Wording(settings(webotp_host="bank.example", app_hash="FA+9qCX9VSu"))
    guard = Guard.of(settings(), transliterated)
    for code, payment in (("0000", NONE), ("4111111111", NONE), ("4111111111", PAYMENT), ("123456", PAYMENT)):
        said = shown.text("login", locale, code, payment, 10, Snapshot({}))
        assert code in said.text and said.text.splitlines()[1:] == ["FA+9qCX9VSu", f"@bank.example #{code}"]
        assert (payment.payee in said.text) and ("234" in said.text or "٢٣٤" in said.text or payment == NONE)
        assert TEXTS[locale][2] in said.text and said.template == f"built-in {locale.lower()}"
        assert guard.check(said.text, otp=True).text == said.text
    plain = Wording(settings(never_share=False)).text("login", locale, "123456", NONE, 10, Snapshot({})).text
    assert TEXTS[locale][2] not in plain and "\n" not in plain


def test_the_usual_code_is_one_segment_in_the_latin_languages() -> None:
    for locale in sorted(set(TEXTS) - {"ar"}):
        text = Wording(settings()).text("login", locale, "123456", NONE, 10, Snapshot({})).text
        assert encode(text)[2] <= 2, locale
        if locale in ("en", "it", "de", "nl"):
            assert encode(text)[2] == 1, locale


@pytest.mark.parametrize(
    ("locale", "tag"),
    [
        ("it-CH", "it"),
        ("pt-AO", "pt"),
        ("pt-br", "pt-br"),
        ("de_AT", "de"),
        ("ja", "en"),
        (None, "en"),
        ("ar-EG", "ar"),
    ],
)
def test_a_locale_falls_back_to_its_language(locale: str | None, tag: str) -> None:
    assert Wording(settings()).text("login", locale, "1234", NONE, 10, Snapshot({})).template == f"built-in {tag}"


def test_a_template_of_the_purpose_is_taken_and_named() -> None:
    own = snapshot("verify.login", {"en": "Hello {code}", "it": "Ciao {code}"})
    said = Wording(settings(locale="it")).text("login", None, "1234", NONE, 10, own)
    assert (said.text, said.template) == ("Ciao 1234", "verify.login@3 it")
    assert Wording(settings()).text("other", None, "1234", NONE, 10, own).template == "built-in en"
    pays = snapshot("verify.payment", {"en": "{code}: {amount, number, currency} to {payee}, {minutes, number} min"})
    said = Wording(settings()).text("payment", "en", "1234", PAYMENT, 10, pays)
    assert said.text == "1234: €1,234.50 to Rossi & Figli S.r.l., 10 min"
    for purpose, payment, templates in (("login", PAYMENT, own), ("payment", NONE, pays)):
        with pytest.raises(Error) as caught:
            Wording(settings()).text(purpose, "en", "1234", payment, 10, templates)
        assert (caught.value.code, caught.value.detail["field"]) == ("template_invalid", "purpose")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("verify.login", "Hello"),
        ("verify.login", "{code, number}"),
        ("verify.login", "{code} {name}"),
        ("verify.login", "{payee, select, x {{code}} other {}}"),
        ("verify.payment", "{code} is your code"),
        ("verify.payment", "{code} {payee}"),
        ("verify.payment-abroad", "{code} {amount, number, currency}"),
        ("verify.card", "{code} {payee}"),
        ("verify.card", "{code} {amount, number, currency}"),
        ("verify.card", "{code} {amount, number} {payee}"),
        ("verify.card", "{code} {amount, number, currency} {payee, select, x {nobody} other {{payee}}}"),
    ],
)
def test_a_template_that_leaves_something_out_is_not_saved(name: str, text: str) -> None:
    with pytest.raises(Error) as caught:
        Template(name, 0, Body({"en": text}, "en"))
    assert caught.value.code == "template_invalid"
    assert Template("other." + name, 0, Body({"en": "Hello"}, "en")), "only templates of codes"


def test_no_language_may_leave_out_the_payee() -> None:
    good = "{code} {amount, number, currency} {payee}"
    assert Template("verify.payment", 0, Body({"en": good, "it": good}, "en"))
    hidden = "{code} {amount, number, currency} {payee, select, other {{payee}}}"
    with pytest.raises(Error) as caught:
        Template("verify.payment", 0, Body({"en": good, "it": hidden}, "en"))
    assert caught.value.detail["locale"] == "it"


@pytest.mark.parametrize(
    "given", [{"webotp_host": "https://bank.example"}, {"webotp_host": "bank"}, {"app_hash": "short"}]
)
def test_lines_that_no_telephone_reads_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(Error) as caught:
        Wording(settings(**given))
    assert caught.value.code == "settings_invalid"

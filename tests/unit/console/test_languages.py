"""Languages: who gets which, what stays as programs have it, and how each writes times, numbers and durations."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from appliance.console import languages, saying, terms
from appliance.console.languages import LANGUAGES
from appliance.errors import Error
from appliance.settings import Settings, parse

from .conftest import NOW, Played, csrf_for, sign_in, token_in

GERMAN = {"Accept-Language": "de-CH, en;q=0.5"}


@pytest.fixture
def settings(tmp_path: object) -> Settings:
    return parse({"console": {"second_factor": False, "two_people": [], "language": "fr"}}, tmp_path, "test")  # type: ignore[arg-type]


def test_a_person_gets_what_was_chosen_else_asked_for_else_set(client: FlaskClient) -> None:
    page = client.get("/sign-in")
    assert '<html lang="fr" dir="ltr">' in page.text and page.headers["Content-Language"] == "fr"
    assert "Mot de passe" in page.text
    assert '<html lang="de"' in client.get("/sign-in", headers=GERMAN).text
    assert '<html lang="fr"' in client.get("/sign-in", headers={"Accept-Language": "ja"}).text
    form = {"csrf": token_in(page), "language": "es", "next": "/users"}
    chosen = client.post("/language", data=form)
    assert chosen.status_code == 303 and chosen.headers["Location"] == "/users"
    kept = chosen.headers["Set-Cookie"]
    assert "casemate-language=es;" in kept and "HttpOnly" in kept and "SameSite=Strict" in kept and "Max-Age" in kept
    assert '<html lang="es"' in client.get("/sign-in", headers=GERMAN).text
    sign_in(client)
    assert "Registro de auditoría" in client.get("/audit").text
    client.set_cookie("casemate-language", "../../etc")
    assert '<html lang="fr"' in client.get("/account").text


def test_what_a_person_chose_goes_along_to_every_browser(app: Flask, client: FlaskClient) -> None:
    sign_in(client)
    client.post("/language", data={"csrf": csrf_for(client), "language": "it", "next": "/account"})
    elsewhere = app.test_client()
    assert '<html lang="de"' in elsewhere.get("/sign-in", headers=GERMAN).text, "who it is nobody knows yet"
    sign_in(elsewhere)
    assert '<html lang="it"' in elsewhere.get("/account", headers=GERMAN).text
    shared = app.test_client()
    form = {"csrf": token_in(shared.get("/sign-in")), "language": "es", "next": "/"}
    shared.post("/language", data=form)
    sign_in(shared, "vera")
    assert '<html lang="es"' in shared.get("/account").text, "vera chose nothing herself"
    shared.post("/sign-out", data={"csrf": csrf_for(shared)})
    sign_in(shared, "anna")
    assert '<html lang="it"' in shared.get("/account").text, "a browser's cookie does not override the account"


def test_a_language_is_chosen_by_this_consoles_own_pages_only(client: FlaskClient) -> None:
    csrf = token_in(client.get("/sign-in"))
    for form in ({"language": "de"}, {"language": "de", "csrf": "x" * 43}):
        assert client.post("/language", data=form).status_code == 400
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert client.post("/language", data={"language": "de", "csrf": csrf}, headers=elsewhere).status_code == 400
    unknown = client.post("/language", data={"language": "tlh", "csrf": csrf})
    assert unknown.status_code == 422 and "n’a pas cette langue" in unknown.text and "Set-Cookie" not in unknown.headers
    for target in ("https://evil.example", "//evil", "/sign-in"):
        sent = client.post("/language", data={"language": "de", "csrf": csrf, "next": target})
        assert sent.headers["Location"] == "/"


def test_programs_words_stay_in_addresses_forms_and_the_log(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    page = client.get("/messages", headers=GERMAN).text
    assert '<option value="delivered">zugestellt</option>' in page and ">zugestellt</span>" in page
    assert "zugestellt" in client.get("/messages?status=delivered", headers=GERMAN).text
    assert peers.searched[-1]["status"] is not None
    log = client.get("/audit", headers=GERMAN).text
    assert "2026-11-22 18:30:07.123" in log and "console.login" in log and ">ok</span>" in log
    assert peers.log[0][:2] == ("console:anna", "console.login")


def test_errors_keep_their_code_and_are_said_in_the_language(client: FlaskClient) -> None:
    sign_in(client)
    form = {"csrf": csrf_for(client), "name": "eve", "role": "viewer", "password": "short"}
    page = client.post("/users", data=form, headers=GERMAN).text
    assert "Ein Passwort hat 14 bis 128 Zeichen." in page
    client.post("/users", data=form | {"password": "four unrelated words"})
    page = client.post("/users", data=form | {"password": "four unrelated words"}, headers=GERMAN).text
    assert "Dieser Benutzername ist vergeben." in page
    gone = client.get("/links/none", headers=GERMAN)
    assert gone.status_code == 404 and "Eine Verbindung dieses Namens gibt es nicht." in gone.text


def test_what_others_say_is_known_again_or_marked_as_english(app: Flask) -> None:
    with app.test_request_context("/", headers=GERMAN):
        assert saying.said(Error("invalid", "change 3 is refused")) == "Änderung 3 ist im Zustand abgelehnt."
        nested = saying.sentence("as a sender, the number has letters")
        assert nested == "Als Absender: die Nummer hat Buchstaben."
        foreign = saying.told("the token <refused> the PIN")
        assert foreign == '<span lang="en" dir="ltr">the token &lt;refused&gt; the PIN</span>'
        assert saying.told("–") == "–" and saying.told(languages.say("running")) == "läuft"
        hint = saying.said(Error("invalid", "nobody made this up", "ask another who may"))
        assert hint == '<span lang="en" dir="ltr">Nobody made this up.</span> Bitten Sie jemanden, der es darf.'
    with app.test_request_context("/", headers={"Accept-Language": "en"}):
        assert saying.said(Error("invalid", "it is `so`", "try <b>")) == "It is so. Try &lt;b&gt;."


def test_values_are_escaped_and_markup_of_a_catalogue_is_not(app: Flask) -> None:
    with app.test_request_context("/", headers=GERMAN):
        said = languages.say("Ended: <strong>%(outcome)s</strong>.", outcome="<i>")
        assert said == "Beendet: <strong>&lt;i&gt;</strong>."
        assert languages.ngettext("%(n)s row", "%(n)s rows", 1) == "1 Zeile"
        assert languages.ngettext("%(n)s row", "%(n)s rows", 1234) == "1.234 Zeilen"


#: A time, a day, a count, a share, a duration of a day, of minutes.
WRITTEN = {
    "en": ("14 Nov 2023, 22:13:20.000", "14 Nov 2023", "1,234,567", "12.5%", "1 day 1 hr", "5 mins"),
    "it": ("14 nov 2023, 22:13:20.000", "14 nov 2023", "1.234.567", "12,5%", "1 giorno 1 h", "5 min"),
    "de": ("14.11.2023, 22:13:20.000", "14.11.2023", "1.234.567", "12,5\xa0%", "1 Tg. 1 Std.", "5 Min."),
    "fr": ("14 nov. 2023, 22:13:20.000", "14 nov. 2023", "1\u202f234\u202f567", "12,5\xa0%", "1\u202fj 1\u202fh", "5\xa0min"),
    "es": ("14 nov 2023, 22:13:20.000", "14 nov 2023", "1.234.567", "12,5\xa0%", "1 d 1 h", "5 min"),
}  # fmt: skip


@pytest.mark.parametrize("tag", LANGUAGES)
def test_each_language_writes_as_it_does(app: Flask, tag: str) -> None:
    with app.test_request_context("/", headers={"Accept-Language": tag}):
        written = (
            languages.moment(NOW, True),
            languages.day(NOW),
            languages.count(1_234_567),
            languages.percent(0.125, 1),
        )
        assert (*written, languages.span(90_000_000), languages.span(300_000)) == WRITTEN[tag]
        assert languages.moment(NOW) == WRITTEN[tag][0].removesuffix(".000")
        assert languages.direction() == "ltr"


def test_outside_a_request_it_is_english() -> None:
    assert languages.say("Users") == "Users" and languages.chosen() == "en"
    assert terms.term("role", "operator") == "operator on shift"
    assert terms.term("link", "odd") == "odd" and terms.term("link", None) == "–"
    assert [languages.own_names()[tag] for tag in LANGUAGES] == [
        "English",
        "Italiano",
        "Deutsch",
        "Français",
        "Español",
    ]

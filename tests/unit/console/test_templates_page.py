"""Templates in the console: what is in use, every language, every version."""

from __future__ import annotations

from flask.testing import FlaskClient

from appliance.settings import Settings
from appliance.templates import Body, TemplateBook

from .conftest import NOW, Played, csrf_for, sign_in


def test_templates_their_texts_and_versions(client: FlaskClient, settings: Settings, peers: Played) -> None:
    sign_in(client, "vera")
    assert "No template" in client.get("/templates").text
    book = TemplateBook(settings)
    book.save("paid", Body({"en": "<b>{n, number}</b>"}, "en"), "cli:anna", NOW)
    book.save("paid", Body({"en": "paid {n, number}", "ar": "دفع {n, number}"}, "en"), "cli:anna", NOW)
    page = client.get("/templates").text
    assert 'href="/templates/paid"' in page and "cli:anna" in page
    page = client.get("/templates/paid").text
    assert "n (number)" in page and 'dir="rtl"' in page and "Arabic" in page
    older = client.get("/templates/paid?version=1").text
    assert "&lt;b&gt;" in older and "not in use" in older
    assert client.get("/templates/nothing").status_code == 404


def test_a_preview_counts_segments_in_every_language(client: FlaskClient, settings: Settings) -> None:
    sign_in(client, "vera")
    texts = {
        "en": "{who} paid {sum, number, currency} on {at, date}",
        "el": "Ο {who} πλήρωσε {sum, number, currency} {at, date}",
    }
    TemplateBook(settings).save("paid", Body(texts, "en"), "cli:anna", NOW)
    form = {"csrf": csrf_for(client), "version": "1", "p-who": "Ann" * 30, "p-sum": "12.50 eur", "p-at": "2026-11-22"}
    page = client.post("/templates/paid/preview", data=form).text
    assert "€12.50" in page and page.count("<td>gsm7</td>") == page.count("<td>ucs2</td>") == 1
    assert '<td class="number">2</td>' in page and "AnnAnn" in page
    wrong = client.post("/templates/paid/preview", data=form | {"p-sum": "much"})
    assert wrong.status_code == 422 and "no currency" in wrong.text and 'value="much"' in wrong.text
    assert client.post("/templates/none/preview", data=form).status_code == 404

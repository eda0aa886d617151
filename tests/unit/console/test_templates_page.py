"""Templates in the console: what is in use, every language, every version."""

from __future__ import annotations

from flask.testing import FlaskClient

from appliance.settings import Settings
from appliance.templates import Body, TemplateBook

from .conftest import NOW, Played, sign_in


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

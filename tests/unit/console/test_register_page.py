"""The register in the console: seen, exported, asked from; the banner; who may."""

from __future__ import annotations

import re
from pathlib import Path

from cryptography import x509
from flask import Flask
from flask.testing import FlaskClient

from appliance.certificates import Item, Watch
from appliance.settings import Settings

from .conftest import NOW, Played, csrf_for, sign_in


def ending(days: int) -> Item:
    return Item("api server", "certificate", "p", "", "w", 1, NOW + days * 86_400_000, "r", fingerprint="f", told=True)


def test_the_register_is_seen_and_exported_on_the_record(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    page = client.get("/register").text
    assert "hsm mac key" in page
    wanted = re.search(r'<select id="place".*?</select>', page, re.DOTALL)
    assert wanted is not None
    places = ["api server", "console server", "door server", "siem client"]
    assert re.findall("<option>(.*?)</option>", wanted[0])[:4] == places, "also those that have none yet"
    done = client.post("/register/export", data={"csrf": csrf_for(client)})
    assert done.mimetype == "text/csv" and done.text.startswith("id,kind,purpose")
    assert peers.log[-1][1] == "register.exported"
    peers.down.add("keys")
    assert "does not answer" in client.get("/register").text
    assert client.post("/register/export", data={"csrf": csrf_for(client)}).status_code == 503


def test_a_banner_tells_of_ends_to_those_who_may_see_them(client: FlaskClient, app: Flask, settings: Settings) -> None:
    watch = app.extensions["casemate-register"] = Watch(settings, lambda: [ending(5)], lambda *given, **detail: None)
    sign_in(client)
    assert "api server ends on" not in client.get("/").text
    watch.turn(NOW)
    assert "api server ends on" in client.get("/").text
    watch.look = lambda: [ending(-1)]
    watch.turn(NOW)
    assert "api server ended on" in client.get("/links").text
    watch.look = lambda: [ending(45)]
    watch.turn(NOW)
    assert "api server end" not in client.get("/").text


def test_a_request_leaves_and_its_key_stays_sealed(
    client: FlaskClient, peers: Played, settings: Settings, tmp_path: Path
) -> None:
    settings._values["api.tls_certificate"] = str(tmp_path / "api.pem")
    settings._values["api.tls_key"] = str(tmp_path / "api.key")
    sign_in(client)
    form = {"csrf": csrf_for(client), "place": "api server", "name": "messages.bank.example", "kind": "p256"}
    assert client.post("/register/csr", data={**form, "place": "moon"}).status_code == 422
    assert client.post("/register/csr", data={**form, "country": "Italy"}).status_code == 422
    done = client.post("/register/csr", data=form)
    assert x509.load_pem_x509_csr(done.data).is_signature_valid
    (key,) = (settings.home / "certificates").rglob("*.key")
    assert "SEALED" in key.read_text() and peers.log[-1][1] == "register.csr_made"
    key.unlink()
    (settings.home / "certificates").rglob("*.csr").__next__().unlink()
    peers.down.add("auditor")
    assert client.post("/register/csr", data=form).status_code == 503
    assert not list((settings.home / "certificates").rglob("*.key")), "what is not on the record is not kept"


def test_only_those_who_may_see_and_ask(client: FlaskClient) -> None:
    sign_in(client, "carlo")
    assert "Make key and request" not in client.get("/register").text
    assert client.post("/register/csr", data={"csrf": csrf_for(client)}).status_code == 403

"""The register: rows from files, keys and accounts, ends told once for each step, owners, CSV, requests with sealed keys."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from appliance.access import Access
from appliance.access.passwords import Passwords
from appliance.certificates import Item, Watch, as_csv, as_json, ask, certificates, due, register
from appliance.certificates.alarms import DAYS, untold
from appliance.certificates.item import CERTIFICATE, owner_of
from appliance.clock import DAY_MS
from appliance.errors import Error
from appliance.keys import open_text
from appliance.settings import Settings, parse

NOW = 1_790_000_000_000
STATE = {
    "token": "casemate",
    "serial": "7",
    "audit_key": "derived",
    "roots": {1: "deactivated", 2: "active"},
    "root_dates": {1: NOW - 500 * DAY_MS, 2: NOW - 340 * DAY_MS},
    "keys": [
        {"key_id": 1, "day": 20_600, "purpose": "tenant", "state": "active", "created_ms": NOW, "to_ms": NOW + 9 * DAY_MS},
        {"key_id": 2, "day": 20_700, "purpose": "message", "state": "active", "created_ms": NOW, "to_ms": NOW + DAY_MS},
        {"key_id": 3, "day": 20_701, "purpose": "message", "state": "destroyed", "created_ms": NOW, "to_ms": NOW},
    ],
    "custody": {"set": "ab12", "needed": 2, "custodians": 3, "made_ms": NOW},
}  # fmt: skip


def certificate(path: Path, days: int, name: str = "messages.bank.example") -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.fromtimestamp(NOW / 1000, UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=400))
    made = builder.not_valid_after(now + timedelta(days=days)).sign(key, hashes.SHA256())
    path.write_bytes((path.read_bytes() if path.exists() else b"") + made.public_bytes(serialization.Encoding.PEM))
    return str(path)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    link = {"name": "north", "host": "127.0.0.1", "port": 2775, "system_id": "a", "tls": True}
    (tmp_path / "api.key").write_text("k")
    (tmp_path / "api.key").chmod(0o600)
    files = {
        "tls_ca": certificate(certificate_path := tmp_path / "ca.pem", 900, "one")
        and certificate(certificate_path, 20, "two"),
        "tls_certificate": certificate(tmp_path / "link.pem", -1),
        "tls_key": str(tmp_path / "gone.key"),
    }
    raw = {
        "api": {"tls_certificate": certificate(tmp_path / "api.pem", 6), "tls_key": str(tmp_path / "api.key")},
        "siem": {"target": "siem:6514", "tls_ca": str(tmp_path / "none.pem")},
        "register": {
            "owners": [
                "api: IT operations",
                "link: messaging",
                "link north client: north's engineer",
                "hsm: key officer",
            ]
        },
        "link": [link | files],
        "camara": [
            {
                "prefix": "39",
                "api": "https://api.tim.example",
                "token_url": "https://auth.tim.example/t",
                "client_id": "bank",
                "secret_file": "s",
                "ca": certificate(tmp_path / "operator.pem", 300),
            }
        ],
    }
    return parse(raw, tmp_path, "test")


def test_every_certificate_of_the_settings_is_a_row(settings: Settings) -> None:
    rows = {item.id: item for item in certificates(settings)}
    assert list(rows) == [
        "api server",
        "siem authority",
        "link north client",
        "link north authority 1",
        "link north authority 2",
        "camara 39 authority",
    ]
    api = rows["api server"]
    assert (api.owner, api.subject, api.problem) == ("IT operations", "CN=messages.bank.example", "")
    assert abs(api.expires_ms - NOW - 6 * DAY_MS) < 1000 and len(api.fingerprint) == 64
    assert "cannot be read" in rows["siem authority"].problem
    assert (rows["link north client"].owner, rows["link north client"].problem) == (
        "north's engineer",
        "its key's file is not there",
    )
    assert rows["link north authority 2"].owner == "messaging"
    Path(settings["api.tls_key"]).chmod(0o644)
    assert "everybody" in next(certificates(settings)).problem
    Path(settings["api.tls_certificate"]).write_text("nonsense")
    assert next(certificates(settings)).problem == "is no PEM certificate"


def test_keys_and_secrets_are_rows_and_none_is_a_key(settings: Settings) -> None:
    access = Access(settings, Passwords(64, 1))
    key, token = access.create_api_key("core", at_ms=NOW - 400 * DAY_MS)
    rows = {item.id: item for item in register(settings, access, STATE)}
    assert {
        "hsm root v1",
        "hsm root v2",
        "hsm mac key",
        "hsm log key",
        "tenant key 1",
        "data keys",
        f"api key {key.id}",
        "custodians' set ab12",
    } <= set(rows)
    assert rows["hsm root v2"].owner == "key officer" and rows["hsm root v1"].expires_ms == 0
    assert rows["hsm log key"].where == "derived from the MAC key in the token"
    assert "1 key that seals" in rows["data keys"].purpose, "a destroyed one is gone"
    each = register(settings, access, STATE, each=True)
    assert {"data key 2", "data key 3"} <= {item.id for item in each}
    assert token not in as_json(each) and token.split("_", 2)[2] not in as_csv(each)  # a secret may have "_" in it
    assert [d.item.id for d in due(each, NOW) if d.past] == [f"api key {key.id}", "link north client"]
    assert not [item for item in register(settings, access, {}) if item.id.startswith(("hsm", "data"))]


def item(left_days: float, name: str = "a", told: bool = True) -> Item:
    return Item(name, CERTIFICATE, "p", "", "w", 1, int(NOW + left_days * DAY_MS), "r", fingerprint=name, told=told)


@pytest.mark.parametrize(
    ("left", "step"), [(61, None), (60, 60), (31, 60), (30, 30), (7.5, 30), (7, 7), (0.1, 7), (0, 0), (-40, 0)]
)
def test_the_steps_before_an_end(left: float, step: int | None) -> None:
    assert [each.step for each in due([item(left)], NOW)] == ([] if step is None else [step])
    assert due([item(left, told=False), item(0)._replace(expires_ms=0)], NOW) == []


def test_each_step_is_told_once_and_again_after_a_replacement() -> None:
    told: dict[str, int] = {}
    heard = []
    for day in range(70, -3, -1):
        fresh = untold(due([item(day)], NOW), told)
        heard += [each.step for each in fresh]
        told |= {each.mark: each.step for each in fresh}
    assert heard == list(DAYS)
    assert untold(due([item(5, "b")], NOW), told), "another certificate in the same place"


def test_the_watch_records_each_once_and_what_could_not_be_recorded_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings, log, down = parse({}, tmp_path, "test"), [], [True]

    def record(what: str, on: str, outcome: str, **detail: Any) -> None:
        if down[0]:
            raise Error("audit_unavailable", "the audit log does not answer")
        log.append((what, on, outcome, detail))

    things = [item(20, "soon"), item(-2, "gone"), item(300, "later")]
    watch = Watch(settings, lambda: things, record)
    assert watch.turn(NOW) == [] and len(watch.found) == 2
    down[0] = False
    assert len(watch.turn(NOW)) == 2
    assert log == [
        ("register.alarm", "item:gone", "failed", {"days_count": -2}),
        ("register.alarm", "item:soon", "ok", {"days_count": 20}),
    ]
    assert Watch(settings, lambda: things, record).turn(NOW) == [], "also not by another process"
    assert [e.item.id for e in watch.turn(NOW + 14 * DAY_MS)] == ["soon"]
    assert any(r.levelname == "ERROR" and "gone" in r.message for r in caplog.records)
    (tmp_path / "certificates" / "told.json").write_text("nonsense")
    assert len(watch.turn(NOW)) == 2, "rather twice than never"


def test_owners_by_the_longest_beginning() -> None:
    owners = ["link: all", "link north: one", "bad line", "api:"]
    assert [owner_of(i, owners) for i in ("link south client", "link north client", "api server")] == ["all", "one", ""]


def test_csv_holds_no_formula_and_json_the_same_rows() -> None:
    odd = item(1)._replace(purpose='=HYPERLINK("x")', owner="a,b\nc")
    (row,) = csv.DictReader(io.StringIO(as_csv([odd])))
    assert row["purpose"].startswith("'=") and row["owner"] == "a,b\nc"
    assert json.loads(as_json([odd]))[0]["expires"].endswith("Z")


@pytest.mark.parametrize(("purpose", "kind"), [("api server", "p256"), ("link north client", "p384")])
def test_a_request_is_signed_by_its_key_which_is_sealed(tmp_path: Path, purpose: str, kind: str) -> None:
    sealing = bytes(range(32))
    made = ask(purpose, "messages.bank.example", ["10.0.0.5"], "Bank", "IT", kind, tmp_path, sealing)
    request = x509.load_pem_x509_csr(made.request.read_bytes())
    assert request.is_signature_valid and request.subject.rfc4514_string() == "CN=messages.bank.example,O=Bank,C=IT"
    text = made.key.read_text()
    assert made.key.stat().st_mode & 0o777 == 0o600 and "PRIVATE KEY" not in text
    key = serialization.load_pem_private_key(open_text(text, sealing), None)
    assert key.public_key() == request.public_key()
    for wrong, other in (
        (text, bytes(32)),
        (text.replace(f"Purpose: {purpose}", "Purpose: door server"), sealing),
        (text[:90], sealing),
    ):
        with pytest.raises(Error) as caught:
            open_text(wrong, other)
        assert caught.value.code == "key_refused"
    with pytest.raises(Error, match="there already"):
        ask(purpose, "x", [], "", "", kind, tmp_path, sealing)


def test_a_bad_name_or_kind_writes_nothing(tmp_path: Path) -> None:
    for given in (
        ("x", ["ex ample\u00e9"], "", "IT", "p256"),
        ("x", [], "", "Italy", "p256"),
        ("x", [], "", "", "dsa"),
    ):
        with pytest.raises(Error) as caught:
            ask("api server", *given, tmp_path / "new", bytes(32))  # type: ignore[arg-type]
        assert caught.value.code == "invalid"
    assert not (tmp_path / "new").exists()

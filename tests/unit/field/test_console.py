"""What each entry of the serial menu does and says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.access import Access, Passwords
from appliance.field.packing import redacted
from appliance.settings import parse
from tests.support.cabinets import plain
from tests.unit.field.at_the_line import NOW_MS, PASSWORD, RECOVERY, Bench
from tests.unit.updates.test_cabinets import VENDOR


def test_a_network_change_is_kept_when_confirmed_and_undone_when_not(bench: Bench) -> None:
    change = ("network", "", "10.9.9.9/24", "10.9.9.1", "", "", "yes")
    bench.dialogue(*change, "confirm", "", "0")
    assert "10.9.9.9/24" in bench.config.read_text()
    assert bench.log.said[-2:] == ["network.changed", "network.confirmed"]
    before = bench.config.read_text()
    bench.dialogue("network", "", "10.8.8.8/24", "", "", "", "yes", "keep it", "", "0")
    assert bench.config.read_text() == before and bench.log.said[-1] == "network.reverted"
    bench.dialogue("network", "", "10.8.8.8/24", "", "", "", "yes")  # the line hangs up
    assert bench.config.read_text() == before and bench.log.said[-1] == "network.reverted"
    bench.dialogue("network", "", "10.8.8.8/24", "", "", "", "yes", "\x03", "0")
    assert bench.config.read_text() == before
    bench.dialogue("network", "", "not an address", "", "", "", "no", "", "0")
    assert bench.config.read_text() == before


def test_vlan_bond_routes_and_proxy_are_asked_for_after_more(bench: Bench) -> None:
    further = ("box-1", "120", "eno1, eno2", "802.3ad", "10.0.0.0/8 via 10.1.2.254", "no", "proxy.example:3128")
    line = bench.dialogue(
        "network", "more", *further, "", "", "", "", "", "yes", "confirm", "", "network", *[""] * 8, "0"
    )
    text = bench.config.read_text()
    assert (
        'bond = ["eno1", "eno2"]' in text
        and "vlan = 120" in text
        and "nts = false" in text
        and "Confirmed." in line.text
    )
    assert "routes       10.0.0.0/8 via 10.1.2.254" in line.text and "nts          no" in line.text, (
        "shown as it is now"
    )
    for further, why in (
        (("", "x"), "that is no number"),
        (("", "", "", "", "", "perhaps"), "yes or no"),
        (("", "", "", "", "10.0.0.0/8", "", "", *[""] * 5, "yes"), "is no route"),
        (("", "", "", "fast", "", "", "", *[""] * 5, "yes"), "settings_invalid"),
    ):
        assert why in bench.dialogue("network", "more", *further, *[""] * 2, "0").text, why
        assert bench.config.read_text() == text


def test_slots_are_shown_and_going_back_is_refused_with_what_to_do(bench: Bench) -> None:
    line = bench.dialogue("slots", "back", "yes", "rehearsal", "", "0")
    assert "slot a  0.1.0" in line.text and "no way back" in line.text and "wait until the running release" in line.text


def test_a_link_is_tested_through_the_engine(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def call(op: str, payload: dict[str, Any], *_: Any) -> dict[str, Any]:
        calls.append((op, payload))
        steps = [
            {"name": "TCP", "ok": True, "why": "", "hint": "", "took_ms": 3},
            {"name": "bind", "ok": False, "why": "ESME_RINVPASWD", "hint": "the password of the link", "took_ms": 9},
        ]
        return {"ok": False, "steps": steps}

    monkeypatch.setattr(
        "appliance.field.hands.blocking_engines", lambda _: SimpleNamespace(call=call, close=lambda: None)
    )
    line = bench.dialogue("link", "1", "", "", "0")
    assert "FAILED  bind: ESME_RINVPASWD" in line.text and "the password of the link" in line.text
    assert calls[0][1]["who"] == "field:ann"


def test_a_backup_is_written_to_the_stick_for_the_bank_alone(bench: Bench) -> None:
    from appliance.backup import STATE, generate

    Access(bench.settings, Passwords(8, 1)).create_user("admin", PASSWORD)
    assert "backup.recipients is empty" in bench.dialogue("backup", "write", "", "0").text
    _, public = generate()
    values = {"field": {"media": str(bench.stick)}, "backup": {"recipients": [public]}}
    bench.hands.settings = parse(values, bench.home, "test")
    line = bench.dialogue("backup", "write", "", "0")
    (made,) = bench.stick.glob(f"casemate-*.{STATE}.age")
    digests = [detail["digest"] for _, what, _, detail in bench.log.entries if what == "backup.made"]
    assert len(digests) == 2 and digests[0][:32] in line.text
    assert made.read_bytes()[:21] == b"age-encryption.org/v1"


def test_what_is_redacted() -> None:
    text = redacted(
        'at 2026-11-26T10:00:00.123Z password = "x y" to +39 333 1234567\npin_file: /a\n[x]\nkey=abc 08001234567'
    )
    assert text == "at 2026-11-26T10:00:00.123Z password = *** to ***\npin_file: ***\n[x]\nkey=*** ***\n"


def test_the_recovery_key_is_confirmed_by_typing_it(bench: Bench) -> None:
    from appliance.volume import Escrow, digest

    key = RECOVERY
    assert "this box has no recovery key" in bench.dialogue("recovery", "", "", "0").text
    Escrow(digest(key), NOW_MS).write(bench.home)
    line = bench.dialogue("recovery", "another", "", "recovery", key.upper(), "", "recovery", "", "", "0")
    assert "NOT CONFIRMED" in line.text and "confirmed 20" in line.text and key.upper() not in line.text
    assert [(what, outcome) for _, what, outcome, _ in bench.log.entries[-2:]] == [
        ("recovery.confirmed", "refused"),
        ("recovery.confirmed", "ok"),
    ]


def test_a_box_comes_back_from_the_backup_on_a_stick(bench: Bench) -> None:
    """Unpacked and checked, then wanted by its serial number; an identity that is not the bank's, and a person without the right, change nothing."""
    from appliance.backup import generate, staged
    from appliance.store import open_store

    secret, public = generate()
    values = {"field": {"media": str(bench.stick)}, "backup": {"recipients": [public]}}
    bench.hands.settings = parse(values, bench.home, "test")
    for name in ("keys/keys.db", "access.db"):
        conn = open_store(bench.home / name)
        conn.execute("CREATE TABLE t (v)")
        conn.close()
    bench.dialogue("backup", "write", "", "0")
    before = bench.log.said[:]
    assert "is not on the stick" in bench.dialogue("backup", "restore", "1", "", "", "0").text
    assert "Not done" in bench.dialogue("backup", "restore", "1", generate()[0], "", "0").text
    (keys,) = bench.stick.glob("*.keys.age")
    keys.rename(keys.with_name(keys.name.replace("00Z", "01Z")))  # the archives of a night are some moments apart
    (bench.stick / "identity.txt").write_text(f"# of the bank\n{secret}\n")
    assert "Nothing was done" in bench.dialogue("backup", "restore", "1", "", "SN-2", "", "0").text
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("appliance.field.backups.SPARE_OCTETS", 1 << 60)
        assert "MiB beside what is there" in bench.dialogue("backup", "restore", "1", "", "", "0").text
    assert bench.log.said == before and not (bench.home / staged.FOLDER).exists()
    line = bench.dialogue("backup", "restore", "1", secret, "SN-1", "", "backup", "forget", "", "0")
    assert (
        "as they were packed" in line.text
        and "TAKES ITS PLACE AT THE NEXT START" in line.text
        and secret not in line.text
    )
    assert bench.log.said[-2:] == ["backup.restored"] * 2 and not staged.waiting(bench.home)
    bench.dialogue("backup", "restore", "1", "", "SN-1", "", "0")
    assert staged.waiting(bench.home)
    vic = bench._account("vic", "compliance")
    assert "only who may reset the box" in bench.dialogue("backup", "restore", "", "0", name="vic", secret=vic).text


def test_a_support_bundle_opens_with_its_key_only(bench: Bench, tmp_path: Path) -> None:
    import io
    import tarfile

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs7

    from tests.support.release_keys import Issuer

    key = Issuer("Support", tmp_path / "s").issued("support", private=rsa.generate_private_key(65537, 2048))
    values = {"field": {"media": str(bench.stick), "support_certificate": str(key.certificate)}}
    bench.hands.settings = parse(values, bench.home, "test")
    line = bench.dialogue("support", "yes", "", "0")
    (made,) = bench.stick.glob("support-*.cms")
    assert made.with_suffix(".tlog-proof").read_text().startswith("proof of entry ")
    private = load_pem_private_key(Path(key.key).read_bytes(), None)
    certificate = x509.load_pem_x509_certificate(key.certificate.read_bytes())
    octets = pkcs7.pkcs7_decrypt_der(made.read_bytes(), certificate, private, [])  # type: ignore[arg-type]
    import hashlib

    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    assert digest[:32] in line.text and bench.log.entries[-1][3]["digest"] == digest
    with tarfile.open(fileobj=io.BytesIO(octets)) as tar:
        assert {"status.txt", "processes.json", "casemate.toml"} <= set(tar.getnames())


def test_a_support_bundle_for_an_age_key_has_no_secret_and_no_number(bench: Bench, tmp_path: Path) -> None:
    import io
    import tarfile

    from appliance.backup import generate
    from appliance.backup.age import Reader, identity

    secret, public = generate()
    values = {"field": {"media": str(bench.stick), "support_recipients": [public]}}
    bench.hands.settings = parse(values, bench.home, "test")
    bench.config.write_text('password = "correct horse"\nname = "+39 333 1234567"\n')
    (bench.home / "log").mkdir(parents=True)
    (bench.home / "log/engine.log").write_text("2026-11-26T10:00:00Z to 393331234567 token=abc\n")
    assert "encrypted" in bench.dialogue("support", "yes", "", "0").text
    (made,) = bench.stick.glob("support-*.age")
    with tarfile.open(fileobj=io.BytesIO(Reader(made.open("rb"), identity(secret)).read())) as tar:  # type: ignore[arg-type]
        whole = b"".join(tar.extractfile(name).read() for name in tar.getnames())  # type: ignore[union-attr]
    for word in (b"correct horse", b"1234567", b"abc"):
        assert word not in whole
    assert b"2026-11-26T10:00:00Z to *** token=***" in whole


def test_a_sealed_token_is_opened_at_the_cable(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a person with the PIN, or by custodians; nobody opens one that is open, or that is not his to open."""
    calls: list[tuple[str, dict[str, Any]]] = []
    gate = {"gate": "sealed", "opened_by": "person"}

    def called(process: str, op: str, payload: dict[str, Any]) -> dict[str, Any]:
        calls.append((op, payload))
        return gate if op == "custody" else {"entered": len(calls) // 2, "needed": 2}

    monkeypatch.setattr(bench.hands, "called", called)
    line = bench.dialogue("keys", "pin", "481516", "", "0")
    assert "The token is open." in line.text and "481516" not in line.text
    assert calls[-1] == ("unseal", {"who": "field:ann", "pin": "481516", "once_more": False})
    gate["opened_by"] = "custodians"
    assert "the custodians open this token" in bench.dialogue("keys", "pin", "", "0").text
    assert "the custodians' shares seal the PIN" in bench.dialogue("keys", "change", "", "0").text
    assert calls[-1][0] == "custody", "nothing was asked that would not be done"
    monkeypatch.setattr("appliance.field.keys_page.read_line", lambda n, typed: None)
    calls.clear()
    share = ("keys", "share", "one", "two", "three", "four", "")
    assert "1 of 2 shares are in" in bench.dialogue(*share, "0").text
    calls.append(("", {}))
    assert "The token is open." in bench.dialogue(*share, "0").text
    assert calls[-1] == ("unseal", {"who": "field:ann", "shares": True})
    gate["gate"] = "open"
    assert "there is nothing to open" in bench.dialogue("keys", "pin", "", "0").text


def test_a_ceremony_is_held_at_the_cable(bench: Bench) -> None:
    held: list[tuple[Any, ...]] = []

    class Room:
        def listed(self) -> list[tuple[str, str]]:
            return [("initialise", "The first keys"), ("back-up", "A copy for custodians")]

        def held(self, name: str, terminal: Any, idle_s: float, needed: int, custodians: int, rehearsal: bool) -> Any:
            held.append((name, needed, custodians, rehearsal))
            return name != "back-up", "/place"

    bench.hands.ceremonies = Room()
    assert "Held to its end" in bench.dialogue("keys", "ceremony", "1", "", "", "0").text
    assert "Stopped" in bench.dialogue("keys", "ceremony", "back-up", "hold", "", "0").text
    bench.dialogue("keys", "ceremony", "initialise", "hold", "2", "5", "", "0")
    bench.dialogue("keys", "ceremony", "another", "", "0")
    assert held == [("initialise", 2, 3, True), ("back-up", 0, 0, False), ("initialise", 2, 5, False)]


def test_firmware_of_hardware_by_two_people_at_the_cable(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shown, asked for by one, approved by another, written by the unit; then this entry shows how it went."""
    monkeypatch.setattr("firmware.cabinet.signer", lambda read, authority: VENDOR)
    assert "no cabinet (.cab) is in" in bench.dialogue("hardware", "0").text
    (bench.stick / "webcam.cab").write_bytes(plain())
    line = bench.dialogue("19", "1", "yes", "the vendor closed a hole", "0")
    for words in ("CN=Vendor firmware 2026", "Webcam: 1.2.2 -> 1.2.4", "power cut", "Request 1: another person"):
        assert words in line.text
    assert "who asked cannot approve" in bench.dialogue("hardware", "yes", "0").text
    line = bench.dialogue("hardware", "yes", "0", name="bob", secret=bench._account("bob", "administrator"))
    assert "It is approved." in line.text and (bench.home / "updates/hardware/approved").exists()
    bench.hands.cabinets.apply(1, "cli:root", lambda _: {})
    bench.stick.joinpath("webcam.cab").unlink()
    assert "Webcam: 1.2.2 -> 1.2.4" in bench.dialogue("hardware", "0").text
    bench.stick.joinpath("older.cab").write_bytes(plain("1.2.1"))
    refused = bench.dialogue("hardware", "1", "0").text
    assert "Refused: the device has a newer firmware already" in refused and "menu 4, hardware shows" in refused
    assert bench.fwupd.written and bench.log.said.count("hardware.applied") == 1

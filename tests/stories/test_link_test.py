"""`casemate link test` and `casemate link trace` against simulated operators: what fits, and each way in which something does not."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.appliance import Appliance, wait_for
from tests.support.operator_process import Control, simulated_operator

pytestmark = pytest.mark.stories

NUMBER = "+393331234567"
TEXT = "un testo di prova"
CONFIG = """
[[link]]
name = "good"
profile = "simulator"
host = "127.0.0.1"
port = {plain}
more_hosts = ["localhost:{plain}"]
password_file = "good.password"
window = 20

[[link]]
name = "wrong"
host = "127.0.0.1"
port = {plain}
password_file = "wrong.password"

[[link]]
name = "unlike"
host = "localhost"
port = {tls}
tls = true
tls_ca = "good.pem"

[[link]]
name = "alike"
host = "localhost"
port = {tls}
tls = true
tls_ca = "good.pem"
id_base = "hex_dec"
system_id = "alike"
bind = "pair"

[[link]]
name = "stranger"
host = "localhost"
port = {tls}
tls = true
tls_ca = "other.pem"

[[link]]
name = "clear"
host = "localhost"
port = {tls}
response_s = 1.0

[[link]]
name = "deaf"
host = "127.0.0.1"
port = {closed}

[[route]]
links = ["good"]
"""


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate of `localhost` that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, secret


@pytest.fixture(scope="module")
def operators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Control, Control, Path]]:
    folder = tmp_path_factory.mktemp("tls")
    pem, key = certificate(folder, "good")
    certificate(folder, "other")
    (folder / "password").write_text("geheim12")
    with (
        simulated_operator(password_file=folder / "password") as plain,
        simulated_operator(tls_certificate=pem, tls_key=key, id_form="hex-response-dec-receipt") as tls,
    ):
        yield plain, tls, folder


@pytest.fixture(scope="module")
def box(operators: tuple[Control, Control, Path]) -> Iterator[Appliance]:
    plain, tls, folder = operators
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    box = Appliance(CONFIG.format(plain=plain.port, tls=tls.port, closed=closed))
    for name in ("good.pem", "other.pem"):
        (box.base / name).write_bytes((folder / name).read_bytes())
    (box.base / "good.password").write_text("geheim12\n")
    (box.base / "wrong.password").write_text("falsch00\n")
    with box:
        wait_for("the good link", lambda: state(box, "good")["state"] == "up")
        yield box


def state(box: Appliance, name: str) -> dict[str, Any]:
    return next(link for link in box.state()["links"] if link["name"] == name)


def tried(box: Appliance, name: str, *words: str) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The steps by name, and all of it; the exit code says the same."""
    done = box.casemate("link", "test", name, *words, "--json")
    assert done.returncode in (0, 1), done.stderr
    told = json.loads(done.stdout)
    assert (done.returncode == 0) is told["ok"]
    return {step["name"]: step for step in told["steps"]}, told


def test_a_link_that_works_from_bind_to_receipt(box: Appliance, operators: tuple[Control, Control, Path]) -> None:
    steps, told = tried(box, "good", "--to", NUMBER, "--text", TEXT, "--from", "MYBANK")
    assert told["ok"], told["steps"]
    assert list(steps) == ["connect", "bind", "enquire", "submit", "receipt", "unbind"]
    assert "DELIVRD" in steps["receipt"]["why"]
    names = [pdu["name"] for pdu in told["pdus"]]
    for name in (
        "bind_transceiver",
        "bind_transceiver_resp",
        "enquire_link_resp",
        "submit_sm",
        "submit_sm_resp",
        "unbind",
    ):
        assert name in names
    assert operators[0].received(NUMBER)[0]["text"] == TEXT
    whole = json.dumps(told)
    for secret in (NUMBER[1:], NUMBER[1:].encode().hex(), TEXT, TEXT.encode().hex(), "geheim12"):
        assert secret not in whole
    assert state(box, "good")["state"] == "up", "the link's own bind goes on"


def test_a_bind_without_a_message(box: Appliance) -> None:
    steps, told = tried(box, "good")
    assert told["ok"] and list(steps) == ["connect", "bind", "enquire", "unbind"]
    assert [step["name"] for step in told["steps"]].count("bind") == 2, "each of the operator's addresses is tried"
    shown = box.casemate("link", "test", "good").stdout
    assert "bind_transceiver" in shown and "transceiver accepted" in shown


def test_a_wrong_password_is_named(box: Appliance) -> None:
    steps, told = tried(box, "wrong", "--to", NUMBER)
    assert not told["ok"] and list(steps) == ["connect", "bind"]
    assert "ESME_RINVPASWD" in steps["bind"]["why"] and "password_file" in steps["bind"]["hint"]
    assert "falsch00" not in json.dumps(told)


def test_a_certificate_of_another_authority_is_named(box: Appliance) -> None:
    steps, told = tried(box, "stranger")
    assert not told["ok"] and list(steps) == ["connect"]
    assert "certificate was refused" in steps["connect"]["why"] and "tls_ca" in steps["connect"]["hint"]


def test_a_port_where_nobody_listens(box: Appliance) -> None:
    steps, _ = tried(box, "deaf")
    assert "connection refused" in steps["connect"]["why"]


def test_clear_text_to_a_port_for_tls(box: Appliance) -> None:
    steps, told = tried(box, "clear")
    assert not told["ok"] and "TLS" in steps["bind"]["hint"]


def test_ids_that_do_not_meet_are_told_with_the_setting_under_which_they_do(box: Appliance) -> None:
    steps, told = tried(box, "unlike", "--to", NUMBER)
    assert not told["ok"]
    assert steps["submit"]["ok"] and 'id_base = "hex_dec"' in steps["receipt"]["hint"]


def test_that_setting_mends_it_over_tls_and_two_binds(box: Appliance) -> None:
    steps, told = tried(box, "alike", "--to", NUMBER)
    assert told["ok"], told["steps"]
    assert {pdu["bind"].split()[0] for pdu in told["pdus"]} - {"the"} == {"transmitter", "receiver"}
    assert "DELIVRD" in steps["receipt"]["why"]


def test_what_is_on_record(box: Appliance) -> None:
    tried(box, "good")
    listed = box.casemate("audit", "entries").stdout
    assert "link.tested" in listed and NUMBER[1:] not in listed


def test_a_trace_shows_traffic_masked_and_ends(box: Appliance) -> None:
    assert box.casemate("link", "trace", "good", "--minutes", "1").returncode == 0
    told = box.send(to=NUMBER, text=TEXT, from_="MYBANK")
    box.until(told["id"], "delivered")
    shown = box.casemate("link", "trace", "good").stdout
    assert "-> " in shown and "submit_sm, sequence" in shown and "submit_sm_resp ESME_ROK" in shown
    assert "deliver_sm" in shown and "DELIVRD" in shown
    for secret in (NUMBER[1:], NUMBER[1:].encode().hex(), TEXT, TEXT.encode().hex()):
        assert secret not in shown
    assert state(box, "good")["trace_until_ms"]
    assert box.casemate("link", "trace", "good", "--off").returncode == 0
    assert not state(box, "good")["trace_until_ms"]


def test_traffic_is_not_swallowed_by_a_test(box: Appliance, operators: tuple[Control, Control, Path]) -> None:
    """Receipts that the operator gives to the test's bind go back and reach the link: every message ends delivered."""
    operators[0].behave(receipt_delay_ms="800..1500")
    try:
        sent = [box.send(to=f"+3933300000{n:02}", text="x")["id"] for n in range(40)]
        steps, told = tried(box, "good", "--to", NUMBER)
        assert steps["submit"]["ok"] and told["ok"], told["steps"]
        for message_id in sent:
            box.until(message_id, "delivered")
    finally:
        operators[0].behave(receipt_delay_ms="50..300")


def test_lists_and_drains(box: Appliance) -> None:
    listed = box.casemate("link", "list").stdout
    assert "good" in listed and "last error" in listed
    assert box.casemate("link", "drain", "good").returncode == 0
    assert state(box, "good")["drained"]
    _, told = tried(box, "good")
    assert told["ok"], "a drained link can be tested"
    assert box.casemate("link", "resume", "good").returncode == 0
    wait_for("the good link", lambda: state(box, "good")["state"] == "up")
    assert "transceiver" in box.casemate("link", "show", "good").stdout
    unknown = box.casemate("link", "show", "nobody")
    assert unknown.returncode == 1 and "good" in unknown.stderr

"""The simulated operator as a process, spoken to by two SMPP clients that were not written here, `smpplib` and `smpp34`."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import socket
import ssl
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import smpp34
import smpplib.client
import smpplib.consts
import smpplib.exceptions
import smpplib.gsm
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from appliance import clock
from tests.support.operator_process import simulated_operator, until

LONG = "Gentile cliente, il pagamento di 45,60 € presso [Esercente] è stato autorizzato. " * 4
GREEK = "Αγαπητέ πελάτη, η πληρωμή σας εγκρίθηκε. 😀 " * 5
NUMBER = "393471234567"
ACCOUNTS = itertools.count()


@pytest.fixture(scope="module")
def operator():
    with simulated_operator() as running:
        yield running


@pytest.fixture(autouse=True)
def forget(request):
    if "operator" in request.fixturenames:
        request.getfixturevalue("operator").http.delete("/received")


def kept_in(where):
    def keep(pdu):  # smpplib names its argument
        where.append(pdu)

    return keep


class Phonebook(smpplib.client.Client):
    """smpplib's client that keeps what it hears."""

    def __init__(self, operator):
        super().__init__(operator.host, operator.port, timeout=5, allow_unknown_opt_params=True)
        self.answers, self.delivers, self.queries = [], [], []
        self.set_message_sent_handler(kept_in(self.answers))
        self.set_message_received_handler(kept_in(self.delivers))
        self.set_query_resp_handler(kept_in(self.queries))
        self.set_error_pdu_handler(lambda pdu: None)  # an answer with an error is kept as an answer

    def send(self, text, to=NUMBER, use_udhi=True):
        parts, coding, esm_class = smpplib.gsm.make_parts(text, use_udhi=use_udhi)
        for part in parts:
            self.send_message(
                source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
                source_addr="Banca",
                dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
                dest_addr_npi=smpplib.consts.SMPP_NPI_ISDN,
                destination_addr=to,
                short_message=part,
                data_coding=coding,
                esm_class=esm_class,
                registered_delivery=True,
            )
        return len(parts)

    def hear(self, answers=0, delivers=0):
        while len(self.answers) < answers or len(self.delivers) < delivers:
            self.read_once(auto_send_enquire_link=False)


@contextmanager
def bound(operator, kind="transceiver", **credentials):
    client = Phonebook(operator)
    client.connect()
    # An account of its own unless one is named: receipts that one test left behind wait for their own account.
    getattr(client, f"bind_{kind}")(**{"system_id": f"bank{next(ACCOUNTS)}", "password": "secret", **credentials})
    try:
        yield client
    finally:
        client.disconnect()


@pytest.mark.parametrize("text", ["Il codice è 123456 €", LONG, GREEK, "x"])
def test_smpplib_sends_and_the_handset_shows_it(operator, text):
    with bound(operator) as client:
        parts = client.send(text)
        client.hear(answers=parts, delivers=parts)
        assert [p.status for p in client.answers] == [0] * parts
        (shown,) = operator.received(f"+{NUMBER}")
        assert (shown["to"], shown["from"], shown["text"]) == (f"+{NUMBER}", "Banca", text)
        assert shown["at"][:10] in (
            clock.day_name(clock.day_of(clock.now_ms())),
            clock.rfc3339(clock.now_ms() - 60_000)[:10],
        )
        ids = {p.message_id for p in client.answers}
        assert {p.receipted_message_id for p in client.delivers} == ids
        receipt = client.delivers[0]
        assert receipt.esm_class == 4 and receipt.message_state == smpplib.consts.SMPP_MESSAGE_STATE_DELIVERED
        assert b"stat:DELIVRD err:000" in receipt.short_message
        assert receipt.source_addr == NUMBER.encode() and receipt.destination_addr == b"Banca"
        client.query_message(message_id=client.answers[0].message_id.decode(), source_addr="")
        while not client.queries:
            client.read_once(auto_send_enquire_link=False)
        assert client.queries[0].message_state == smpplib.consts.SMPP_MESSAGE_STATE_DELIVERED
        client.unbind()


def test_a_plus_in_the_address_bar_is_a_plus_or_a_blank(operator):
    with bound(operator) as client:
        client.send("ciao")
        client.hear(answers=1)
    for query in (f"to=+{NUMBER}", f"to=%2B{NUMBER}", f"to={NUMBER}", ""):
        assert [m["text"] for m in operator.http.get(f"/received?{query}").json()] == ["ciao"]
    assert operator.http.get("/received?to=+390000000").json() == []


def test_receipts_find_their_way_to_a_separate_receiver(operator):
    with bound(operator, "transmitter", system_id="pair") as sender:
        sender.send("ciao")
        sender.hear(answers=1)
        with bound(operator, "receiver", system_id="pair") as receiver:
            receiver.hear(delivers=1)
            assert receiver.delivers[0].receipted_message_id == sender.answers[0].message_id


def test_a_customer_writes(operator):
    with bound(operator) as client:
        text = "Perché questo addebito? " * 12
        answer = operator.http.post("/inbound", json={"from": f"+{NUMBER}", "to": "4399", "text": text})
        assert (answer.status_code, answer.json()) == (202, {"parts": 2})
        client.hear(delivers=2)
        bodies = [d.short_message for d in client.delivers]
        assert [b[:3] for b in bodies] == [b"\5\0\3"] * 2 and [b[5] for b in bodies] == [1, 2]
        assert "".join(smpplib.gsm.GSM_CHARACTER_TABLE[o] for b in bodies for o in b[6:]) == text
        assert client.delivers[0].source_addr == NUMBER.encode() and client.delivers[0].destination_addr == b"4399"


def test_smpp34_speaks_with_it_too(operator):
    async def story():
        client = smpp34.Client(operator.host, operator.port, "rust", "secret", bind_type="TRX")
        session = await client.connect()
        answers = [
            await session.submit_sm(f"39347000{n:04d}", b"codice %d" % n, source_addr="Banca", source_addr_ton=5, dest_addr_ton=1,
                                    dest_addr_npi=1, registered_delivery=1)
            for n in range(50)
        ]  # fmt: skip
        assert all(a.is_success for a in answers) and len({a.message_id for a in answers}) == 50
        receipts = [await asyncio.wait_for(session.next(), 5) for _ in range(50)]
        ids = {t.as_string() for r in receipts for t in r.tlvs if t.tag == smpp34.TLV_RECEIPTED_MESSAGE_ID}
        assert ids == {a.message_id for a in answers}
        operator.http.post("/inbound", json={"from": f"+{NUMBER}", "to": "4399", "text": "STOP"})
        heard = await asyncio.wait_for(session.next(), 5)
        assert (heard.source_addr, heard.destination_addr, heard.short_message) == (NUMBER, "4399", b"STOP")
        too_long = await session.submit_sm(NUMBER, b"x" * 161, registered_delivery=1)
        assert too_long.command_status == smpp34.ESME_RINVMSGLEN
        await session.unbind()
        await client.stop()

    asyncio.run(asyncio.wait_for(story(), 30))
    assert operator.received("+393470000007")[0]["text"] == "codice 7"


def test_behaviour_changes_while_it_runs(operator):
    try:
        with bound(operator) as client:
            operator.behave(throttle_rate=1.0)
            client.send("a")
            client.hear(answers=1)
            operator.behave(throttle_rate=0.0, fail_rate=1.0, id_form="hex-response-dec-receipt", receipt_format="text")
            client.send("b")
            client.hear(answers=2, delivers=1)
            assert [p.status for p in client.answers] == [smpplib.consts.SMPP_ESME_RTHROTTLED, 0]
            number = int(client.answers[1].message_id, 16)
            assert client.delivers[0].short_message.startswith(f"id:{number} ".encode())
            assert b"DELIVRD" not in client.delivers[0].short_message
            assert operator.http.get("/received").json() == []
    finally:
        operator.behave(fail_rate=0.0, id_form="dec", receipt_format="both")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/behaviour", b"{", 400, "malformed"),
        ("POST", "/behaviour", b"[" * 50_000, 400, "malformed"),
        ("POST", "/behaviour", b"[]", 400, "malformed"),
        ("POST", "/behaviour", b'{"fail_rate": 2}', 422, "invalid"),
        ("POST", "/behaviour", b'{"listen": "0.0.0.0:1"}', 422, "invalid"),
        ("POST", "/inbound", b'{"from": "1"}', 422, "invalid"),
        ("POST", "/inbound", b'{"from": "1", "to": "2", "text": "x", "more": 1}', 422, "invalid"),
        ("POST", "/inbound", b'{"from": "1", "to": "2", "text": "\\ud800"}', 202, None),
        ("POST", "/inbound", b"x" * 70_000, 413, "too_large"),
        ("GET", "/received?limit=-1", None, 422, "invalid"),
        ("GET", "/nothing", None, 404, "not_found"),
        ("PUT", "/counters", None, 405, "method_not_allowed"),
    ],
)  # fmt: skip
def test_the_control_says_what_is_wrong(operator, method, path, body, status, code):
    answer = operator.http.request(method, path, content=body)
    assert answer.status_code == status
    assert answer.json().get("code") == code
    if status == 202:  # it waits for a receiver: take it away
        with bound(operator) as client:
            client.hear(delivers=1)


def test_nonsense_on_the_wire_ends_a_connection_at_most(operator):
    for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x05", b"\xff" * 100, b"\0\0\0\x10" + b"\0\0\0\xff" + bytes(8)):
        with socket.create_connection((operator.host, operator.port), 5) as wire:
            wire.sendall(nonsense)
            assert wire.recv(100)[4:8] == b"\x80\0\0\0"  # generic_nack
    with bound(operator) as client:
        client.send("still there")
        client.hear(answers=1)
        assert client.answers[0].status == 0


def test_dropped_connections_and_the_journal(tmp_path):
    journal = tmp_path / "journal"
    with simulated_operator(drop_after=3, journal=journal, seed=7) as operator:
        with bound(operator, system_id="bank") as client, pytest.raises(smpplib.exceptions.ConnectionError):
            for n in range(3):
                client.send(f"codice {n}")
            client.hear(answers=3)
        lines = [line.split("\t") for line in journal.read_text().splitlines()]
        assert [line[3] for line in lines] == [hashlib.sha256(b"codice %d" % n).hexdigest() for n in range(3)]
        with bound(operator, system_id="bank") as client:
            client.hear(delivers=3)  # what was taken is delivered and receipted, answered or not
            assert {d.receipted_message_id.decode() for d in client.delivers} == {line[0] for line in lines}
            assert operator.http.post("/drop").json() == {"dropped": 1}
            with pytest.raises(smpplib.exceptions.ConnectionError):
                client.hear(delivers=4)
        assert until(operator.counters, lambda c: c["connections"] == 0)["dropped"] == 2


def test_who_may_bind(tmp_path):
    (tmp_path / "password").write_text("secret\n")
    with simulated_operator(system_id="bank", password_file=tmp_path / "password") as operator:
        for wrong in ({"system_id": "other"}, {"system_id": "bank", "password": "wrong"}):
            with pytest.raises(smpplib.exceptions.PDUError), bound(operator, **wrong):
                pass
        with bound(operator, system_id="bank") as client:
            client.send("ciao")
            client.hear(answers=1, delivers=1)


def test_over_tls(tmp_path):
    certificate, key = self_signed(tmp_path)
    with simulated_operator(tls_certificate=certificate, tls_key=key) as operator:
        context = ssl.create_default_context(cafile=str(certificate))
        client = Phonebook(operator)
        client._socket = context.wrap_socket(socket.socket(), server_hostname="localhost")
        client.connect()
        client.bind_transceiver(system_id="bank", password="")
        client.send("ciao")
        client.hear(answers=1, delivers=1)
        client.disconnect()


def self_signed(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.fromtimestamp(clock.now_ms() / 1000, UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(*pem))
    return folder / "certificate.pem", folder / "key.pem"


def test_an_address_in_use_is_named(operator):
    command = [sys.executable, "-m", "appliance.cli", "simulate", "operator"]
    for flags in (("--listen", f"127.0.0.1:{operator.port}", "--control", "127.0.0.1:0"), ("--listen", "0.0.0.0:0")):
        ended = subprocess.run([*command, *flags], capture_output=True, text=True, timeout=20, check=False)
        assert ended.returncode != 0
        assert "Traceback" not in ended.stderr and ("cannot listen" in ended.stderr or "clear text" in ended.stderr)

"""The SMPP door as the bank's systems meet it: binds, submits of every kind, receipts whatever dies, and what is refused."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import smpplib.client
import smpplib.consts
import smpplib.exceptions
import smpplib.gsm

from appliance.smpp import destinations, failures, pack_destinations, spec
from appliance.text import parts_with_udh
from tests.support.appliance import Appliance, wait_for
from tests.support.core_system import CoreSystem, id_of, receipted

pytestmark = pytest.mark.stories

LONG = "Gentile cliente, il bonifico di 1.250,00 euro è stato eseguito. " * 6


@pytest.fixture(scope="module")
def box() -> Iterator[Appliance]:
    with Appliance() as box:
        yield box


@pytest.fixture
def core(box: Appliance) -> Iterator[CoreSystem]:
    with bound(box) as core:
        yield core


def bound(
    box: Appliance, tls: ssl.SSLContext | None = None, command: int = spec.BIND_TRANSCEIVER, mute: bool = False
) -> CoreSystem:
    """A bind of the demo's account; `mute`: it never answers a deliver_sm."""
    core = CoreSystem(box.env["CASEMATE_DOOR"], tls)
    if mute:
        core.answer = lambda pdu: None
    assert core.bind(box.env["CASEMATE_DOOR_SYSTEM_ID"], box.env["CASEMATE_DOOR_PASSWORD"], command) == 0
    return core


def again(box: Appliance) -> CoreSystem:
    """A bind as soon as the door is there again."""

    def tried() -> CoreSystem | None:
        try:
            return bound(box)
        except (OSError, AssertionError):
            return None

    made: CoreSystem = wait_for("the door to be back", tried, 30, 0.2)
    return made


def at_handset(box: Appliance, to: str, count: int = 1) -> list[dict[str, str]]:
    def shown() -> list[dict[str, str]] | None:
        found = box.operator.get("/received", params={"to": to}).json()
        return found if len(found) >= count else None

    found: list[dict[str, str]] = wait_for("the handset to show it", shown)
    assert len(found) == count
    return found


def account(box: Appliance, name: str, *words: str) -> str:
    """A new account's password."""
    made = box.casemate("door", "account", "create", name, "--api-key", "1", "--json", *words)
    assert made.returncode == 0, made.stderr
    password: str = json.loads(made.stdout)["password"]
    return password


# --- one message ------------------------------------------------------------------------------------------
def test_a_message_its_receipt_and_what_rest_says(box: Appliance, core: CoreSystem) -> None:
    message_id = id_of(core.submit("393331000001", b"Ciao", priority_flag=3))
    core.until(lambda: message_id in core.receipts)
    assert core.receipts[message_id] == spec.STATE_DELIVERED
    (receipt,) = [p for p in core.delivers if receipted(p) == message_id]
    assert (receipt.fields["source_addr"], receipt.fields["destination_addr"]) == (b"393331000001", b"BANCA")
    assert f"id:{message_id} ".encode() in bytes(receipt.fields["short_message"])  # type: ignore[arg-type]
    assert at_handset(box, "+393331000001")[0]["text"] == "Ciao"
    found = box.message(message_id)
    assert (found["status"], found["class"], found["from"]) == ("delivered", "otp", "BANCA")
    asked = core.ask(spec.QUERY_SM, message_id=message_id.encode())
    assert (asked.status, asked.fields["message_state"]) == (0, spec.STATE_DELIVERED)


def test_a_library_that_nobody_here_wrote(box: Appliance) -> None:
    host, _, port = box.env["CASEMATE_DOOR"].rpartition(":")
    client = smpplib.client.Client(host, int(port), timeout=20, allow_unknown_opt_params=True)
    sent: list[Any] = []
    receipts: list[Any] = []
    client.set_message_sent_handler(lambda pdu, **_: sent.append(pdu))
    client.set_message_received_handler(lambda pdu, **_: receipts.append(pdu) and None)
    client.connect()
    client.bind_transceiver(system_id=box.env["CASEMATE_DOOR_SYSTEM_ID"], password=box.env["CASEMATE_DOOR_PASSWORD"])
    parts, coding, esm_class = smpplib.gsm.make_parts(LONG)
    assert len(parts) > 1
    for part in parts:
        client.send_message(
            source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
            source_addr="BANCA",
            dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
            destination_addr="393331000002",
            short_message=part,
            data_coding=coding,
            esm_class=esm_class,
            registered_delivery=True,
        )
    until = time.monotonic() + 20
    while (len(sent) < len(parts) or len(receipts) < len(parts)) and time.monotonic() < until:
        client.read_once()
    assert {r.receipted_message_id for r in receipts} == {s.message_id for s in sent}
    client.unbind()
    client.disconnect()
    assert at_handset(box, "+393331000002")[0]["text"] == LONG


@pytest.mark.parametrize("bits", [8, 16])
def test_parts_one_by_one_are_one_message(box: Appliance, core: CoreSystem, bits: int) -> None:
    """The complaint: a server that answers parts only when all are there stops a client whose window is one."""
    to = f"39333100001{bits % 10}"
    parts = parts_with_udh(0, LONG.replace("è", "e").encode(), 77, bits)
    ids = [id_of(core.submit(to, octets, esm_class=0x40)) for octets in reversed(parts)]
    assert len(set(ids)) == len(parts)
    core.until(lambda: set(ids) <= set(core.receipts))
    assert at_handset(box, "+" + to)[0]["text"] == LONG.replace("è", "e")
    asked = core.ask(spec.QUERY_SM, message_id=ids[0].encode())
    assert asked.fields["message_state"] == spec.STATE_DELIVERED
    assert box.message(ids[0][:36])["segments"] == len(parts)


def test_parts_by_parameters_and_a_whole_payload(box: Appliance, core: CoreSystem) -> None:
    text = LONG.encode("latin-1")
    pieces = [text[k : k + 200] for k in range(0, len(text), 200)]
    for number, piece in enumerate(pieces, 1):
        tlvs = {0x20C: b"\0\x09", 0x20E: bytes((len(pieces),)), 0x20F: bytes((number,))}
        id_of(core.submit("393331000021", piece, data_coding=3, tlvs=tlvs))
    payload = LONG.encode("utf-16-be")
    id_of(core.submit("393331000022", b"", data_coding=8, tlvs={spec.TLV_MESSAGE_PAYLOAD: payload}))
    id_of(core.submit("393331000023", b"", spec.DATA_SM, data_coding=8, tlvs={spec.TLV_MESSAGE_PAYLOAD: payload}))
    for to in ("+393331000021", "+393331000022", "+393331000023"):
        assert at_handset(box, to)[0]["text"] == LONG


def test_many_at_once_and_which_of_them_were_refused(box: Appliance, core: CoreSystem) -> None:
    where = pack_destinations([(1, 1, b"393331000031"), (2, 1, b"3331000032"), (1, 1, b"393331000033"), (1, 1, b"99")])
    answer = core.submit("", b"A tutti", spec.SUBMIT_MULTI, dest_addresses=where)
    message_id = id_of(answer)
    refused = failures(bytes(answer.fields["unsuccess_smes"]))  # type: ignore[arg-type]
    assert [(address, status) for _, _, address, status in refused] == [
        (b"3331000032", 0x50),
        (b"99", spec.ESME_RINVDSTADR),
    ]
    told = {(b"393331000031", message_id), (b"393331000033", message_id)}
    core.until(lambda: told <= {(p.fields["source_addr"], receipted(p)) for p in core.delivers})
    lists = core.submit("", b"x", spec.SUBMIT_MULTI, dest_addresses=pack_destinations([(-1, -1, b"all")]))
    assert lists.status == 0x44
    assert destinations(where)[0] == (1, 1, b"393331000031")


def test_what_has_not_left_can_be_replaced(box: Appliance, core: CoreSystem) -> None:
    message_id = id_of(core.submit("393331000042", b"Domani", schedule_delivery_time=b"000001000000000R"))

    def replaced(text: bytes, **more: bytes) -> int:
        fields = {"source_addr_ton": 5, "source_addr": b"BANCA", "registered_delivery": 1, "short_message": text}
        return core.ask(spec.REPLACE_SM, message_id=message_id.encode(), **(fields | more)).status  # type: ignore[arg-type]

    assert replaced(b"Dopodomani") == 0
    assert box.message(message_id)["status"] == "scheduled"
    assert replaced(b"Adesso", schedule_delivery_time=b"000000000001000R") == 0
    assert [m["text"] for m in at_handset(box, "+393331000042")] == ["Adesso"]
    core.until(lambda: core.receipts.get(message_id) == spec.STATE_DELIVERED)
    assert replaced(b"Mai") == 0x13
    assert ("scheduled", "replaced") in [(e["status"], e.get("detail")) for e in box.message(message_id)["events"]]


def test_what_has_not_left_can_be_cancelled(box: Appliance, core: CoreSystem) -> None:
    message_id = id_of(core.submit("393331000041", b"Domani", schedule_delivery_time=b"000001000000000R"))
    assert box.message(message_id)["status"] == "scheduled"
    assert core.ask(spec.CANCEL_SM, message_id=message_id.encode()).status == 0
    core.until(lambda: core.receipts.get(message_id) == spec.STATE_DELETED)
    assert core.ask(spec.CANCEL_SM, destination_addr=b"393331000041").status == 0x11
    assert core.ask(spec.CANCEL_SM, message_id=b"0" * 36).status == spec.ESME_RINVMSGID
    foreign = box.casemate("apikey", "create", "other")
    assert foreign.returncode == 0, foreign.stderr
    token = next(word for word in foreign.stdout.split() if word.startswith("cm_"))
    theirs = box.client(token).post("/v1/messages", json={"to": "+393331000042", "text": "x"}).json()["id"]
    assert core.ask(spec.QUERY_SM, message_id=theirs.encode()).status == spec.ESME_RINVMSGID


def test_customers_write_to_the_bank(box: Appliance, core: CoreSystem) -> None:
    answer = box.operator.post("/inbound", json={"from": "+393331000051", "to": "48000", "text": "STOP è"})
    assert answer.status_code < 300
    core.until(lambda: any(not p.fields["esm_class"] for p in core.delivers))
    (heard,) = [p for p in core.delivers if not p.fields["esm_class"]]
    assert (heard.fields["source_addr"], heard.fields["destination_addr"]) == (b"393331000051", b"48000")
    assert heard.fields["short_message"] == b"STOP \x04"


# --- what is refused --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"destination_addr": b"99"}, spec.ESME_RINVDSTADR),
        ({"dest_addr_ton": 2, "destination_addr": b"3331234567"}, 0x50),
        ({"source_addr": b"x" * 12}, spec.ESME_RINVSRCADR),
        ({"short_message": b""}, spec.ESME_RINVMSGLEN),
        ({"data_coding": 4}, 0x104),
        ({"esm_class": 0x40}, 0x43),
        ({"validity_period": b"000000000001000R"}, spec.ESME_RINVEXPIRY),
        ({"schedule_delivery_time": b"200101000000000+"}, spec.ESME_RINVSCHED),
        ({"tlvs": {spec.TLV_MESSAGE_PAYLOAD: b"x" * 5_000}, "short_message": b""}, spec.ESME_RINVMSGLEN),
    ],
)
def test_a_submit_that_cannot_be_is_answered_and_the_bind_stays(
    core: CoreSystem, more: dict[str, Any], status: int
) -> None:
    assert core.submit("393331000061", b"x", **more).status == status
    assert core.ask(spec.ENQUIRE_LINK).status == 0


def test_a_wrong_name_and_a_wrong_password_look_alike(box: Appliance) -> None:
    password = account(box, "guessed")
    for name, word in (("guessed", "wrong"), ("nobody", password), ("nobody", "wrong")):
        with CoreSystem(box.env["CASEMATE_DOOR"]) as core:
            assert core.bind(name, word) == spec.ESME_RINVPASWD
            core.hear(1.0)
            assert core.closed
    entries = box.casemate("audit", "entries", "--what", "door.refused", "--json")
    assert entries.returncode == 0, entries.stderr
    refused = [line for line in entries.stdout.splitlines() if "door.refused" in line]
    assert len(refused) == 1, "once a minute, and never what was presented"


def test_an_account_comes_from_its_networks_only(box: Appliance) -> None:
    password = account(box, "elsewhere", "--allow", "192.0.2.0/24")
    with CoreSystem(box.env["CASEMATE_DOOR"]) as core:
        assert core.bind("elsewhere", password) == spec.ESME_RINVPASWD


def test_an_account_has_so_many_binds_and_so_fast(box: Appliance) -> None:
    password = account(box, "slow", "--binds", "1", "--rate", "5", "--window", "50")
    with CoreSystem(box.env["CASEMATE_DOOR"]) as core, CoreSystem(box.env["CASEMATE_DOOR"]) as more:
        assert core.bind("slow", password) == 0
        assert more.bind("slow", password) == spec.ESME_RALYBND
        statuses = [core.submit("393331000071", b"x", registered_delivery=0).status for _ in range(12)]
        assert statuses[:5] == [0] * 5
        assert spec.ESME_RTHROTTLED in statuses
        assert box.casemate("door", "account", "revoke", "slow").returncode == 0
        core.until(lambda: core.closed)


# --- whatever dies ----------------------------------------------------------------------------------------
def test_receipts_wait_for_a_system_that_is_away(box: Appliance) -> None:
    with bound(box, command=spec.BIND_TRANSMITTER) as core:
        ids = {id_of(core.submit(f"39333100008{n}", b"x")) for n in range(5)}
        for message_id in ids:
            box.until(message_id, "delivered")
        assert core.delivers == []
        assert core.ask(spec.UNBIND).status == 0
    with bound(box, command=spec.BIND_RECEIVER, mute=True) as core:
        core.until(lambda: set(core.receipts) >= ids)
    with bound(box, command=spec.BIND_RECEIVER) as core:
        core.until(lambda: set(core.receipts) >= ids)
    with bound(box) as core:
        core.hear(0.5)
        assert not ids & set(core.receipts), "told once it was answered, never again"


def test_a_part_that_was_answered_survives_the_door(box: Appliance) -> None:
    parts = parts_with_udh(0, b"Meta prima, meta dopo. " * 12, 5, 8)
    with bound(box) as core:
        ids = [id_of(core.submit("393331000091", parts[0], esm_class=0x40))]
        box.kill("door")
    with again(box) as core:
        ids += [id_of(core.submit("393331000091", octets, esm_class=0x40)) for octets in parts[1:]]
        assert len({i[:36] for i in ids}) == 1
        core.until(lambda: set(ids) <= set(core.receipts))
    assert at_handset(box, "+393331000091")[0]["text"] == "Meta prima, meta dopo. " * 12


@pytest.mark.parametrize("victim", ["door", "engine"])
def test_nothing_that_was_answered_is_lost(box: Appliance, victim: str) -> None:
    core = bound(box)
    for n in range(600):
        try:
            core.say(spec.SUBMIT_SM, **_plain(n))
            if n % 50 == 49:
                core.hear(0.05)
            if n == 300:
                core.until(lambda: any(pdu.command_id == spec.SUBMIT_SM_RESP for pdu in core.answers.values()))
                box.kill(victim)
        except OSError:
            break
    with core:
        until = time.monotonic() + 3
        while not core.closed and time.monotonic() < until:
            core.hear(0.1)
    accepted = {id_of(pdu) for pdu in core.answers.values() if pdu.command_id == spec.SUBMIT_SM_RESP and not pdu.status}
    assert accepted
    with again(box) as core:

        def well() -> bool:
            return core.submit("393331000099", b"x").status == 0

        wait_for("submits to be taken again", well, 30, 0.2)
    found = box.settled(also=frozenset({"indeterminate", "scheduled"}))
    assert accepted <= set(found)
    assert {found[i] for i in accepted} <= {"delivered", "indeterminate"}


def _plain(n: int) -> dict[str, Any]:
    return {
        "source_addr_ton": 5, "source_addr": b"BANCA", "dest_addr_ton": 1, "destination_addr": b"39333200%04d" % n,
        "short_message": b"Messaggio %d" % n, "registered_delivery": 0,
    }  # fmt: skip


# --- TLS --------------------------------------------------------------------------------------------------
def test_over_tls_and_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    lines = [f'{name} = "{path}"' for name, path in (("tls_certificate", certificate), ("tls_key", key))]
    config = "\n".join(["[door]", *lines, f'client_ca = "{certificate}"', ""])
    context = ssl.create_default_context(cafile=str(certificate))
    with Appliance(config=config) as box:
        with pytest.raises((ssl.SSLError, OSError, AssertionError)):
            bound(box, context)  # without one it is refused
        context.load_cert_chain(certificate, key)
        with bound(box, context) as core:
            message_id = id_of(core.submit("393331234567", b"Ciao"))
            core.until(lambda: message_id in core.receipts)


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate that is its own authority, for both sides."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "casemate")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(secret.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(secret, hashes.SHA256())
    )  # fmt: skip
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate, key

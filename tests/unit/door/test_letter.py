"""What letters look like on the wire: receipts and customers' messages, read back with our own reader and byte by byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.access import DoorAccount
from appliance.door.book import INBOUND, Letter
from appliance.door.letter import STATS, inbound, network_error, receipts, recoded
from appliance.message import (
    CANCELLED,
    DELIVERED,
    EXPIRED,
    FAILED,
    FINAL,
    GSM7,
    REJECTED,
    UNDELIVERED,
    Content,
    DoorNote,
    id_text,
    new_ids,
)
from appliance.settings import parse
from appliance.smpp import Deliver, ReceiptReader, parse_deliver, spec
from appliance.text import encode

parse_receipt = ReceiptReader(parse({"link": [{"name": "op", "host": "h"}]}, Path(), "test").links[0]).read
AT = 1_795_000_000_000  # 2026-11-18 11:06:40 UTC
ID = new_ids(1, AT)[0]
ACCOUNT = DoorAccount(1, "core", 1)
NOTE = DoorNote((5, 0, "BANK"), (1, 1, "393331234567"), [])


def letter(status: int = DELIVERED, error: str = "", recipient: str = "") -> Letter:
    return Letter(1, 1, ID, status, AT + 120_000, error, recipient, "op", 1, b"", b"", AT)


def content(text: str = "Your code is 123456, do not share it", note: DoorNote | None = NOTE) -> Content:
    encoding, payload, _ = encode(text)
    return Content(encoding, payload, door=note)


def heard(body: bytes) -> Deliver:
    frame = (16 + len(body)).to_bytes(4, "big") + spec.DELIVER_SM.to_bytes(4, "big") + bytes(4) + b"\0\0\0\1" + body
    return parse_deliver(frame)


def test_a_receipt_is_what_appendix_b_says_with_addresses_swapped_and_no_word_of_the_message() -> None:
    (body,) = receipts(letter(), content(), ACCOUNT)
    deliver = heard(body)
    assert (deliver.source, deliver.source_ton, deliver.dest, deliver.dest_ton) == ("393331234567", 1, "BANK", 5)
    assert deliver.esm_class == 0x04 and deliver.data_coding == 0
    name = id_text(ID)
    assert (
        deliver.short_message
        == (
            f"id:{name} sub:001 dlvrd:001 submit date:2611181106 done date:2611181108 stat:DELIVRD err:000 text:"
        ).encode()
    )
    assert deliver.tlvs[spec.TLV_RECEIPTED_MESSAGE_ID] == name.encode() + b"\0"
    assert deliver.tlvs[spec.TLV_MESSAGE_STATE] == b"\2" and spec.TLV_NETWORK_ERROR_CODE not in deliver.tlvs


@pytest.mark.parametrize(
    ("status", "error", "word", "state", "err", "network"),
    [
        (DELIVERED, "", "DELIVRD", 2, "000", None),
        (UNDELIVERED, "UNDELIV 034", "UNDELIV", 5, "034", 34),
        (UNDELIVERED, "UNDELIV", "UNDELIV", 5, "001", None),
        (FAILED, "no route", "UNDELIV", 5, "002", None),
        (EXPIRED, "validity ended before it left", "EXPIRED", 3, "003", None),
        (REJECTED, "ESME_RINVDSTADR", "REJECTD", 8, "004", None),
        (REJECTED, "REJECTD 4711", "REJECTD", 8, "999", 4711),
        (CANCELLED, "", "DELETED", 4, "005", None),
    ],
)
def test_each_final_status_has_its_word_state_and_error(
    status: int, error: str, word: str, state: int, err: str, network: int | None
) -> None:
    deliver = heard(receipts(letter(status, error), content(), ACCOUNT)[0])
    read = parse_receipt(deliver)
    assert read is not None and (read.stat, read.state, read.error) == (word, state, err) and read.final
    told = deliver.tlvs.get(spec.TLV_NETWORK_ERROR_CODE)
    assert told == (None if network is None else b"\3" + network.to_bytes(2, "big"))


def test_every_final_status_is_in_the_table() -> None:
    assert set(STATS) == FINAL


@pytest.mark.parametrize("error", ["0x00000411", "a1b2", "", "v34"])
def test_what_is_no_number_of_an_operator_is_not_one(error: str) -> None:
    assert network_error(error) is None


def test_each_part_that_was_submitted_has_a_receipt_with_its_own_id() -> None:
    note = DoorNote(NOTE.source, NOTE.dest, ["a-1", "a-2", "a-3"], "OTP")
    bodies = receipts(letter(), content(note=note), ACCOUNT)
    read = [parse_receipt(heard(body)) for body in bodies]
    assert [r.message_id for r in read if r is not None] == ["a-1", "a-2", "a-3"]
    assert all(body.startswith(b"OTP\0") for body in bodies)


def test_an_account_may_have_receipts_in_optional_parameters_only_or_with_the_first_words() -> None:
    deliver = heard(receipts(letter(), content(), replace(ACCOUNT, receipt_text=False))[0])
    assert deliver.short_message == b"" and parse_receipt(deliver) is not None
    wordy = replace(ACCOUNT, receipt_body=True)
    assert heard(receipts(letter(), content(), wordy)[0]).short_message.endswith(b"text:Your code is 123456,")
    greek = content("Ωμέγα costs 5 €")
    assert heard(receipts(letter(), greek, wordy)[0]).short_message.endswith(b"text:\x15???? costs 5 \x1be")
    latin = replace(wordy, alphabet="latin1")
    assert heard(receipts(letter(), greek, latin)[0]).short_message.endswith(b"text:????? costs 5 ?")


def test_a_message_whose_note_is_gone_still_has_its_receipt() -> None:
    read = parse_receipt(heard(receipts(letter(), content(note=None), ACCOUNT)[0]))
    assert read is not None and read.message_id == id_text(ID)


def came(
    octets: bytes, data_coding: int = 0, esm_class: int = 0, tlvs: dict[int, bytes] | None = None
) -> dict[str, Any]:
    named = {str(tag): value for tag, value in (tlvs or {}).items()}
    return {"esm_class": esm_class, "data_coding": data_coding, "short_message": octets, "tlvs": named}


def written(given: dict[str, Any], account: DoorAccount = ACCOUNT, alphabet: str = "gsm7") -> Deliver:
    return heard(inbound(letter(INBOUND, recipient="4040"), "+393331234567", given, account, alphabet))


def test_a_customers_message_has_its_addresses_and_the_same_reference_at_every_repetition() -> None:
    deliver = written(came(b"STOP"))
    assert (deliver.source, deliver.source_ton, deliver.dest, deliver.dest_ton) == ("393331234567", 1, "4040", 3)
    assert deliver.esm_class == 0 and deliver.short_message == b"STOP"
    assert deliver.tlvs[spec.TLV_USER_MESSAGE_REFERENCE] == ID[-2:]


LATIN1 = replace(ACCOUNT, alphabet="latin1")


@pytest.mark.parametrize(
    ("coding", "octets", "link", "account", "expected"),
    [
        (0, b"\0\x02 5", "gsm7", ACCOUNT, (0, b"\0\x02 5")),  # the same alphabet: as it came
        (0, b"\0\x02 5", "gsm7", LATIN1, (0, "@$ 5".encode("latin-1"))),
        (0, "@ü".encode("latin-1"), "latin1", ACCOUNT, (0, b"\0\x7e")),
        (0, b"\x1be5", "gsm7", LATIN1, (8, "€5".encode("utf-16-be"))),
        (3, "ç õ".encode("latin-1"), "gsm7", ACCOUNT, (8, "ç õ".encode("utf-16-be"))),
        (3, "ü".encode("latin-1"), "gsm7", LATIN1, (0, "ü".encode("latin-1"))),
        (0xF0, b"\0", "gsm7", LATIN1, (0, b"@")),
        (8, "Ω".encode("utf-16-be"), "gsm7", LATIN1, (8, "Ω".encode("utf-16-be"))),
        (4, b"\xff\x00", "gsm7", ACCOUNT, (4, b"\xff\x00")),
        (0xF5, b"\xff\x00", "gsm7", ACCOUNT, (0xF5, b"\xff\x00")),
        (0, b"\xff", "gsm7", LATIN1, (0, b"\xff")),  # no septets at all: as it came, rather than lost
        (0, b"", "gsm7", LATIN1, (0, b"")),
        (0, bytes.fromhex("d4f29c0e"), "gsm7_packed", ACCOUNT, (0, b"Test")),
    ],
)
def test_text_comes_in_the_accounts_alphabet_or_in_ucs2(
    coding: int, octets: bytes, link: str, account: DoorAccount, expected: tuple[int, bytes]
) -> None:
    deliver = written(came(octets, coding), account, link)
    assert (deliver.data_coding, deliver.short_message) == expected


def test_parts_of_a_long_message_stay_parts() -> None:
    header = bytes((5, 0, 3, 9, 2, 1))
    deliver = written(came(header + b"\0hello", esm_class=0x40), LATIN1)
    assert deliver.esm_class == 0x40 and deliver.short_message == header + b"@hello"
    sar = {0x020C: b"\0\7", 0x020E: b"\2", 0x020F: b"\1", 0x1400: b"vendor"}
    deliver = written(came(b"hello", tlvs=sar))
    assert {tag: deliver.tlvs[tag] for tag in (0x020C, 0x020E, 0x020F)} == {k: v for k, v in sar.items() if k < 0x1400}
    assert 0x1400 not in deliver.tlvs, "a vendor's parameter means nothing here"


def test_a_text_that_grew_over_the_field_goes_as_payload() -> None:
    deliver = written(came(b"\x1be" * 70 + b"x" * 100), LATIN1)
    assert deliver.data_coding == 8 and deliver.short_message.decode("utf-16-be") == "€" * 70 + "x" * 100


def test_a_message_class_or_binary_is_never_taken_for_text() -> None:
    for coding in range(256):
        assert recoded(coding, b"", "gsm7", "gsm7")[0] in (0, coding)


def test_the_alphabet_is_gsm7_by_default() -> None:
    assert encode("plain")[0] == GSM7 and ACCOUNT.alphabet == "gsm7"

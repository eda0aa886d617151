"""What a test of a link tells a person: each failure by its name, and the setting under which answer and receipt would meet."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from appliance.engine.hints import better_ids, binding, connecting, judge, same_number, submitting
from appliance.settings import LINK_SETTINGS, Link, parse
from appliance.smpp import Deliver, format_receipt, pack_deliver, parse_deliver, spec

NUMBER, OTHER = "+393331234567", "+393330000001"


def link(**own: Any) -> Link:
    return parse({"link": [{"name": "a", "host": "h", **own}]}, Path("/nowhere"), "test").links[0]


def receipt(message_id: str, number: str = NUMBER, esm_class: int = 4, stat: str = "DELIVRD") -> Deliver:
    return parse_deliver(pack_deliver(9, number, "MYBANK", esm_class, 0, format_receipt(message_id, stat)))


@pytest.mark.parametrize(
    ("answer", "heard", "own", "expected"),
    [
        ("2A", "42", {}, 'id_base = "hex_dec"'),
        ("42", "2A", {}, 'id_base = "dec_hex"'),
        ("0913121205", "913121205", {}, 'id_zeros = "ignore"'),
        ("1eedf843-a", "1EEDF843-A", {}, 'id_case = "ignore"'),
        ("00ab-1", "AB-1", {}, 'id_case = "ignore" and id_zeros = "ignore"'),
        ("ab12", "AB12", {"id_base": "dec"}, 'id_case = "ignore"'),
        ("SMSC-99887-x", "99887", {}, "an `id_pattern` that takes the one out of the other"),
        ("one", "another", {}, ""),
    ],
)
def test_the_setting_under_which_two_ids_meet(answer: str, heard: str, own: dict[str, Any], expected: str) -> None:
    assert better_ids(link(**own), answer, heard) == expected


def test_a_receipt_that_matches() -> None:
    judged = judge(receipt("42"), link(id_base="hex_dec"), {1: "2A"}, NUMBER)
    assert (judged.ours, judged.part, judged.hint) == (True, 1, "")
    assert judged.receipt is not None and judged.receipt.final


def test_a_receipt_that_would_match_is_ours_only_for_our_number() -> None:
    ours = judge(receipt("42"), link(), {1: "2A"}, NUMBER)
    assert ours.ours and "hex_dec" in ours.hint
    assert not judge(receipt("42", OTHER), link(), {1: "2A"}, NUMBER).ours, "it may be somebody's"


def test_a_receipt_of_somebody_else_is_never_ours() -> None:
    strange = judge(receipt("77"), link(), {1: "2A"}, NUMBER)
    assert not strange.ours and "in no answer" in strange.hint
    stranger = judge(receipt("77", OTHER), link(), {1: "2A"}, NUMBER)
    assert not stranger.ours and not stranger.hint
    assert not judge(receipt("2A"), link(), {}, NUMBER).ours


def test_a_receipt_without_its_type() -> None:
    judged = judge(receipt("2A", esm_class=0), link(), {1: "2A"}, NUMBER)
    assert judged.ours and "receipt_untyped" in judged.hint
    chat = parse_deliver(pack_deliver(9, NUMBER, "MYBANK", 0, 0, b"hello, where is my card"))
    assert not judge(chat, link(), {1: "2A"}, NUMBER).ours


def test_a_receipt_in_another_form() -> None:
    judged = judge(receipt("2A"), link(receipt_format="tlv"), {1: "2A"}, NUMBER)
    assert judged.ours and 'receipt_format = "auto"' in judged.hint


def test_a_number_with_and_without_its_prefix() -> None:
    assert (
        same_number("393331234567", NUMBER)
        and same_number("3331234567", NUMBER)
        and same_number("00393331234567", NUMBER)
    )
    assert not same_number("MYBANK", NUMBER) and not same_number("", NUMBER) and not same_number("4567", NUMBER)


def test_each_way_in_which_no_connection_is_made() -> None:
    refused = ssl.SSLCertVerificationError(1, "x")
    refused.verify_message = "self-signed certificate"
    wrong = ssl.SSLError(1, "x")
    wrong.reason = "WRONG_VERSION_NUMBER"
    alert = ssl.SSLError(1, "x")
    alert.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    import socket

    for error, what, hint in (
        (refused, "self-signed certificate", "tls_ca"),
        (wrong, "does not speak TLS", "tls = false"),
        (alert, "certificate required", "tls_certificate"),
        (socket.gaierror(-2, "x"), "not known", "name servers"),
        (TimeoutError(), "no connection in 5 s", "firewall"),
        (ConnectionRefusedError(), "connection refused", "port"),
        (ConnectionResetError(), "closed at once", "allowed"),
        (OSError(101, "unreachable"), "no connection", "network"),
    ):
        said = connecting(error, link(), 5.0)
        assert what in said[0] and hint in said[1], said


def test_each_way_in_which_a_bind_fails() -> None:
    assert "drain the link first" in binding(spec.ESME_RALYBND, False, link())[1]
    assert binding(spec.ESME_RINVPASWD, False, link())[0] == "ESME_RINVPASWD"
    assert "TLS" in binding(None, False, link())[1] and "TLS" not in binding(None, True, link(tls=True))[1]
    assert "own" in binding(0x411, False, link())[1]


def test_hints_name_settings_that_exist() -> None:
    from re import findall

    from appliance.engine import hints

    names = {row.name for row in LINK_SETTINGS}
    for table in (hints.BIND_HINTS, hints.SUBMIT_HINTS):
        for status, hint in table.items():
            assert status in spec.STATUSES
            assert {word.split(" =")[0] for word in findall(r"`([a-z_ =]+)`", hint)} <= names | {
                "transceiver",
                "none",
                "payload",
            }, hint
    assert "sender" in submitting(spec.ESME_RINVSRCADR) and "specification" in submitting(0x11)

"""Settings of a link that do not fit each other are refused with a reason; odd ones are told and taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Error
from appliance.message import STATUSES
from appliance.settings import LINK_SETTINGS, Link, parse
from appliance.settings.fitting import RECEIPT_STATUSES


def link(folder: Path = Path("/nowhere"), **own: Any) -> Link:
    return parse({"link": [{"name": "a", "host": "h", **own}]}, folder, "test", folder).links[0]


VENDOR = {"name": "a", "tag": 0x1400, "value": "1"}


@pytest.mark.parametrize(
    ("own", "word"),
    [
        ({"host": ""}, "`host`"),
        ({"host": "a b"}, "blank"),
        ({"more_hosts": ["h:2775"]}, "twice"),
        ({"more_hosts": ["b:0"]}, "port 0"),
        ({"more_hosts": ["b"]}, "ADDRESS:PORT"),
        ({"system_id": "x" * 16}, "`system_id`"),
        ({"system_id": "日"}, "`system_id`"),
        ({"system_type": "x" * 13}, "`system_type`"),
        ({"tls_ca": "ca.pem"}, "in clear"),
        ({"tls": True, "tls_key": "key.pem"}, "without `tls_certificate`"),
        ({"throttle_pause_s": 90.0}, "throttle_pause_s_max"),
        ({"reconnect_s_min": 90.0}, "reconnect_s_max"),
        ({"pace_senders": {"": 1}}, "empty sender"),
        ({"pace_senders": {"A": 0}}, "above 0"),
        ({"id_pattern": "("}, "no regular expression"),
        ({"id_pattern": "[0-9]+"}, "no group"),
        ({"id_pattern": "(" + "x" * 200 + ")"}, "longer than"),
        ({"receipt_words": {"HELD UP": "sent"}}, "not one word"),
        ({"receipt_words": {"": "sent"}}, "not one word"),
        ({"receipt_words": {"HELD": "waiting"}}, "no status"),
        ({"receipt_words": {"HELD": 1}}, "table of strings"),
        ({"data_coding_ucs2": 0}, "tell them apart"),
        ({"alphabet": "latin1", "data_coding_default": 3, "data_coding_ucs2": 3}, "tell them apart"),
        ({"alphabet": "latin1", "data_coding_default": 8, "data_coding_ucs2": 18}, "UCS-2"),
        ({"long_message": "sar", "reference_bits": "8"}, "reference_bits"),
        ({"long_message": "payload", "always_long": True}, "always_long"),
        ({"service_type": "ABCDEF"}, "service_type"),
        ({"service_type": "é"}, "service_type"),
        ({"validity_offset_minutes": 10}, "multiple of 15"),
        ({"default_sender": "MYBANK", "address_octets": 5}, "default_sender"),
        ({"default_sender": "BÄNK"}, "ASCII"),
        ({"bind": "pair", "interface_version": "3.3", "long_message": "sar"}, "long_message"),
        ({"bind": "pair", "interface_version": "3.3", "user_message_reference": True}, "user_message_reference"),
        ({"bind": "pair", "interface_version": "3.3", "tlvs": [VENDOR]}, "tlvs"),
        ({"tlvs": [{"name": "a", "tag": 0x0424, "value": "1"}]}, "one of the standard's"),
        ({"tlvs": [VENDOR, VENDOR]}, "twice"),
        ({"tlvs": [VENDOR, {**VENDOR, "name": "b"}]}, "0x1400 is there twice"),
        ({"tlvs": [{**VENDOR, "kind": "int8", "value": 256}]}, "does not fit"),
        ({"tlvs": [{**VENDOR, "kind": "octets", "value": "zz"}]}, "does not fit"),
        ({"pace": float("nan")}, "between"),
        ({"pace": float("inf")}, "between"),
    ],
)
def test_what_cannot_work_is_refused_with_its_reason(own: dict[str, Any], word: str) -> None:
    with pytest.raises(Error) as caught:
        link(**own)
    assert caught.value.code == "settings_invalid"
    assert word in caught.value.message, caught.value.message


@pytest.mark.parametrize(
    ("own", "word"),
    [
        ({"pace": 10.0, "pace_otp": 20.0}, "`pace_otp` is above"),
        ({"pace": 10.0, "pace_senders": {"MYBANK": 20}}, "MYBANK"),
        ({"pace": 5.0}, "`window` = 100 of all binds takes 20 s at `pace`"),
        ({"pace": 40.0, "window": 100, "response_s": 2.0}, "longer than `response_s`"),
        ({"pace": 50.0, "window": 100, "binds": 6}, "takes 12 s"),
        ({"registered_delivery": "none"}, "never known"),
        ({"receipt_untyped": True}, "customer's message"),
        ({"receipt_format": "csv", "id_base": "hex"}, "no message id"),
        ({"data_coding_default": 3}, "Latin-1"),
        ({"validity_offset_minutes": 60}, "no meaning"),
        ({"number_prefix": "00"}, "twice"),
        ({"replace_if_present": True}, "replaced"),
        ({"interface_version": "3.3"}, "no transceiver"),
        ({"tlvs": [{"name": "a", "tag": 0x1400}]}, "has no value"),
        ({"tlvs": [{"name": "a", "tag": 0x4000, "value": "1"}]}, "reserved"),
    ],
)
def test_what_is_odd_is_told_and_taken(own: dict[str, Any], word: str) -> None:
    (doubt,) = link(**own).doubts
    assert word in doubt[0]


def test_a_password_longer_than_any_bind_takes(tmp_path: Path) -> None:
    for text, good in (("p" * 64, True), ("é" * 64, True), ("p" * 65, False), ("密", False)):
        (tmp_path / "secret").write_text(text + "\n", encoding="utf-8")
        if good:
            assert link(tmp_path, password_file="secret").password == text
        else:
            with pytest.raises(Error) as caught:
                link(tmp_path, password_file="secret")
            assert "password" in caught.value.message and text not in str(caught.value)


def test_the_defaults_are_beyond_doubt() -> None:
    assert link().doubts == ()
    assert [row.name for row in LINK_SETTINGS if len(row.help) <= 10 or row.help.endswith(".")] == []
    assert set(RECEIPT_STATUSES) <= set(STATUSES)

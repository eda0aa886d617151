"""Rows [[camara]] and [[number_check]]: over TLS only, one row a prefix and a purpose, nothing asked that nobody answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Error
from appliance.network import reach_of
from appliance.settings import parse

ROW = {
    "api": "https://api.tim.example/camara/",
    "token_url": "https://auth.tim.example:8443/token",
    "client_id": "bank",
    "secret_file": "secret",
}


def test_rows_in_order_and_who_reaches_them(tmp_path: Path) -> None:
    checks = [{"purposes": ["payment", "reset"], "tenure_days": 30, "unknown": "refuse"}, {"purposes": ["*"]}]
    rows = [ROW, ROW | {"prefix": "39", "tenure": "kyc-tenure/v0.2"}]
    read = parse({"camara": rows, "number_check": checks}, tmp_path, "t")
    assert [c.prefix for c in read.camaras] == ["39", ""]
    assert read.camaras[0].api == "https://api.tim.example/camara" and read.camaras[0].sim_swap == "sim-swap/v2"
    strict, all_ = read.number_checks
    assert (strict.purposes, strict.swap_hours, strict.tenure_days) == (("payment", "reset"), 72, 30)
    assert (strict.at_risk, strict.unknown, all_.unknown) == ("refuse", "refuse", "send")
    reach = {(r.user, r.host, r.port) for r in reach_of(read)}
    assert reach == {("casemate-courier", "api.tim.example", 443), ("casemate-courier", "auth.tim.example", 8443)}
    proxied = parse({"camara": rows, "network": {"proxy": "proxy.bank.example:3128"}}, tmp_path, "t")
    assert {r.host for r in reach_of(proxied)} == {"proxy.bank.example"}
    assert read.digest() != parse({"camara": rows}, tmp_path, "t").digest(), "the log tells settings apart"


def test_nothing_is_asked_unless_it_is_set(tmp_path: Path) -> None:
    assert parse({}, tmp_path, "t").number_checks == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"api": "http://api.tim.example"}, "in clear text"),
        ({"api": "https://user@api.tim.example"}, "is no address"),
        ({"api": "https://api.tim.example/?a=b"}, "is no address"),
        ({"token_url": "https://"}, "is no address"),
        ({"token_url": "ftp://auth.example"}, "is no address"),
        ({"api": "https://api.tim.example:x"}, "is no address"),
        ({"prefix": "+39"}, "is not up to 15 digits"),
        ({"sim_swap": ""}, "are no paths"),
        ({"sim_swap": "../x"}, "are no paths"),
        ({"client_id": ""}, "is no name"),
        ({"client_id": "a:b"}, "is no name"),
        ({"key_file": "k.pem"}, "give `key_file` or `secret_file`"),
        ({"secret_file": ""}, "give `key_file` or `secret_file`"),
        ({"grant": "jwt-bearer"}, "takes `key_file`"),
        ({"grant": "password"}, "must be one of"),
        ({"purpose": "fraud"}, "purpose 'fraud'"),
        ({"timeout_ms": 60_000}, "must be between"),
    ],
)
def test_an_operator_that_cannot_be_asked_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(Error) as e:
        parse({"camara": [ROW | change]}, tmp_path, "t")
    assert e.value.code == "settings_invalid" and said in e.value.message


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ([{"purposes": []}], "is empty"),
        ([{"purposes": ["Login"]}], "is no purpose"),
        ([{"purposes": ["login"]}, {"purposes": ["login"]}], "has a row already"),
        ([{"purposes": ["login"], "swap_hours": 0}], "nothing is asked for"),
        ([{"purposes": ["login"], "tenure_days": 30}], "no [[camara]] has a `tenure`"),
        ([{"purposes": ["login"], "at_risk": "ignore"}], "must be one of"),
        ([{"purposes": ["login"], "swap_hours": 2_401}], "must be between"),
    ],
)
def test_what_nobody_can_answer_is_refused(tmp_path: Path, checks: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(Error) as e:
        parse({"camara": [ROW], "number_check": checks}, tmp_path, "t")
    assert e.value.code == "settings_invalid" and said in e.value.message


def test_two_operators_for_one_prefix_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Error, match="has a row already"):
        parse({"camara": [ROW, ROW]}, tmp_path, "t")

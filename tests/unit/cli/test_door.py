"""`casemate door account`: on the record first, the password printed once and nowhere else."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from appliance.access import Access
from appliance.cli.program import main
from appliance.settings import home_of, load

people = importlib.import_module("appliance.cli.people")


@pytest.fixture(autouse=True)
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, Any]]]:
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path))
    log: list[tuple[str, str, dict[str, Any]]] = []

    def record(self: Any, who: str, what: str, on: str, outcome: str = "ok", **detail: Any) -> None:
        log.append((what, on, detail))

    monkeypatch.setattr(people.BlockingRecorder, "record", record)
    assert main(["apikey", "create", "core"]) == 0
    log.clear()
    return log


def access() -> Access:
    return Access(load(home=home_of()))


def test_the_life_of_an_account(
    recorded: list[tuple[str, str, dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    words = [
        "--allow",
        "10.0.0.0/8",
        "--inbound",
        "+393330001111",
        "--inbound",
        "*",
        "--rate",
        "0",
        "--no-receipt-text",
    ]
    assert main(["door", "account", "create", "core1", "--api-key", "1", *words]) == 0
    password = capsys.readouterr().out.strip()
    assert len(password) == 8
    made = access().check_door("core1", password, "10.1.1.1", 1)
    assert (made.inbound, made.rate_per_s, made.receipt_text) == (("+393330001111", "*"), 0, False)
    assert main(["door", "account", "change", "core1", "--window", "7", "--usual-rate", "--loopback-only"]) == 0
    assert main(["door", "account", "password", "core1", "--long", "--json"]) == 0
    longer = json.loads(capsys.readouterr().out.splitlines()[-1])["password"]
    assert len(longer) == 32
    changed = access().check_door("core1", longer, "127.0.0.1", 1)
    assert (changed.window, changed.rate_per_s, changed.networks) == (7, None, ())
    assert main(["door", "account", "show", "core1", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["inbound"] == "+393330001111 *" and shown["networks"] == "loopback" and "password" not in shown
    assert main(["door", "account", "revoke", "core1"]) == 0
    assert main(["door", "account", "list"]) == 0
    assert list(access().door_accounts()) == [] and "core1" in capsys.readouterr().out
    assert [what for what, _, _ in recorded] == [
        *("door.account_created", "door.account_changed", "door.account_password", "door.account_revoked")
    ]
    told = str(recorded)
    assert password not in told and longer not in told and "393330001111" not in told


@pytest.mark.parametrize(
    "words",
    [
        ["create", "two words", "--api-key", "1"],
        ["create", "other", "--api-key", "9"],
        ["create", "other", "--api-key", "1", "--allow", "10.0.0.1/8"],
        ["create", "taken", "--api-key", "1"],
        ["change", "taken"],
        ["change", "taken", "--window", "0"],
        ["change", "taken", "--allow", "10.0.0.0/8", "--loopback-only"],
        ["change", "nobody", "--window", "3"],
        ["revoke", "nobody"],
        ["password", "nobody"],
        ["show", "nobody"],
    ],
)
def test_what_is_refused_is_not_on_record_as_done(
    words: list[str], recorded: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["door", "account", "create", "taken", "--api-key", "1"]) == 0
    assert main(["door", "account", *words]) > 0
    assert [what for what, _, _ in recorded] == ["door.account_created"]


def test_what_is_due_and_set_aside_is_shown_and_handed_over_again_on_the_record(
    recorded: list[tuple[str, str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def call(self: Any, operation: str, payload: Any) -> Any:
        asked.append((operation, payload))
        told = {"account": 1, "system_id": "core1", "due": 3, "oldest_ms": 1_800_000_000_000, "aside": 2}
        return {"letters": [{**told, "reasons": {"ESME_RX_P_APPN": 2}}]} if operation == "state" else {"letters": 2}

    monkeypatch.setattr("appliance.cli.door.BlockingClient.call", call)
    assert main(["door", "account", "create", "core1", "--api-key", "1"]) == 0
    assert main(["door", "letters"]) == 0
    assert "core1" in (shown := capsys.readouterr().out) and "ESME_RX_P_APPN 2" in shown
    assert main(["door", "again", "core1"]) == 0 and asked[-1] == ("again", {"account": 1})
    assert main(["door", "again", "nobody"]) > 0
    assert [what for what, _, _ in recorded] == ["door.account_created", "door.letters_again"]

"""What is given to fwupd and what it answers; fwupd itself runs in tests/hosts/test_cabinets.py."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from appliance.updates import fwupd
from firmware import Refused

SHIPPED = Path(__file__).resolve().parents[3] / "playbooks/roles/slots/files/fwupd.conf"


def rows(text: str) -> dict[str, dict[str, str]]:
    conf = configparser.ConfigParser(interpolation=None)
    conf.optionxform = str  # type: ignore[assignment,method-assign]
    conf.read_string(text)
    return {name: dict(conf[name]) for name in conf.sections()}


@pytest.mark.parametrize(
    "given",
    [
        "",
        "[fwupd]\nOnlyTrusted=false\nP2pPolicy=firmware\nEspLocation=/boot\n",
        "no file of settings",
        "[fwupd]\nOnlyTrusted=true\n[fwupd]\nOnlyTrusted=false\n",
    ],
    ids=["none", "open", "broken", "twice"],
)
def test_what_no_file_opens(given: str) -> None:
    found = rows(fwupd.conf_text(given))
    assert (found["fwupd"]["OnlyTrusted"], found["fwupd"]["P2pPolicy"], found["fwupd"]["UriSchemes"]) == (
        "true",
        "nothing",
        "file",
    )
    assert found["redfish"]["IpmiDisableCreateUser"] == "true", "no account is made on a BMC"
    assert ("EspLocation" in found["fwupd"]) == ("EspLocation" in given), "what is not closed stays the bank's"


def test_what_is_shipped_says_the_same() -> None:
    shipped = rows(SHIPPED.read_text(encoding="utf-8"))
    for (section, key), value in fwupd.CLOSED.items():
        assert shipped.get(section, {}).get(key, value) == value
    assert "TestDevices" not in shipped["fwupd"]


def test_answers() -> None:
    assert fwupd.answer(0, b'{"Devices": []}', b"") == {"Devices": []}
    assert fwupd.answer(0, b"", b"") == {}
    for code, out, err, number, said in (
        (
            1,
            b'{"Error": {"Domain": "FwupdError", "Code": 7, "Message": "signature\\nmissing"}}',
            b"",
            7,
            "signature missing",
        ),
        (1, b"", b"WARNING: x\nFailed to connect\n", 0, "Failed to connect"),
        (1, b"no JSON", b"", 0, "said nothing"),
        (1, b'{"Devices": []}', b"", 0, "said nothing"),
        (0, b"[]", b"", 0, "said nothing"),
    ):
        with pytest.raises(fwupd.Failed, match=said) as caught:
            fwupd.answer(code, out, err)
        assert caught.value.number == number


def test_without_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fwupd, "DAEMON", tmp_path / "fwupd")
    assert not fwupd.there()
    with pytest.raises(Refused) as caught, fwupd.Fwupd(tmp_path / "folder"):
        pass
    assert caught.value.code == "cabinet_program" and not (tmp_path / "folder").exists()

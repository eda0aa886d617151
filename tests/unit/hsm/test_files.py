"""The HSM's files: configuration, PINs, the mark of a refused PIN; who may read them and what survives what."""

from __future__ import annotations

from pathlib import Path

import pytest

from hsm import CODES, HsmError
from hsm.pin import Refused, identity
from hsm.softhsm import SoftHsm, find_module, pin_path, write_private
from hsm.wire import length, pack, unpack


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_prepare_makes_private_files_and_keeps_the_pins(tmp_path: Path) -> None:
    soft = SoftHsm(tmp_path / "hsm")
    soft.prepare()
    assert mode(soft.folder) == mode(soft.tokens) == 0o700
    assert mode(soft.pin) == mode(soft.so_pin) == mode(soft.config) == 0o600
    pins = soft.pin.read_text(), soft.so_pin.read_text()
    assert pins[0] != pins[1]
    assert all(len(p) == 32 for p in pins)
    soft.prepare()
    assert (soft.pin.read_text(), soft.so_pin.read_text()) == pins
    assert soft.pin.read_text() not in soft.config.read_text()


def test_a_token_that_was_made_once_is_never_made_again(tmp_path: Path) -> None:
    soft = SoftHsm(tmp_path / "hsm")
    soft.prepare()
    soft.remember("0123")
    soft.tokens.rmdir()
    soft.pin.unlink()
    soft.prepare()
    assert not soft.tokens.exists()
    assert not soft.pin.exists()


def test_a_missing_module_says_what_to_install() -> None:
    with pytest.raises(HsmError) as caught:
        find_module(("/nowhere/libsofthsm2.so",))
    assert caught.value.code == "token_missing"
    assert "softhsm2" in caught.value.hint


def test_pin_comes_from_setting_then_credential_then_the_embedded_token(tmp_path: Path) -> None:
    soft = SoftHsm(tmp_path / "hsm")
    (tmp_path / "hsm-pin").write_text("1234")
    credentials = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert pin_path("/etc/pin", soft, credentials) == Path("/etc/pin")
    assert pin_path("", soft, credentials) == tmp_path / "hsm-pin"
    assert pin_path("", soft, {}) == soft.pin
    with pytest.raises(HsmError) as caught:
        pin_path("", None, {})
    assert caught.value.code == "pin_invalid"


def test_write_private_replaces_whole_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "pin"
    write_private(path, b"one")
    (tmp_path / ".pin.new").write_bytes(b"left by a crash")
    write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["pin"]


def test_a_refused_pin_is_remembered_across_processes_until_the_file_changes(tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.write_text("wrong")
    Refused(tmp_path).remember(identity(pin))
    again = Refused(tmp_path)
    error = again.check(pin)
    assert error is not None
    assert error.code == "pin_invalid"
    assert "wrong" not in str(error)
    assert "wrong" not in again.mark.read_text()
    write_private(pin, b"right")
    assert again.check(pin) is None
    assert not again.mark.exists()


def test_a_refused_pin_is_remembered_on_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.write_text("wrong")
    blocked = tmp_path / "file"
    blocked.write_text("a file where the folder should be")
    refused = Refused(blocked)
    refused.remember(identity(pin))
    assert refused.check(pin) is not None


def test_a_pin_written_while_another_was_tried_is_not_taken_for_refused(tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.write_text("wrong")
    tried = identity(pin)
    write_private(pin, b"right")
    refused = Refused(tmp_path)
    refused.remember(tried)
    assert refused.check(pin) is None


def test_an_absent_pin_file_is_looked_at_again_when_it_appears(tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    refused = Refused(tmp_path)
    refused.remember(identity(pin))
    assert refused.check(pin) is not None
    pin.write_text("1234")
    assert refused.check(pin) is None


def test_frames_are_bounded_both_ways() -> None:
    framed = pack(["mac", {"body": b"x"}])
    assert length(framed[:4]) == len(framed) - 4
    assert unpack(framed[4:]) == ["mac", {"body": b"x"}]
    for bad in (lambda: pack(b"x" * 70_000), lambda: length(b"\xff\xff\xff\xff"), lambda: unpack(b"\xc1")):
        with pytest.raises(HsmError) as caught:
            bad()
        assert caught.value.code == "invalid"


def test_codes_are_a_closed_list() -> None:
    with pytest.raises(AssertionError):
        HsmError("nonsense", "x")
    assert "hsm_unavailable" in CODES

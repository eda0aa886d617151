"""Firmware of hardware by two people: asked for, approved, written once, found again after a restart. Signatures are a story's; fwupd is played here."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Error
from appliance.settings import parse
from appliance.updates import Cabinets, cabinet_lines, fwupd, hardware_lines, inventory
from appliance.updates.cabinets import APPROVED
from firmware import Refused, cabinet
from firmware.trust import Signer
from image import trust
from tests.support.cabinets import DEVICE, GUID, plain
from tests.support.release_keys import Issuer, trusted
from tests.unit.updates.test_updates import DAY_MS, Bench

VENDOR = Signer("CN=Vendor firmware 2026", "ab" * 32, 1, 0, 1, True, True)


class Played:
    """fwupd with one webcam."""

    def __init__(self) -> None:
        self.version, self.flags, self.becomes = "1.2.2", ["updatable"], "1.2.4"
        self.leaves = self.flags
        self.fails: fwupd.Failed | None = None
        self.written: list[tuple[str, str]] = []
        self.trusted: Sequence[bytes] = ()

    @contextlib.contextmanager
    def start(self, folder: Path, certificates: Sequence[bytes]) -> Iterator[Played]:
        self.trusted = certificates
        yield self

    def devices(self) -> Any:
        row = {"Name": "Webcam", "DeviceId": DEVICE, "Guid": [GUID], "Flags": self.flags, "Version": self.version}
        return {"Devices": [row]}

    def write(self, path: Path, device: str) -> None:
        self.written.append((path.name, device))
        if self.fails:
            raise self.fails
        self.version, self.flags = self.becomes, self.leaves


class Desk(Bench):
    """A box with hardware, and a stick with a cabinet."""

    def __init__(self, folder: Path, more: dict[str, Any] | None = None) -> None:
        super().__init__(folder, {"hardware_trust": str(folder / "nobody"), **(more or {})})
        self.fwupd = Played()
        self.cabinets = Cabinets(self.updates, self.fwupd.start, lambda: True)  # type: ignore[arg-type]
        self.stick = folder / "webcam.cab"
        self.stick.write_bytes(plain())

    def asked(self) -> int:
        return self.cabinets.ask(self.stick, "the vendor closed a hole", "console:ann")

    def approved(self) -> int:
        number = self.asked()
        assert self.cabinets.decide(number, True, "console:bob") == "approved"
        return number

    def apply(self, number: int) -> dict[str, Any]:
        return self.cabinets.apply(number, "cli:root", lambda found: inventory.read(self.updates.machine, None, found))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(cabinet, "signer", lambda read, authority: VENDOR)
    return Desk(tmp_path)


def test_what_is_shown_before_anybody_says_yes(desk: Desk) -> None:
    lines = cabinet_lines(desk.cabinets.look(desk.stick, "console:ann"))
    text = "\n".join(lines)
    for part in (
        "FakeDevice 1.2.4",
        "Example Hardware",
        "CN=Vendor firmware 2026",
        GUID,
        "Webcam: 1.2.2 -> 1.2.4",
        "power cut",
    ):
        assert part in text
    assert max(map(len, lines)) <= 79
    assert hardware_lines(desk.cabinets.state()) == ["no firmware of hardware was asked for"]


def test_one_asks_another_approves_and_the_box_writes_it_once(desk: Desk) -> None:
    number = desk.asked()
    desk.stick.unlink()  # it is kept
    waits = desk.home / "updates/hardware" / APPROVED
    with pytest.raises(Error, match="who asked cannot approve"):
        desk.cabinets.decide(number, True, "console:ann")
    with pytest.raises(Error, match="is asked"):
        desk.apply(number)
    assert not waits.exists() and desk.cabinets.approved() is None
    assert desk.cabinets.decide(number, True, "console:bob") == "approved"
    assert waits.exists(), "the unit is woken"
    desk.cabinets.taken()
    assert not waits.exists()
    request = desk.cabinets.approved()
    assert request is not None and request.number == number
    result = desk.apply(number)
    assert (result["state"], desk.fwupd.written[0][1], len(desk.fwupd.written)) == ("applied", DEVICE, 1)
    assert desk.log.said == [
        "approval.asked",
        "approval.decided",
        "approval.decided",
        "hardware.apply_begun",
        "hardware.applied",
    ]
    assert desk.log.entries[-1][3] == {"digest": request.bundle, "was": "1.2.2", "became": "1.2.4"}
    with pytest.raises(Error, match="is used"):
        desk.apply(number)
    assert "Webcam: 1.2.2 -> 1.2.4" in "\n".join(hardware_lines(desk.cabinets.state()))


def test_releases_and_cabinets_are_not_mixed_up(desk: Desk) -> None:
    number = desk.approved()
    assert desk.updates.approved() is None, "no release is installed for it"
    assert desk.updates.state()["requests"] == []
    with pytest.raises(Error, match="no request"):
        desk.updates.decide(number, True, "console:bob")
    release = Bench.asked(desk)
    with pytest.raises(Error, match="no request"):
        desk.cabinets.decide(release, True, "console:bob")


def test_an_approval_is_for_one_file_these_devices_and_one_day(desk: Desk) -> None:
    number = desk.approved()
    kept = desk.cabinets.kept(desk.updates.book.requests("apply-cabinet")[0].bundle)
    kept.write_bytes(plain("1.2.5"))
    with pytest.raises(Refused) as caught:
        desk.apply(number)
    assert caught.value.code == "cabinet_other"
    assert desk.cabinets.approved() is None, "it is over: asked for anew"
    assert "not the one that was approved" in "\n".join(hardware_lines(desk.cabinets.state()))
    number = desk.approved()
    desk.fwupd.version = "1.2.4"
    with pytest.raises(Refused) as caught:
        desk.apply(number)
    assert caught.value.code == "cabinet_same"
    desk.fwupd.version = "1.2.2"
    number = desk.approved()
    desk.now += DAY_MS
    with pytest.raises(Error, match="expired"):
        desk.apply(number)
    assert desk.fwupd.written == []
    assert [e[2:] for e in desk.log.entries if e[1] == "hardware.refused"] == [
        ("refused", {"code": "cabinet_other"}),
        ("refused", {"code": "cabinet_same"}),
    ]


def test_nothing_is_written_that_cannot_be_recorded(desk: Desk) -> None:
    number = desk.approved()
    desk.log.down = True
    with pytest.raises(Error, match="away"):
        desk.apply(number)
    assert desk.fwupd.written == []
    desk.log.down = False
    assert desk.apply(number)["state"] == "applied", "the approval was not used up"


def test_what_fwupd_says_when_it_fails(desk: Desk) -> None:
    desk.fwupd.fails = fwupd.Failed(7, "firmware signature missing or not trusted")
    number = desk.approved()
    result = desk.apply(number)
    assert result["state"] == "failed"
    assert desk.log.entries[-1][1:3] == ("hardware.applied", "failed")
    assert "Webcam: still 1.2.2: firmware signature missing" in "\n".join(hardware_lines(desk.cabinets.state()))


def test_a_refusal_is_on_the_record(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsigned(*_: Any) -> Signer:
        raise Refused("cabinet_unsigned", "firmware.bin")

    monkeypatch.setattr(cabinet, "signer", unsigned)
    with pytest.raises(Refused):
        desk.asked()
    assert desk.log.entries == [("console:ann", "hardware.refused", "refused", {"code": "cabinet_unsigned"})]
    assert list((desk.home / "updates").glob("hardware/*")) == []


def test_after_a_restart_it_is_found_again_and_is_no_alarm(desk: Desk, tmp_path: Path) -> None:
    """The list is changed by the approval, and only when the device says that it has it."""
    listed = tmp_path / "list.json"
    listed.write_text(inventory.list_text(inventory.read(desk.updates.machine, None, desk.cabinets.devices())))
    values = {"disk": str(desk.box.disk), "hardware_list": str(listed), "hardware_trust": str(tmp_path / "nobody")}
    desk.updates.settings = parse({"firmware": values}, desk.home, "test")

    def compared() -> tuple[int, list[str]]:
        found = desk.cabinets.devices()
        parts, told = inventory.read(desk.updates.machine, None, found), list[str]()
        desk.cabinets.settle(found, parts)
        return inventory.compared(desk.updates, parts, told.append), told

    number = desk.approved()
    desk.fwupd.becomes, desk.fwupd.leaves = "1.2.2", ["updatable", "needs-reboot"]
    assert desk.apply(number)["state"] == "restart" and desk.cabinets.waits()
    assert "after a restart" in "\n".join(hardware_lines(desk.cabinets.state()))
    assert compared() == (0, []) and desk.cabinets.waits()
    desk.fwupd.version, desk.fwupd.flags = "1.2.4", ["updatable"]
    assert compared() == (0, []) and not desk.cabinets.waits()
    assert desk.log.entries[-1][1:3] == ("hardware.applied", "ok")
    desk.fwupd.version = "6.6.6"
    code, told = compared()
    assert code == 1 and "approved is Webcam 1.2.4" in told[0], "what nobody approved is one"
    assert desk.log.said.count("hardware.applied") == 1


def test_a_restart_that_did_not_bring_it(desk: Desk) -> None:
    number = desk.approved()
    desk.fwupd.becomes, desk.fwupd.leaves = "1.2.2", ["updatable", "needs-reboot"]
    desk.apply(number)
    desk.fwupd.flags = ["updatable"]
    (row,) = desk.cabinets.settle(desk.cabinets.devices(), {})
    assert row["state"] == "failed" and desk.log.entries[-1][1:3] == ("hardware.applied", "failed")
    assert not desk.cabinets.waits()


def test_where_the_settings_want_no_second_person(tmp_path: Path, desk: Desk) -> None:
    (tmp_path / "alone").mkdir()
    alone = Desk(tmp_path / "alone", {"two_people": False})
    number = alone.asked()
    assert (alone.home / "updates/hardware" / APPROVED).exists()
    assert alone.apply(number)["state"] == "applied"
    assert alone.log.said[:2] == ["approval.asked", "approval.decided"]


def test_who_is_not_root_sees_what_root_read(desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    people = Cabinets(desk.updates, desk.fwupd.start, lambda: False)  # type: ignore[arg-type]
    monkeypatch.setattr(fwupd, "DAEMON", tmp_path / "fwupd")
    with pytest.raises(Refused) as caught:
        people.look(desk.stick, "cli:ann")
    assert caught.value.code == "cabinet_program"
    (tmp_path / "fwupd").touch()
    with pytest.raises(Error, match="were not read yet"):
        people.look(desk.stick, "cli:ann")
    desk.cabinets.devices()
    assert people.look(desk.stick, "cli:ann").fits[0].before == "1.2.2"
    assert json.loads(desk.updates.book.fact("devices"))["Devices"]


def test_cabinets_that_nobody_waits_for_are_taken_away(desk: Desk) -> None:
    first = desk.asked()
    desk.cabinets.decide(first, False, "console:bob")
    desk.stick.write_bytes(plain("1.2.5"))
    desk.asked()
    assert len(list((desk.home / "updates/hardware").glob("*.cab"))) == 1
    with pytest.raises(Error, match="say why"):
        desk.cabinets.ask(desk.stick, " ", "console:ann")
    with pytest.raises(Error, match="is not there"):
        desk.cabinets.look(desk.stick.with_name("other.cab"), "console:ann")


def test_an_authority_that_fwupd_would_leave_out_is_told(desk: Desk, tmp_path: Path) -> None:
    """libjcat takes none without a key usage: nothing would ever be applied, and nobody would know why."""
    folder = tmp_path / "trust"
    trusted(folder, Issuer("Vendor", tmp_path / "vendor"))
    desk.updates.settings = parse({"firmware": {"hardware_trust": str(folder)}}, desk.home, "test")
    assert len(desk.cabinets.authority().roots) == 1
    development = trust.trusted(tmp_path / "keys", None) / "authority/development.pem"
    (folder / "authority/9.pem").write_bytes(development.read_bytes())
    with pytest.raises(Error, match=r"key usage.*development"):
        desk.cabinets.authority()
    (folder / "authority/9.pem").write_text("no certificate")
    with pytest.raises(Error, match="cannot be read"):
        desk.cabinets.authority()

"""What fwupd's words about devices mean: which takes a cabinet's firmware, what holds it, what became of it, what changes on the bank's list."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.updates import hardware
from appliance.updates.hardware import Changed, Device
from firmware import CABINETS, Refused
from firmware.cabinet import Component
from tests.support.cabinets import DEVICE, GUID

#: As `fwupdmgr get-devices --json` of fwupd 2.0.20 says it.
SAID = {
    "Devices": [
        {
            "Name": "Integrated Webcam\u2122",
            "DeviceId": DEVICE,
            "Guid": [GUID],
            "Plugin": "test",
            "Flags": ["updatable", "can-verify", "unsigned-payload"],
            "Vendor": "ACME Corp.",
            "Version": "1.2.2",
            "VersionFormat": "triplet",
        },
        {
            "Name": "Xeon Processor",
            "DeviceId": "4b" * 20,
            "Guid": ["c47cb6c4-bc49-5c12-a304-ef36ddd2d966"],
            "Flags": ["internal"],
        },
        {"Name": "no id"},
        "no device",
    ]
}
CAMERA, PROCESSOR = hardware.devices(SAID)
NEW = Component(
    "FakeDevice", "com.example.firmware", "Example", "1.2.4", (GUID,), "firmware.bin", "firmware.metainfo.xml"
)


def test_devices_as_fwupd_says_them() -> None:
    assert (CAMERA.name, CAMERA.version, CAMERA.guids) == ("Integrated Webcam", "1.2.2", frozenset({GUID})), "in ASCII"
    assert hardware.parts([CAMERA, PROCESSOR]) == {"fwupd.08d460be0f1f": "Integrated Webcam 1.2.2"}
    for odd in ([], None, {"Devices": None}, {"Devices": [{"DeviceId": "a", "Guid": 1, "Flags": "x"}]}):
        assert len(hardware.devices(odd)) <= 1, odd


@pytest.mark.parametrize(
    "older, newer",
    [
        ("1.2.2", "1.2.4"),
        ("1.2.9", "1.2.10"),
        ("1.2", "1.2.1"),
        ("0x1020003", "0x1020004"),
        ("0x9", "0x10"),
        ("20231005", "20240101"),
        ("3B4QFXO7", "5B2QGXA7"),
        ("1.2.rc1", "1.2.0"),
        ("A1", "A2"),
    ],
)
def test_which_version_is_newer(older: str, newer: str) -> None:
    assert hardware.compared(older, newer) == -1 and hardware.compared(newer, older) == 1
    assert hardware.compared(newer, newer.upper() if not newer.startswith("0x") else newer) == 0


def camera(**changes: Any) -> Device:
    return CAMERA._replace(**{name: frozenset(v) if isinstance(v, set) else v for name, v in changes.items()})


#: Name of the case -> (the devices of the box, the code, what the sentence says besides).
CASES: dict[str, tuple[list[Device], str, str]] = {
    "no device at all": ([], "cabinet_device", "FakeDevice"),
    "another device": ([PROCESSOR], "cabinet_device", ""),
    "a newer one": ([camera(version="1.3.0")], "cabinet_older", "has 1.3.0"),
    "the same": ([camera(version="1.2.4")], "cabinet_same", "1.2.4"),
    "locked": ([camera(flags={"updatable", "locked"})], "cabinet_held", "setup (BIOS)"),
    "no way to write": ([camera(flags={"internal"})], "cabinet_held", "no way to write"),
    "fwupd says why": ([camera(flags=set(), said="the lid fell off")], "cabinet_held", "the lid fell off"),
    "on battery": ([camera(problems={"require-ac-power"})], "cabinet_held", "mains power"),
    "out of reach": ([camera(problems={"unreachable"})], "cabinet_held", "cable"),
    "a problem of a later fwupd": ([camera(problems={"too-hot"})], "cabinet_held", "too-hot"),
    "recovery mode only": ([camera(flags={"updatable", "needs-bootloader"})], "cabinet_held", "recovery mode"),
    "waits for a restart": ([camera(flags={"updatable", "needs-reboot"})], "cabinet_waiting", ""),
    "one was written": ([camera(problems={"update-pending"})], "cabinet_waiting", ""),
    "of two, what can be changed says more": (
        [camera(version="1.2.4"), camera(device="a" * 40, problems={"in-use"})],
        "cabinet_held",
        "in use",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_why_a_cabinet_is_not_for_this_box_now(name: str) -> None:
    found, code, why = CASES[name]
    with pytest.raises(Refused) as caught:
        hardware.fits([NEW], found)
    assert caught.value.code == code and why in caught.value.sentence


def test_each_problem_of_fwupd_has_words_and_each_error_a_refusal() -> None:
    assert all(hardware.PROBLEMS.values()) and set(hardware.ERRORS.values()) <= set(CABINETS)


def test_what_takes_it_and_what_to_know_before() -> None:
    second = camera(device="b" * 40, flags={"updatable", "usable-during-update", "dual-image", "affects-fde"})
    one, two = hardware.fits([NEW], [CAMERA, second, PROCESSOR, camera(device="c" * 40, version="9")])
    assert (one.device, one.before, one.after) == (DEVICE, "1.2.2", "1.2.4")
    assert one.warnings == (hardware.WARNINGS["busy"], hardware.WARNINGS["one"])
    assert two.warnings == (hardware.WARNINGS["affects-fde"],)


def test_what_became_of_it() -> None:
    (fit,) = hardware.fits([NEW], [CAMERA])
    for name, (found, error, state) in {
        "written": ([camera(version="1.2.4")], None, "applied"),
        "after a restart": ([camera(flags={"needs-reboot"})], None, "restart"),
        "gone for a moment": ([], None, "restart"),
        "fwupd failed": ([CAMERA], (6, "no power"), "failed"),
        "said well, was not": ([CAMERA], None, "failed"),
    }.items():
        row = hardware.became(fit, found, error)
        assert (row["state"] == state and bool(row["said"]) == bool(row["code"])) or state == "restart", name
    assert hardware.became(fit, [CAMERA], (12, "AC power is required"))["code"] == "cabinet_held"
    waits = hardware.became(fit, [camera(flags={"needs-reboot"})])
    for found, state in (
        ([camera(flags={"needs-reboot"})], "restart"),
        ([camera(version="1.2.4")], "applied"),
        ([CAMERA], "failed"),
        ([], "failed"),
    ):
        assert hardware.settled(waits, found)["state"] == state
    done = hardware.became(fit, [camera(version="1.2.4")])
    assert hardware.settled(done, []) == done
    assert [hardware.whole(r) for r in ([done], [done, waits], [done, waits, {"state": "failed"}])] == [
        "applied",
        "restart",
        "failed",
    ]


def test_what_was_approved_is_no_difference_afterwards() -> None:
    """The device's own row, the kernel's row of the same thing, and nothing else."""
    before = {"fwupd.08d460be0f1f": "Webcam 1.2.2", "disk.sda": "Cam 1.2.2", "network.eth0": "a:b 1", "bios": "X 1"}
    now = {"fwupd.08d460be0f1f": "Webcam 1.2.4", "disk.sda": "Cam 1.2.4", "network.eth0": "a:b 2", "bios": "X 2"}
    row = {"device": DEVICE, "name": "Webcam", "before": "1.2.2", "after": "1.2.4", "state": "applied"}
    changed = hardware.changes([row], before, now)
    assert [c.part for c in changed] == ["disk.sda", "fwupd.08d460be0f1f"]
    assert hardware.changes([{**row, "state": "failed"}], before, now) == []
    board = hardware.changes(
        [{**row, "device": "c" * 40, "name": hardware.SYSTEM, "before": "", "after": "2"}], before, now
    )
    assert [c.part for c in board] == ["bios"], "the board's firmware is another row of the list, with another version"
    assert hardware.approved(before, changed) == {**before, **{c.part: c.now for c in changed}}


def test_the_banks_list_holds_where_it_says_something_else() -> None:
    changed = [Changed("bios", "X 1", "X 2"), Changed("bios", "X 2", "X 3")]
    assert hardware.approved({"bios": "X 1"}, changed) == {"bios": "X 3"}, "one after the other"
    assert hardware.approved({"bios": "X 9"}, changed) == {"bios": "X 9"}
    assert hardware.approved({"bios": "X 3"}, changed) == {"bios": "X 3"}, "a list made since"
    assert hardware.approved({}, changed) == {}

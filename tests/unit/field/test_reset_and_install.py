"""A lost password, a factory reset, and an installation to a disk, at the serial line."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance.access import Access, Passwords, totp
from appliance.field.screen import COLUMNS
from appliance.selftest import Finding
from firmware import FileDisk, gpt
from tests.unit.field.at_the_line import NOW_MS, PASSWORD, RECOVERY, STATES, Bench
from tests.unit.updates import test_installer as installing
from tests.unit.updates import test_resetting as resetting


def test_an_administrator_gets_a_new_password(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(bench.settings, Passwords(8, 1))
    access.create_user("boss", PASSWORD)
    monkeypatch.setattr("appliance.field.hands.Access", lambda _: access)
    boss = access.user("boss")
    assert boss is not None
    assert access.confirm_totp(boss, totp(access.offer_totp(boss), NOW_MS // 30_000), NOW_MS)
    line = bench.dialogue("admin", "boss", "yes", "", "0")
    assert access.factors(boss).any
    shown_once = line.text.split("first sign-in:\n\n  ")[1].split("\n")[0]
    assert access.check_password("boss", shown_once) is not None and access.check_password("boss", PASSWORD) is None
    line = bench.dialogue("admin", "boss", "yes", "yes", "", "0")
    assert not access.factors(boss).any and bench.log.said[-1] == "console.factor_removed"
    assert "administrators: boss" in bench.dialogue("admin", "nobody", "yes", "", "0").text


def test_a_factory_reset_needs_the_serial_number_and_destroys_keys_first_and_sign_in_still_works(bench: Bench) -> None:
    keys = bench.home / "keys/keys.db"
    keys.parent.mkdir(parents=True)
    keys.write_bytes(b"wrapped key octets")
    bench.dialogue("reset", "SN-2", "", "0")
    assert keys.exists()
    bench.dialogue("reset", "SN-1", "", "0")
    assert not keys.exists() and bench.log.said[-1] == "box.reset"
    assert "Type   new" in bench.typed("").text, "who stands in front of it begins anew"


def test_a_factory_reset_erases_the_state_volume_after_the_keys(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "volume").mkdir()
    target, _ = resetting.box(tmp_path / "volume")
    bench.hands.disk = target
    monkeypatch.setattr("appliance.field.hands.state_device", lambda name: f"/dev/{name}8")
    told: list[str] = []
    monkeypatch.setattr("appliance.field.programs.ran", lambda what, *more: told.append(f"{what} {more[0]}") or [])
    line = bench.dialogue("reset", "SN-1", "", "0")
    assert told == ["erase /dev/disk8"] and "the next start makes a new one" in line.text
    with FileDisk(target, read_only=True) as disk:
        assert "casemate-state" not in [p.label for p in gpt.read(disk).partitions]


def test_nothing_is_reset_that_cannot_be_recorded(bench: Bench) -> None:
    keys = bench.home / "keys/keys.db"
    keys.parent.mkdir(parents=True)
    keys.write_bytes(b"wrapped key octets")
    bench.log.down = True
    assert "Not done: away" in bench.dialogue("reset", "SN-1", "", "0").text
    assert keys.exists()


def test_a_box_whose_log_does_not_answer_is_restarted_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry is kept: who is there is there to mend it, and after a reset nobody signs the log any more."""
    restarts: list[bool] = []
    monkeypatch.setattr("appliance.field.hands.restart", restarts.append)
    bench.log.down = True
    bench.dialogue("restart", "restart", "yes", "", "0")
    assert restarts == [False]
    (kept,) = [entry for _, entry in bench.hands.updates.book.kept_entries()]
    assert kept["what"] == "box.restarted" and kept["who"] == "field:ann"
    flushed: list[int] = []
    monkeypatch.setattr(bench.hands.updates, "flush", lambda: flushed.append(1))
    bench.dialogue("0")
    assert flushed, "and recorded by the next session that can"


@pytest.mark.parametrize(
    ("tracking", "words"),
    [
        (["System time     : 0.000000000 seconds fast of NTP time", "Leap status     : Not synchronised"], "NOT SYNC"),
        (["System time     : 0.000012345 seconds slow of NTP time", "Leap status     : Normal"], "0.000012345 s slow)"),
        ([], "UTC"),
    ],
)
def test_the_clock_is_told_on_one_line(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tracking: list[str], words: str
) -> None:
    """What chrony says of it, in fewer words."""
    monkeypatch.setattr("appliance.field.hands.programs.ran", lambda what, *_: tracking if what == "clock" else [])
    (line,) = [line for line in bench.hands.status() if line.startswith("clock")]
    assert words in line and len(line) <= COLUMNS


def test_a_whole_installation_by_cable_is_typed_in_25_answers(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From a stick in an empty machine to a message that was delivered: disk, restart, first account, network, an officer, a link's test, the
    recovery key. Links come with a settings file; what is counted is what a person types."""
    machine = installing.Bench(tmp_path / "live")
    machine.disk("sdb", 16, serial="WD-7")
    restarts: list[bool] = []
    monkeypatch.setattr("appliance.field.hands.LIVE", tmp_path)
    monkeypatch.setattr("appliance.field.hands.restart", restarts.append)
    monkeypatch.setattr("appliance.field.installing.gathered", lambda _: None)
    rows = [Finding("memory", "well", "2 GiB"), Finding("clock", "LOOK", "not synchronised yet " * 9)]
    bench.hands.installer = machine.installer
    bench.field.store.remove_account("ann")
    seat = {"state": "opening", "losses": 0}
    opening = STATES | {"keys": {"ready": False, "why": "hsm_unavailable: the HSM is being opened", "workers": [seat]}}
    monkeypatch.setattr(bench.hands, "asked", lambda process: opening[process])
    told: list[tuple[object, ...]] = []
    monkeypatch.setattr("appliance.field.installing.findings", lambda *given: told.append(given) or rows)
    live = bench.typed("install", "1", "yes", "yes", "")
    assert told[0][3] is True, "an HSM that is being opened is not wrong"
    monkeypatch.setattr(bench.hands, "asked", lambda process: STATES[process])
    assert "1 of 2 points are well" in live.text and "writing root: 100 %" in live.text and restarts == [False]
    assert machine.installed("sdb") and "Type   install" in live.text
    assert "Type   new" not in live.text, "an account made now would be gone after the restart"
    # The same machine started from its disk: the first start showed an administrator of the web console.
    monkeypatch.setattr("appliance.field.hands.LIVE", tmp_path / "nowhere")
    access = Access(bench.settings, Passwords(8, 1))
    access.create_user("admin", PASSWORD)
    monkeypatch.setattr("appliance.field.sessions.Access", lambda _: access)
    monkeypatch.setattr("secrets.token_bytes", lambda n: b"s" * n)
    bench.now += 60_000
    code = totp(b"s" * 20, bench.now // 30_000)
    from appliance.volume import Escrow, digest

    Escrow(digest(RECOVERY), NOW_MS).write(bench.home)
    answered = {"ok": True, "steps": [{"name": "message", "ok": True, "why": "", "hint": "", "took_ms": 3}]}
    monkeypatch.setattr(
        "appliance.field.hands.blocking_engines",
        lambda _: SimpleNamespace(call=lambda *_: answered, close=lambda: None),
    )
    monkeypatch.setitem(STATES, "engine", {**STATES["engine"], "links": STATES["engine"]["links"][:1]})
    line = bench.typed(
        *("new", "", PASSWORD, "eve", PASSWORD, PASSWORD, code),
        *("2", "", "10.9.9.9/24", "10.9.9.1", "10.9.0.1", "10.9.0.2", "yes", "confirm", ""),
        *("13", "officer", "olga", "0" * 52, ""),
        *("3", "+393331234567", ""),
        *("12", RECOVERY, ""),
    )
    assert "the link works" in line.text and bench.field.officers() == ["olga"] and "stays valid" in line.text
    assert live.lines + line.lines <= 25
    assert live.keys + line.keys <= 400, "with passwords, codes and the recovery key"
    assert (len(live.wire) + len(line.wire)) / 960 <= 30, "seconds that all of it takes at 9,600 baud"
    assert max(map(len, [*live.screens, *line.screens])) <= 1_900


def test_a_disk_that_is_not_empty_is_written_when_its_serial_number_was_typed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = installing.Bench(tmp_path / "live")
    machine.disk("sdb", 16, serial="WD-7")
    bench.hands.installer = machine.installer
    machine.installer.install("sdb", "", "field:ann", lambda *_: None)
    with FileDisk(tmp_path / "live/machine/dev/sdb") as disk:
        disk.pwrite(4 << 20, b"changed")
    for answers, said in (
        (("1", ""), "Nothing was done"),
        (("1", "WD-8"), "Not done: sdb: the disk is not empty"),
        (("sda",), "Not done: sda: the box was started from this disk"),
        (("1", "WD-7", "no"), "Nothing was done"),
        (("1", "WD-7", "yes", "no"), "Release"),
    ):
        assert said in bench.dialogue("install", *answers, "", "0").text, answers

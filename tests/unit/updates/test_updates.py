"""What two people, the book, windows, copies of stores, the gate and the inventory decide; the bundle itself is a story's."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlite_utils import Database, Migrations

from appliance.errors import Error
from appliance.keys import approvals
from appliance.settings import parse
from appliance.store import migrate, open_store
from appliance.updates import Machine, Updates, at_start, gating, inventory, noticed, status_lines, stores, window
from appliance.updates.desk import INSTALL
from appliance.updates.gating import Look
from firmware import gate
from tests.support.release_keys import release
from tests.support.slots import Box

DAY_MS = 86_400_000
HASH = "c" * 64


class Recorded:
    """An audit log in memory; `down` is one that does not answer."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, str, dict[str, Any]]] = []
        self.down = False

    def record(self, who: str, what: str, on: str, outcome: str = "ok", **detail: Any) -> tuple[int, int]:
        from appliance.audit import entry

        if self.down:
            raise Error("audit_unavailable", "away")
        entry(0, who, what, on, outcome, **detail)
        self.entries.append((who, what, outcome, detail))
        return len(self.entries), len(self.entries)

    @property
    def said(self) -> list[str]:
        return [what for _, what, _, _ in self.entries]


class Bench:
    """A box, its updates, and a clock that is turned by hand."""

    def __init__(self, folder: Path, more: dict[str, Any] | None = None) -> None:
        self.box = Box(folder, release("0.1.0"))
        self.home = folder / "home"
        self.now = 1_800_000_000_000
        self.log = Recorded()
        values = {"disk": str(self.box.disk), "esp": str(self.box.esp), **(more or {})}
        self.settings = parse({"firmware": values}, self.home, "test")
        self.updates = Updates(self.settings, Machine(self.box.root), self.log, lambda: self.now)  # type: ignore[arg-type]

    def asked(self) -> int:
        made = approvals.Approval(0, INSTALL, 0, "new release", "console:ann", self.now, "", 0, approvals.ASKED)
        return self.updates.book.ask(made, HASH, "0.2.0", "d" * 64, "/stick/release.raucb")

    def offering(self, monkeypatch: pytest.MonkeyPatch, root_hash: str = HASH) -> list[str]:
        """Bundles are taken for right; what is written is written down."""
        written: list[str] = []
        manifest = SimpleNamespace(root_hash=root_hash, images={})
        said = release("0.2.0", floor="0.1.5")
        found = SimpleNamespace(
            manifest=manifest, release=said, signer=SimpleNamespace(fingerprint="d" * 64), approvals=()
        )

        @contextlib.contextmanager
        def checked(*_: Any, **__: Any) -> Iterator[Any]:
            yield found

        monkeypatch.setattr(self.updates, "checked", checked)
        monkeypatch.setattr("firmware.install", lambda *given: written.append(given[4]))
        return written


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def told(*_: Any) -> None: ...


def test_one_asks_another_approves_and_it_is_used_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    written = bench.offering(monkeypatch)
    number = bench.asked()
    with pytest.raises(Error, match="who asked cannot approve"):
        bench.updates.decide(number, True, "console:ann")
    assert bench.log.entries[-1][1:3] == ("approval.decided", "refused")
    with pytest.raises(Error, match="is asked"):
        bench.updates.install(Path("r"), "cli:root", told, number)
    assert bench.updates.decide(number, True, "console:bob") == "approved"
    assert bench.updates.approved() is not None
    assert bench.updates.install(Path("r"), "cli:root", told, number) == "0.2.0"
    assert written == [HASH]
    assert bench.log.said[-2:] == ["firmware.install_begun", "firmware.installed"]
    with pytest.raises(Error, match="is used"):
        bench.updates.install(Path("r"), "cli:root", told, number)


def test_an_approval_is_for_one_content_and_one_day(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    written = bench.offering(monkeypatch, "e" * 64)
    number = bench.asked()
    bench.updates.decide(number, True, "console:bob")
    with pytest.raises(Error, match="for another file"):
        bench.updates.install(Path("r"), "cli:root", told, number)
    bench.now += DAY_MS
    with pytest.raises(Error, match="expired"):
        bench.updates.install(Path("r"), "cli:root", told, number)
    assert bench.updates.approved() is None and written == []


def test_without_a_second_person_nothing_is_installed_unless_the_settings_say_so(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.offering(monkeypatch)
    with pytest.raises(Error) as caught:
        bench.updates.install(Path("r"), "cli:root", told)
    assert caught.value.code == "forbidden" and "ask FILE" in caught.value.hint
    (tmp_path / "alone").mkdir()
    alone = Bench(tmp_path / "alone", {"two_people": False})
    alone.offering(monkeypatch)
    assert alone.updates.install(Path("r"), "cli:root", told) == "0.2.0"


def test_nothing_is_installed_that_cannot_be_recorded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    written = bench.offering(monkeypatch)
    number = bench.asked()
    bench.updates.decide(number, True, "console:bob")
    bench.log.down = True
    with pytest.raises(Error, match="away"):
        bench.updates.install(Path("r"), "cli:root", told, number)
    assert written == []


def test_going_back_does_not_wait_for_the_log_and_what_was_left_is_not_installed_again(bench: Bench) -> None:
    new = release("0.2.0")
    bench.updates.book.set_fact("installed", f"0.2.0 {HASH} 0.1.5 {bench.now // 1000}")
    _second(bench, new)
    bench.log.down = True
    assert bench.updates.roll_back("field:eve", "no link comes up") == "0.2.0"
    assert sorted(p.name for p in bench.box.esp.iterdir()) == ["casemate_0.1.0.efi", "casemate_0.2.0+0-1.efi"]
    assert HASH in bench.updates.box().withdrawn
    ((_, kept),) = bench.updates.book.kept_entries()
    assert (kept["what"], kept["detail"]["why"]) == ("firmware.rolled_back", "no link comes up")
    assert bench.updates.state()["unrecorded"] == 1


def _second(bench: Bench, said: Any, name: str = "casemate_0.2.0+2-1.efi") -> None:
    """Slot b runs `said`."""
    from firmware import FileDisk, gpt

    disk = FileDisk(bench.box.disk)
    table = gpt.read(disk)
    parts = gpt.slots(table)["b"]
    gpt.write(
        disk, table, gpt.changed(table, {parts[p].number: (said.uuids[p], f"casemate_{said.version}") for p in parts})
    )
    disk.close()
    (bench.box.esp / name).write_bytes(b"MZ")
    bench.box.started(said)


def test_the_floor_rises_when_a_release_has_proved_itself_not_before(bench: Bench) -> None:
    bench.updates.book.set_fact("installed", f"0.2.0 {HASH} 0.1.5 {bench.now // 1000 + 50}")
    assert bench.updates.floor == "0"
    _second(bench, release("0.2.0"))
    assert bench.updates.bless("process:gate") == "0.2.0"
    assert bench.updates.floor == "0.1.5"
    assert bench.updates.box().now_s == bench.now // 1000 + 50, "a clock set back does not count"
    assert bench.updates.state()["slots"] == [
        {"name": "a", "state": "good", "version": "0.1.0", "left": None},
        {"name": "b", "state": "good", "version": "0.2.0", "left": None},
    ]


def test_a_disk_of_which_no_slot_runs_is_left_alone(bench: Bench) -> None:
    bench.box.put("proc/cmdline", "quiet")
    for act in (lambda: bench.updates.bless("cli:root"), lambda: bench.updates.roll_back("cli:root", "x")):
        with pytest.raises(Error, match="no slot of this disk is the one that runs"):
            act()


def test_a_machine_without_slots_says_what_to_do(tmp_path: Path) -> None:
    updates = Updates(parse({}, tmp_path, "test"), Machine(tmp_path), Recorded())  # type: ignore[arg-type]
    with pytest.raises(Error) as caught:
        updates.roll_back("cli:root", "x")
    assert "site.yml" in caught.value.hint
    assert updates.state()["slots"] == []


def test_what_the_machine_says(bench: Bench) -> None:
    machine = bench.updates.machine
    assert (machine.serial, machine.hardware) == ("SN-1", "x86_64-uefi-qemu-q35")
    bench.box.put("sys/class/dmi/id/product_serial", "To Be Filled By O.E.M.")
    bench.box.put("sys/class/dmi/id/chassis_serial", "CH-9")
    assert machine.serial == "CH-9"
    assert Machine(bench.home).hardware == "x86_64-bios-unknown-unknown"


@pytest.mark.parametrize(
    ("text", "minute", "is_open"),
    [
        ("", 0, False),
        ("22:00-04:00", 23 * 60, True),
        ("22:00-04:00", 4 * 60, False),
        ("22:00-04:00", 60, True),
        ("22:00-04:00", 12 * 60, False),
        ("01:00-02:00", 119, True),
        ("00:00-00:00", 700, True),
    ],
)
def test_windows(text: str, minute: int, is_open: bool) -> None:
    assert window.open_at(text, 5 * DAY_MS + minute * 60_000) is is_open


@pytest.mark.parametrize("text", ["22-4", "25:00-04:00", "22:00", "22:00-04:60"])
def test_what_is_no_window(text: str) -> None:
    with pytest.raises(Error, match="is no window"):
        window.window(text)


# --- stores -------------------------------------------------------------------------------------------------------


def _store(path: Path, *steps: str) -> None:
    """A store with these migrations, each of which adds a table of its name."""
    made = Migrations("toy")
    for step in steps:
        made(name=step)(lambda db, step=step: db.execute(f"CREATE TABLE IF NOT EXISTS {step} (x)"))
    conn = open_store(path)
    migrate(conn, made)
    conn.close()


def _tables(path: Path) -> set[str]:
    return {t for t in Database(str(path)).table_names() if not t.startswith("_")}


def test_stores_are_copied_at_the_first_start_of_a_new_release_and_books_put_back_after_going_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = bench.home
    for name in ("templates.db", "store/messages-2026-11-01.db", "consent.db"):
        _store(home / name, "one")

    def runs(version: str) -> list[str]:
        monkeypatch.setattr(Machine, "version", version)
        return at_start(bench.updates)

    assert runs("0.1.0") == []
    assert runs("0.1.0") == []
    assert "stores copied as 0.1.0 left them" in runs("0.2.0")[0]
    for name in ("templates.db", "consent.db"):
        _store(home / name, "one", "two")
    copies = home / "updates" / stores.FOLDER / "0.1.0"
    assert {path.name for path in copies.rglob("*.db")} == {"templates.db", "updates.db"}, "no customers, no keys"
    assert stores.changed(home, "0.1.0") == {"consent.db": ["toy/two"], "templates.db": ["toy/two"]}
    said = runs("0.1.0")
    assert said == ["put back as before 0.2.0: templates.db", "schema of 0.2.0, left as it is: consent.db"]
    assert _tables(home / "templates.db") == {"one"}
    assert _tables(home / "templates.db.0.2.0") == {"one", "two"}, "nothing is lost"
    assert _tables(home / "consent.db") == {"one", "two"}, "a customer's STOP is never undone"
    assert [kept["what"] for _, kept in bench.updates.book.kept_entries()] == ["firmware.stores_back"]


def test_a_snapshot_is_whole_or_made_again(bench: Bench) -> None:
    _store(bench.home / "templates.db", "one")
    place = bench.home / "updates" / stores.FOLDER / "0.1.0"
    place.mkdir(parents=True)
    (place / "templates.db").write_bytes(b"half of one")
    assert stores.snapshot(bench.home, "0.1.0") == ["templates.db"]
    assert stores.snapshot(bench.home, "0.1.0") == []
    assert _tables(place / "templates.db") == {"one"}


# --- gate and inventory -------------------------------------------------------------------------------------------


def test_the_gate_blesses_what_stays_well_and_gives_up_what_does_not(bench: Bench) -> None:
    _second(bench, release("0.2.0"))
    times = iter(range(0, 10_000, 20))
    well = dict.fromkeys(gate.CHECKS, True)
    run = {"now": lambda: float(next(times)), "pause": lambda _: None}
    lines: list[str] = []
    looks = iter([{}, well, well | {"engine": False}, *[well] * 20])
    assert gating.run(bench.settings, bench.updates, lines.append, lambda: Look(next(looks), False), **run) == "bless"  # type: ignore[arg-type]
    assert "casemate_0.2.0.efi" in {p.name for p in bench.box.esp.iterdir()}
    assert lines[0].startswith("waiting for keys") and "waiting for engine" in lines
    times = iter(range(0, 10_000, 20))
    unwell = Look(well | {"audit": False}, False)
    assert gating.run(bench.settings, bench.updates, lines.append, lambda: unwell, **run) == "fail"  # type: ignore[arg-type]
    assert bench.updates.book.left() == {
        "version": bench.updates.machine.version,
        "why": "not well in time: audit",
        "recorded": False,
    }


def test_the_gate_waits_for_no_process() -> None:
    """Each waits up to a quarter of an hour for the one before it; ten minutes of the gate are ten minutes."""
    unit = (Path(__file__).parents[3] / "playbooks/roles/slots/files/casemate-gate.service").read_text()
    (after,) = [line.removeprefix("After=").split() for line in unit.splitlines() if line.startswith("After=")]
    assert set(after) == {"efi.mount", "casemate-first.service", "casemate-started.service"}


def test_a_box_of_which_nothing_runs_yet_is_not_well_and_no_fault(bench: Bench) -> None:
    assert not any(gating.looked(bench.settings, lambda: True).well.values())


def test_the_time_in_which_people_come_to_open_the_token_is_not_the_releases(bench: Bench) -> None:
    _second(bench, release("0.2.0"))
    times = iter(range(0, 1_000_000, 20))
    run = {"now": lambda: float(next(times)), "pause": lambda _: None}
    sealed = Look(dict.fromkeys(gate.CHECKS, False), True)
    well = Look(dict.fromkeys(gate.CHECKS, True), False)
    looks = iter([*[sealed] * 1_000, *[well] * 20])
    lines: list[str] = []
    assert gating.run(bench.settings, bench.updates, lines.append, lambda: next(looks), **run) == "bless"  # type: ignore[arg-type]
    assert lines[0] == "waiting for the people who open the token"


def test_a_store_is_looked_into_when_its_process_has_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what waits for others is not named as what was wrong."""
    monkeypatch.setattr(gating, "_opens", lambda _: pytest.fail("it may be on its way to another schema"))
    monkeypatch.setattr(gating, "_ready", lambda _: False)
    monkeypatch.setattr(gating, "_asked", lambda *_: {"ready": True})
    found = gating.looked(bench.settings, lambda: True)
    assert [name for name, well in found.well.items() if well] == ["keys", "audit", "engine"]
    times = iter(range(0, 10_000, 20))
    run = {"now": lambda: float(next(times)), "pause": lambda _: None}
    assert gating.run(bench.settings, bench.updates, told, lambda: found, **run) == "fail"  # type: ignore[arg-type]
    assert bench.updates.book.left()["why"] == "not well in time: api"


@pytest.mark.parametrize("why", ["not well in time: engine, api", ""])
def test_a_release_that_the_box_left_by_itself_is_on_the_record_once_with_why(bench: Bench, why: str) -> None:
    """Given up by its gate, or never come so far; the release before runs again."""
    _second(bench, release("0.2.0"), "casemate_0.2.0+0-3.efi")
    noticed(bench.updates)
    assert bench.log.said == [], "it runs: when there is nothing else it is started"
    if why:
        bench.updates.book.leave("0.2.0", why, False)
    bench.box.started(release("0.1.0"))
    bench.updates.machine = Machine(bench.box.root)
    for _ in range(2):
        noticed(bench.updates)
    said = why or "no start of it came as far as the health gate"
    assert bench.log.entries == [("process:gate", "firmware.rolled_back", "ok", {"why": said, "slot": "b"})]
    assert f"0.2.0 was left: {said}" in "\n".join(status_lines(bench.updates.state()))
    bench.updates.reinstate("field:eve")
    assert "was left" not in "\n".join(status_lines(bench.updates.state()))
    (bench.box.esp / "casemate_0.2.0+3-0.efi").rename(bench.box.esp / "casemate_0.2.0+0-3.efi")
    noticed(bench.updates)
    assert bench.log.said[1:] == ["firmware.reinstated", "firmware.rolled_back"], "tried again, and left again"


def test_a_release_that_a_person_left_is_recorded_by_that_alone(bench: Bench) -> None:
    _second(bench, release("0.2.0"))
    bench.updates.roll_back("field:eve", "no link comes up")
    bench.box.started(release("0.1.0"))
    bench.updates.machine = Machine(bench.box.root)
    noticed(bench.updates)
    assert bench.log.said == ["firmware.rolled_back"]
    assert "0.2.0 was left: no link comes up" in "\n".join(status_lines(bench.updates.state()))


def test_firmware_of_the_hardware_is_read_and_compared(bench: Bench, tmp_path: Path) -> None:
    bench.box.put("sys/class/dmi/id/bios_vendor", "EDK II")
    bench.box.put("proc/cpuinfo", "processor : 0\nmicrocode\t: 0x5003801\nprocessor : 1\nmicrocode\t: 0x5003801")
    bench.box.put("sys/block/nvme0n1/device/firmware_rev", "GDC7502Q")
    bench.box.put("sys/block/nvme0n1/device/model", "SAMSUNG MZ")
    bench.box.put("sys/class/net/eno1/device/vendor", "0x8086")
    bench.box.put("sys/class/net/eno1/device/device", "0x1563")
    found = inventory.read(bench.updates.machine, {"model": "Luna", "firmware": "7.8"})
    assert found == {
        "bios": "EDK II 1.0",
        "disk.nvme0n1": "SAMSUNG MZ GDC7502Q",
        "hsm": "Luna 7.8",
        "microcode": "0x5003801",
        "network.eno1": "0x8086:0x1563",
    }
    approved = tmp_path / "approved.json"
    approved.write_text(inventory.list_text(found))
    assert inventory.differences(inventory.listed(approved), found) == []
    changed = {**found, "bios": "EDK II 2.0", "disk.sda": "new"}
    del changed["hsm"]
    assert [str(d) for d in inventory.differences(inventory.listed(approved), changed)] == [
        "bios: EDK II 2.0, approved is EDK II 1.0",
        "disk.sda: new, not on the list",
        "hsm: gone (was Luna 7.8)",
    ]


def test_a_difference_is_an_entry_once_and_again_when_it_is_gone(bench: Bench, tmp_path: Path) -> None:
    approved = tmp_path / "approved.json"
    approved.write_text(inventory.list_text({"bios": "1"}))
    bench.updates.settings = parse({"firmware": {"hardware_list": str(approved)}}, bench.home, "test")
    codes = [inventory.compared(bench.updates, {"bios": bios}, told) for bios in ("1", "2", "2", "1")]
    assert codes == [0, 1, 1, 0]
    assert [(what, outcome) for _, what, outcome, _ in bench.log.entries] == [
        ("firmware.inventory", "failed"),
        ("firmware.inventory", "ok"),
    ]
    approved.write_text("[]")
    with pytest.raises(Error, match="cannot be read"):
        inventory.compared(bench.updates, {}, told)


def test_two_who_open_the_page_first_at_once_both_see_it(bench: Bench) -> None:
    """The book is made by whoever comes first, and the page of releases by two at once."""
    gate, found = threading.Barrier(4), list[object]()

    def opened() -> None:
        gate.wait(60)
        try:
            found.append(bench.updates.book.requests())
        except Error as e:
            found.append(e)

    threads = [threading.Thread(target=opened) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [[]] * 4

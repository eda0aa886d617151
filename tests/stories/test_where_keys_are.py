"""Where data keys are in clear: in the memory of those processes that seal and open, and nowhere else: no other process, no file, no core dump."""

from __future__ import annotations

import base64
import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from appliance.clock import day_of, now_ms
from tests.support.appliance import Appliance

pytestmark = pytest.mark.stories
#: Those that hold the day's key: `keys` with its workers, who made it, and who seals or opens.
HOLD = frozenset({"keys", "gateway-0", "gateway", "engine", "door"})
PART_OCTETS = 1 << 22


@pytest.fixture(scope="module")
def box() -> Iterator[Appliance]:
    with Appliance() as box:
        box.until_ready()
        yield box


def secrets(box: Appliance) -> dict[str, bytes]:
    """What must not be found: as the keys process gives it to those who may have it."""
    day = day_of(now_ms())
    return {
        "the day's key": box.ask("keys", "data_key", {"day": day})["key"],
        "the blind index key": box.ask("keys", "index_key")["key"],
    }


def forms(key: bytes) -> list[bytes]:
    """The octets, and as text people and programs write them."""
    return [key, key.hex().encode(), key.hex().upper().encode(), base64.b64encode(key), base64.urlsafe_b64encode(key)]


def holds(pid: int, wanted: list[bytes]) -> bool:
    """Whether one of `wanted` is in what the process can write. Raises PermissionError where that may not be looked at."""
    overlap = max(map(len, wanted))
    try:
        maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False  # it ended while we looked
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for begin, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps, re.MULTILINE):
            at, upto, tail = int(begin, 16), int(end, 16), b""
            while at < upto:
                try:
                    memory.seek(at)
                    part = memory.read(min(PART_OCTETS, upto - at))
                except (OSError, ValueError):  # a guard page, or one that went while we looked
                    break
                if not part:
                    break
                if any(key in tail + part for key in wanted):
                    return True
                tail, at = part[-overlap:], at + len(part)
    return False


def running(box: Appliance) -> dict[str, list[int]]:
    """Process ids by name; children count as their parent. The supervisor is one of them."""
    found: dict[str, list[int]] = {}
    for name, pid in box.processes().items():
        with contextlib.suppress(psutil.Error):
            found[name] = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
            found["supervisor"] = [psutil.Process(pid).ppid()]
    return found


@pytest.mark.timeout(300)
def test_no_other_process_has_the_keys(box: Appliance) -> None:
    told = box.send(to="+393471234567", text="Dove sono le chiavi")
    box.until(told["id"], "delivered")
    keys = secrets(box)
    processes = running(box)
    assert {"keys", "engine", "auditor", "courier", "console", "supervisor", "simulator"} <= processes.keys(), processes
    mine = {name: [key] for name, key in keys.items()}
    try:
        assert any(holds(pid, mine["the day's key"]) for pid in processes["keys"]), "the scan finds what is there"
    except PermissionError:
        pytest.skip("memory of other processes may not be read here (CAP_SYS_PTRACE)")
    wanted = [form for key in keys.values() for form in forms(key)]
    for name, pids in processes.items():
        if name.rstrip("-0123456789") not in {h.rstrip("-0123456789") for h in HOLD}:
            assert not any(holds(pid, wanted) for pid in pids), f"{name} has a key"


def test_no_file_has_the_keys(box: Appliance) -> None:
    wanted = [form for key in secrets(box).values() for form in forms(key)]
    looked = 0
    for path in box.base.rglob("*"):
        if path.is_file() and not path.is_symlink():
            looked += 1
            content = path.read_bytes()
            assert not any(form in content for form in wanted), path.name
    assert looked > 20, "there are stores, logs and settings"


def test_no_process_that_holds_keys_leaves_a_core_dump_or_is_read_by_its_neighbours(box: Appliance) -> None:
    """core(5): a limit of 0; prctl(2) PR_SET_DUMPABLE 0 makes /proc/PID/mem root's, so that nobody of the same user reads it."""
    for name, pids in running(box).items():
        for pid in pids:
            try:
                limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
            except (FileNotFoundError, ProcessLookupError):
                continue
            assert re.search(r"Max core file size +0 +0 ", limits), f"{name} may leave a core dump"
            if name == "keys" and os.geteuid() != 0:
                assert Path(f"/proc/{pid}/mem").stat().st_uid == 0

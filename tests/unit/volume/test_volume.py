"""The state volume: only a disk without one gets one; the recovery key opens what the TPM does not, and is replaced until somebody confirms it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Error
from appliance.volume import Escrow, digest, normal, open_volume, policy, programs, state_device
from appliance.volume.disk import device_of, disk_of, root_device

KEY = "-".join(["cbdefghi"] * 8)


class Hands:
    """Programs that write down what they were asked and fail where the test says."""

    def __init__(self, disk: Path, failing: dict[str, int] | None = None, typed: tuple[str, ...] = ()) -> None:
        self.disk, self.failing, self.typed = disk, dict(failing or {}), list(typed)
        self.done: list[str] = []
        self.table = {"casemate_0.1.0": 2}

    def named(self, disk: str) -> dict[str, int]:
        assert disk == "/dev/vda"
        return self.table

    def _did(self, what: str) -> None:
        self.done.append(what)
        if self.failing.get(what, 0) > 0:
            self.failing[what] -= 1
            raise Error("internal", f"{what} failed")

    def make(self, disk: str) -> None:
        self._did("make")
        self.there()

    def live(self, name: str) -> None:
        assert name == "state"
        self._did("live")

    def there(self) -> Hands:
        """The disk has a state volume."""
        self.table = {**self.table, "casemate-state": 8}
        partition(self.disk, "vda8", 8)
        return self

    def settle(self) -> None:
        self._did("settle")

    def open_by_tpm(self, device: str, name: str) -> None:
        assert (device, name) == ("/dev/vda8", "state")
        self._did("tpm")

    def open_by_key(self, device: str, name: str, key: str) -> None:
        self._did("key")
        if key != KEY:
            raise Error("internal", "no key available with this passphrase")

    def ask(self, text: str) -> str:
        self._did("ask")
        return self.typed.pop(0)

    def bind(self, device: str, key: str) -> None:
        assert key == KEY
        self._did("bind")


def partition(disk: Path, name: str, number: int) -> None:
    place = disk / name
    place.mkdir(parents=True)
    (place / "partition").write_text(f"{number}\n")


@pytest.fixture
def block(tmp_path: Path) -> Path:
    """/sys/class/block of a box whose root is a verity device over two partitions of `vda`."""
    there = tmp_path / "block"
    disk = tmp_path / "devices/vda"
    partition(disk, "vda2", 2)
    partition(disk, "vda3", 3)
    there.mkdir()
    (tmp_path / "devices/dm-0/slaves/vda2").mkdir(parents=True)
    (tmp_path / "devices/dm-0/slaves/vda3").mkdir()
    (there / "dm-0").symlink_to(tmp_path / "devices/dm-0")
    for name, place in (("vda", disk), ("vda2", disk / "vda2"), ("vda3", disk / "vda3")):
        (there / name).symlink_to(place)
    return there


@pytest.mark.parametrize(("removable", "where"), [("1", "pci/ata1"), ("0", "pci/usb2/2-1")])
def test_a_stick_keeps_its_state_in_memory_and_nothing_is_made_on_it(
    tmp_path: Path, removable: str, where: str
) -> None:
    place = tmp_path / "devices" / where / "vda"
    place.mkdir(parents=True)
    (place / "removable").write_text(removable + "\n")
    (tmp_path / "block").mkdir()
    (tmp_path / "block/vda").symlink_to(place)
    hands, said = Hands(place), list[str]()
    open_volume("vda", said.append, hands, tmp_path / "block")
    assert hands.done == ["live"] and "USB stick" in said[0]
    # One that somebody keeps a box on all the same is opened like any other.
    partition(place, "vda8", 8)
    (tmp_path / "block/vda8").symlink_to(place / "vda8")
    hands = Hands(place)
    hands.table = {**hands.table, "casemate-state": 8}
    open_volume("vda", said.append, hands, tmp_path / "block")
    assert hands.done == ["tpm"]


def test_nothing_but_an_absent_volume_leads_to_making_one() -> None:
    assert [key for key, to in policy.STEPS.items() if to == policy.MAKING] == [(policy.LOOKING, "absent")]
    assert {state for state, _ in policy.STEPS}.isdisjoint(policy.ENDS)
    assert set(policy.STEPS.values()) <= {state for state, _ in policy.STEPS} | policy.ENDS


def test_a_new_box_gets_a_volume(block: Path) -> None:
    hands = Hands(block / "vda")
    open_volume("vda", lambda _: None, hands, block)
    assert hands.done == ["make", "settle", "tpm"]


def test_one_that_is_there_is_opened(block: Path) -> None:
    hands = Hands(block / "vda").there()
    open_volume("vda", lambda _: None, hands, block)
    assert hands.done == ["tpm"]


def test_one_that_does_not_open_waits_for_its_key_and_is_never_made_anew(block: Path) -> None:
    hands = Hands(block / "vda", {"tpm": 1}, ("wrong", "", KEY.upper().replace("-", " "))).there()
    said: list[str] = []
    open_volume("vda", said.append, hands, block)
    assert hands.done == ["tpm", *["ask", "key"] * 3, "bind"]
    assert "Nothing on it was changed" in said[1]
    assert KEY not in " ".join(said)


def test_a_tpm_that_does_not_take_the_new_seal_keeps_nobody_out(block: Path) -> None:
    hands = Hands(block / "vda", {"tpm": 1, "bind": 1}, (KEY,)).there()
    open_volume("vda", lambda _: None, hands, block)
    assert hands.done == ["tpm", "ask", "key", "bind"]


def test_a_disk_that_takes_no_volume_is_said(block: Path) -> None:
    with pytest.raises(Error, match="make failed") as e:
        open_volume("vda", lambda _: None, Hands(block / "vda", {"make": 1}), block)
    assert "TPM" in e.value.hint


def test_the_disk_under_the_root(block: Path) -> None:
    assert disk_of("dm-0", block) == "vda"
    assert disk_of("vda2", block) == "vda"
    with pytest.raises(Error, match="not on a partition"):
        disk_of("vda", block)


def test_partitions_by_their_numbers(block: Path) -> None:
    assert device_of("vda", 3, block) == "/dev/vda3"
    with pytest.raises(Error, match="no partition 8"):
        device_of("vda", 8, block)
    with pytest.raises(Error, match="no partition casemate-state"):
        state_device("vda", Hands(block / "vda"), block)


def test_what_is_mounted_as_root(tmp_path: Path) -> None:
    mounts, numbers = tmp_path / "mountinfo", tmp_path / "numbers"
    (tmp_path / "dm-0").mkdir()
    numbers.mkdir()
    (numbers / "253:0").symlink_to(tmp_path / "dm-0")
    mounts.write_text("22 1 0:21 / /sys rw - sysfs sysfs rw\n1 0 253:0 / / ro - erofs /dev/mapper/root ro\n")
    assert root_device(mounts, numbers) == "dm-0"
    mounts.write_text("1 0 0:40 / / rw - overlay overlay rw\n")
    with pytest.raises(Error, match="not on a block device"):
        root_device(mounts, numbers)


def test_a_key_is_known_again_however_it_is_typed() -> None:
    for typed in (KEY, KEY.upper(), KEY.replace("-", ""), f"  {KEY.replace('-', ' ')}\n"):
        assert normal(typed) == KEY
    assert programs.KEY.search(f"x\n{KEY}\n")[0] == KEY  # type: ignore[index]


def test_the_escrow_is_confirmed_by_typing_the_key(tmp_path: Path) -> None:
    assert Escrow.of(tmp_path) is None
    Escrow(digest(KEY), 1).write(tmp_path)
    known = Escrow.of(tmp_path)
    assert known is not None
    assert KEY not in (tmp_path / "recovery/key.json").read_text()
    with pytest.raises(Error) as e:
        known.confirmed(KEY[:-1] + "c", "cli:x", 5)
    assert e.value.code == "key_refused"
    known.confirmed(KEY.upper(), "cli:x", 5).write(tmp_path)
    assert Escrow.of(tmp_path) == Escrow(digest(KEY), 1, 5, "cli:x")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sha256": "00"}', '{"sha256": "", "made_ms": "x"}'])
def test_what_cannot_be_read_is_no_key(tmp_path: Path, text: str) -> None:
    (tmp_path / "recovery").mkdir()
    (tmp_path / "recovery/key.json").write_text(text)
    assert Escrow.of(tmp_path) is None


def test_what_another_tpm_sealed_is_gone_before_this_one_seals(monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd-cryptenroll finds the other's seal over the same PCRs and would do nothing: seen on a machine whose TPM was replaced."""
    ran: list[tuple[list[str], bool]] = []

    def run(words: list[str], seconds: float, **more: Any) -> str:
        ran.append((words, "env" in more))
        return ""

    monkeypatch.setattr(programs, "_run", run)
    programs.bind("/dev/vda8", KEY)
    assert ran[0] == (["systemd-cryptenroll", "--wipe-slot=tpm2", "/dev/vda8"], False)
    (words, told) = ran[1]
    assert told and "--tpm2-device=auto" in words and not any(word.startswith("--wipe-slot") for word in words)


def test_a_program_that_fails_is_said_without_what_it_was_given() -> None:
    with pytest.raises(Error, match=r"sh ended with 3: why") as e:
        programs._run(["sh", "-c", "cat > /dev/null; echo why >&2; exit 3"], 10, said=KEY, env={"PASSWORD": KEY})
    assert KEY not in str(e.value)
    with pytest.raises(Error, match="FileNotFoundError"):
        programs._run(["/no/such/program"], 10)

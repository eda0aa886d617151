"""The hand that walks the table of `policy.py` at a start: before it there is no state, after it the state volume is open or a person was told why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from appliance.errors import Error

from . import disk as disks
from . import policy, programs
from .escrow import normal

NAME: Final = "state"  # /dev/mapper/state; roles/volumes mounts it on /var


LABEL: Final = "casemate-state"  # of the partition; roles/volumes gives it


class Programs(Protocol):
    """What `programs` offers; a test stands in for it."""

    def named(self, disk: str) -> dict[str, int]: ...
    def make(self, disk: str) -> None: ...
    def live(self, name: str) -> None: ...
    def settle(self) -> None: ...
    def open_by_tpm(self, device: str, name: str) -> None: ...
    def open_by_key(self, device: str, name: str, key: str) -> None: ...
    def ask(self, text: str) -> str: ...
    def bind(self, device: str, key: str) -> None: ...


def state_device(disk: str, hands: Programs = programs, block: Path = disks.BLOCK) -> str:
    """The partition of the state volume on a disk. Raises Error `not_found`."""
    number = hands.named(f"/dev/{disk}").get(LABEL)
    if number is None:
        raise Error("not_found", f"{disk} has no partition {LABEL}", "see the journal of this start")
    return disks.device_of(disk, number, block)


class _Walk:
    """One start. `heard` of each state is what its method gives."""

    def __init__(self, disk: str, block: Path, hands: Programs, say: Callable[[str], None]) -> None:
        self.disk, self.block, self.hands, self.say = disk, block, hands, say
        self.key = ""
        self.why = ""

    def device(self) -> str:
        return state_device(self.disk, self.hands, self.block)

    def looking(self) -> str:
        if LABEL in self.hands.named(f"/dev/{self.disk}"):
            return "there"
        return "live" if disks.portable(self.disk, self.block) else "absent"

    def living(self) -> str:
        self.say("started from a USB stick: state is in memory and ends with this start;")
        self.say("`install` at the serial console writes the system to a disk")
        self.hands.live(NAME)
        return "done"

    def making(self) -> str:
        self.say(f"a new box: making the state volume on /dev/{self.disk} ...")
        self.hands.make(f"/dev/{self.disk}")
        self.hands.settle()
        return "done"

    def opening(self) -> str:
        self.hands.open_by_tpm(self.device(), NAME)
        return "done"

    def asking(self) -> str:
        self.say(f"the state volume does not open by the TPM: {self.why}. Nothing on it was changed.")
        self.key = normal(self.hands.ask("Recovery key of the state volume:"))
        self.hands.open_by_key(self.device(), NAME, self.key)
        return "done"

    def binding(self) -> str:
        self.hands.bind(self.device(), self.key)
        self.say("the recovery key opened the state volume; it opens by the TPM again from now on")
        return "done"


def open_volume(disk: str, say: Callable[[str], None], hands: Programs = programs, block: Path = disks.BLOCK) -> None:
    """Ends when the state volume of `disk` is open as /dev/mapper/state. Raises Error `store_damaged` when none can be made."""
    walk, state = _Walk(disk, block, hands, say), policy.LOOKING
    while state not in policy.ENDS:
        try:
            heard = getattr(walk, state)()
        except Error as e:
            heard, walk.why = "failed", e.message
            say(f"{state}: {e.message}")
        state = policy.STEPS[state, heard]
    if state == policy.STUCK:
        raise Error(
            "store_damaged",
            f"the state volume cannot be made: {walk.why}",
            "is there a TPM 2.0, and a disk larger than the image?",
        )


def enrol(device: str) -> str:
    """A new recovery key of the open volume on `device`, in place of any before."""
    return programs.new_recovery_key(device)

"""What the kernel and psutil say of this machine, read once. The hand; it decides nothing. What cannot be read is None."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from appliance.clock import monotonic_s, now_ms

SECURE_BOOT: Final = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronised
DEVELOPMENT: Final = "CASEMATE_KEYS=development"  # a line of os-release, written when the image is built
PROBE: Final = "usr/lib/.casemate-selftest"


@dataclass(frozen=True)
class Facts:
    """One look. Sizes in MiB, times as named. `listening`: (address, port) of every TCP and UDP socket that takes from outside."""

    processors: int
    memory: int
    memory_used: int
    state_size: int
    state_free: int
    networks: dict[str, bool]  # card -> link is up
    now_ms: int
    synchronised: bool
    entropy: int
    hardware_random: str
    secure_boot: bool | None
    development_keys: bool
    tpm: str
    root_type: str
    root_verified: bool
    root_written: bool
    lockdown: str
    enforced: int
    complaining: int
    listening: tuple[tuple[str, int], ...]
    up_s: float


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), as far as it matters: `modes` 0 reads."""

    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_char * 252))


def synchronised() -> bool:
    asked = _Timex()
    return int(ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(asked))) not in (-1, TIME_ERROR)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def written(root: Path) -> bool:
    """Whether a file can be made on the root, by trying. What was made is removed."""
    probe = root / PROBE
    try:
        probe.touch()
    except OSError:
        return False
    probe.unlink()
    return True


def _secure_boot(root: Path) -> bool | None:
    try:
        return (root / SECURE_BOOT).read_bytes()[4] == 1  # four octets of attributes first (efivarfs)
    except (OSError, IndexError):
        return None


def profiles(text: str) -> tuple[int, int]:
    """How many AppArmor profiles are enforced and how many only complain, from the kernel's list."""
    return text.count("(enforce)"), text.count("(complain)")


def outside() -> tuple[tuple[str, int], ...]:
    """Sockets that wait for somebody, not on loopback."""
    rows = [
        c for c in psutil.net_connections("inet") if not c.raddr and c.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
    ]
    found = {(str(c.laddr.ip), int(c.laddr.port)) for c in rows if c.laddr}
    return tuple(sorted(row for row in found if not row[0].startswith("127.") and row[0] != "::1"))


def gathered(state: Path, root: Path = Path("/")) -> Facts:
    """Looks once. `state` is the folder whose volume keeps what changes."""
    memory, disk = psutil.virtual_memory(), psutil.disk_usage(str(state))
    cards = {name: card.isup for name, card in psutil.net_if_stats().items() if name != "lo"}
    kernel = root / "sys/kernel"
    enforced, complaining = profiles(_text(kernel / "security/apparmor/profiles"))
    mounts = [line.split(" ") for line in _text(root / "proc/self/mounts").splitlines()]
    numbers = [_text(path) for path in sorted((root / "sys/class/block").glob("dm-*/dm/uuid"))]
    names = _text(kernel / "security/lockdown")
    return Facts(
        processors=psutil.cpu_count() or 0,
        memory=memory.total >> 20,
        memory_used=(memory.total - memory.available) >> 20,
        state_size=disk.total >> 20,
        state_free=disk.free >> 20,
        networks=cards,
        now_ms=now_ms(),
        synchronised=synchronised(),
        entropy=int(_text(root / "proc/sys/kernel/random/entropy_avail") or 0),
        hardware_random=_text(root / "sys/class/misc/hw_random/rng_current"),
        secure_boot=_secure_boot(root),
        development_keys=DEVELOPMENT in _text(root / "usr/lib/os-release").splitlines(),
        tpm=_text(root / "sys/class/tpm/tpm0/tpm_version_major"),
        root_type=next((words[2] for words in mounts if words[1:2] == ["/"]), ""),
        root_verified=any(number.startswith("CRYPT-VERITY") and number.endswith("-root") for number in numbers),
        root_written=written(root),
        lockdown=names.partition("[")[2].partition("]")[0],
        enforced=enforced,
        complaining=complaining,
        listening=outside(),
        up_s=monotonic_s(),
    )

"""What a run was measured on: processor, memory, disk and what a sync costs there, versions. Read from the system, nothing guessed."""

from __future__ import annotations

import os
import platform
import statistics
from pathlib import Path
from typing import Any, Final

import cryptography
import msgspec
import psutil

import appliance
from appliance.clock import monotonic_s
from appliance.store import SQLITE_VERSION

SYNCS: Final = 200
SYNC_OCTETS: Final = 4_096


def described(folder: Path) -> dict[str, Any]:
    """The machine, and the disk that `folder` is on."""
    mount = _mount(folder)
    syncs = sync_us(folder)
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "disk": f"{mount.fstype} on {mount.device}" if mount else "unknown",
        "disk_free_gib": round(psutil.disk_usage(str(folder)).free / 2**30, 1),
        "fsync_us_median": round(statistics.median(syncs)),
        "fsync_us_p99": round(sorted(syncs)[int(len(syncs) * 0.99)]),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": SQLITE_VERSION,
        "cryptography": cryptography.__version__,
        "msgspec": msgspec.__version__,
        "casemate": appliance.__version__,
    }


def sync_us(folder: Path) -> list[float]:
    """What writing and syncing a page costs, microseconds, each time."""
    path = folder / "sync.probe"
    out = []
    handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        page = os.urandom(SYNC_OCTETS)
        for _ in range(SYNCS):
            began = monotonic_s()
            os.write(handle, page)
            os.fdatasync(handle)
            out.append((monotonic_s() - began) * 1e6)
    finally:
        os.close(handle)
        path.unlink()
    return out


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith(("model name", "Model")):
                return line.partition(":")[2].strip()
    return platform.machine()


def _mount(folder: Path) -> Any:
    """The mounted file system that holds `folder`: the longest path that is above it."""
    above = [m for m in psutil.disk_partitions(all=True) if folder.resolve().is_relative_to(m.mountpoint)]
    return max(above, key=lambda m: len(m.mountpoint), default=None)


def page(told: dict[str, Any]) -> str:
    return (
        f"{told['cores']} x {told['processor']}, {told['memory_gib']} GiB, {told['disk']}, "
        f"sync of 4 KiB {told['fsync_us_median']} us (p99 {told['fsync_us_p99']})\n"
        f"{told['system']}, Python {told['python']}, SQLite {told['sqlite']}, casemate {told['casemate']}"
    )

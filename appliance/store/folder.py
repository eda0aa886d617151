"""The folder of day partitions: which file is which day."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

from appliance import clock

EPOCH = date(1970, 1, 1)
DAY_MAX = (date.max - EPOCH).days  # an id may name a day that no calendar has


def partition_path(folder: Path, day: int) -> Path:
    """`messages-2026-11-22.db` in `folder` for a day number."""
    return folder / f"messages-{clock.day_name(day)}.db"


def partition_exists(folder: Path, day: int) -> bool:
    """Whether there is a partition of a day, which may be any number."""
    return 0 <= day <= DAY_MAX and partition_path(folder, day).exists()


def free_octets(folder: Path) -> int:
    """Room left for us on the disk of `folder` (statvfs(3)); much where nobody can say."""
    try:
        told = os.statvfs(folder)
    except OSError:
        return 1 << 60
    return told.f_bavail * told.f_frsize


def partition_days(folder: Path) -> list[int]:
    """The days that have a partition, oldest first."""
    days = []
    for path in folder.glob("messages-*.db"):
        try:
            days.append((date.fromisoformat(path.stem.removeprefix("messages-")) - EPOCH).days)
        except ValueError:
            continue
    return sorted(days)

"""What happens to a day when it is over: its partition is closed when nothing can still move in it, and erased at its retention's end."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance import clock, limits
from appliance.audit import entry
from appliance.store import partition_days, partition_path

from .ledger import Ledger

log = logging.getLogger(__name__)


def retire(
    ledger: Ledger,
    today: int,
    retention_days: int,
    now_ms: int,
    busy: set[int],
    held: frozenset[int] = frozenset(),
    left: Sequence[Path] = (),
) -> list[dict[str, Any]]:
    """Closes and erases old partitions; the audit entries to record. A day with anything that may still move stays; `busy` are
    those with messages under way, `held` those under a legal hold, which are closed and not erased.

    `left`: stores that no engine has any more; nothing in them moves, and their days are erased when their time is over.
    """
    notes = []
    for day in partition_days(ledger.folder):
        if day >= today - limits.RECEIPT_DAYS or day in ledger.scheduled_days or day in ledger.work or day in busy:
            continue
        partition = ledger.partitions.get(day)
        if partition is not None:
            if partition.may_move(now_ms) or ledger.outboxes[day].pending(1)[0]:
                continue
            # A door that is away for so long holds up nothing: its letters would be past their own time too.
            if day >= today - retention_days and partition.untold():
                continue
            ledger.close(day)
        if day < today - retention_days and day not in held:
            notes.append(_erased(ledger, ledger.folder, day, now_ms))
    for folder in left:
        old = [day for day in partition_days(folder) if day < today - retention_days and day not in held]
        notes += [_erased(ledger, folder, day, now_ms) for day in old]
    return notes


def _erased(ledger: Ledger, folder: Path, day: int, now_ms: int) -> dict[str, Any]:
    path = partition_path(folder, day)
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    log.info("partition %s erased", clock.day_name(day))
    return entry(now_ms, f"process:{ledger.name}", "partition.erased", f"partition:{clock.day_name(day)}")

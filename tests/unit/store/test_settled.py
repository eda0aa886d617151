"""What an earlier process left in the log is in the file itself before a store is used: its last sync may have failed."""

from __future__ import annotations

import shutil
from pathlib import Path

from appliance.store import Partition, open_store, partition_path

DAY = 20_000


def test_opening_a_day_writes_what_a_log_holds_into_the_file(tmp_path: Path) -> None:
    before, after, copied = tmp_path / "before", tmp_path / "after", tmp_path / "copied"
    partition = Partition(before, DAY)
    partition.begin()
    partition.set_mark("seen", 7)
    partition.commit()
    after.mkdir()
    for path in before.iterdir():  # as a process leaves it that is killed: with its log
        shutil.copy(path, after)
    partition.close()
    assert partition_path(after, DAY).with_name(partition_path(after, DAY).name + "-wal").stat().st_size > 0
    found = Partition(after, DAY)
    copied.mkdir()
    shutil.copy(partition_path(after, DAY), copied)  # without its log
    alone = open_store(partition_path(copied, DAY))
    assert alone.execute("SELECT value FROM mark WHERE name='seen'").fetchone() == (7,)
    alone.close()
    found.close()

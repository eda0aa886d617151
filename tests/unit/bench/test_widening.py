"""A day made larger: every table that a day of usual messages has grows alike, and a number is found as often as it is there."""

from __future__ import annotations

import asyncio
from pathlib import Path

from appliance.bench.widening import over, widened
from appliance.clock import day_of, now_ms
from appliance.engine.stages import StageCosts
from appliance.message import DELIVERED
from appliance.store import Partition, partition_path, stored

TABLES = ("batch", "tally", "message", "progress", "segment")


async def lived(folder: Path) -> tuple[Path, int]:
    costs = StageCosts(folder, 1_000)
    await costs.run(300, 100)
    while said := costs.operator_says():
        costs.bind.data_received(said)
        await costs.beat.once()
    await costs.beat.once()
    costs.beat.close()
    store = next(folder.rglob("messages-*.db")).parent
    day = next(day for day in (day_of(now_ms()), day_of(now_ms()) - 1) if partition_path(store, day).exists())
    return store, day


def test_a_day_holds_so_many_times_as_much(tmp_path: Path) -> None:
    store, day = asyncio.run(lived(tmp_path))
    before = Partition(store, day)
    row = (before.last_seq, bytes(range(16)), 1, 3, 0, 2, "B", 39, b"i" * 16, b"n", b"c", 1, 1, 0, 2, 0)
    before.conn.execute(f"INSERT OR REPLACE INTO message VALUES({','.join('?' * 16)})", row)
    before.conn.execute("INSERT OR REPLACE INTO progress VALUES(?,?,1,1,1,NULL)", (before.last_seq, DELIVERED))
    rows = {table: before.conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}
    count, last = stored.totals(before.conn)[DELIVERED], before.last_seq
    first, numbers = before.conn.execute("SELECT first,numbers FROM batch ORDER BY first LIMIT 1").fetchone()
    before.close()
    assert count >= 300 and rows["batch"] >= 3
    widened(partition_path(store, day), 4)
    after = Partition(store, day)
    try:
        assert stored.totals(after.conn)[DELIVERED] == 4 * count and after.last_seq == 4 * last
        for table in TABLES:
            assert after.conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 4 * rows[table], table
        assert after.conn.execute("SELECT sum(length(digests))/8 FROM ended").fetchone()[0] >= 4 * count - 4, (
            "a start would read them again"
        )
        assert after.mark("ended_upto") == after.conn.execute("SELECT max(upto) FROM tally").fetchone()[0]
        found = stored.by_number(after.conn, numbers[:16])
        assert found == [first + copy * last for copy in range(4)]
        ids = [row[0] for row in after.conn.execute("SELECT id FROM message")]
        assert (
            len({*ids}) == 4 and {len(each) for each in ids} == {16} and {each[:7] for each in ids} == {bytes(range(7))}
        )
        assert after.conn.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    finally:
        after.close()


def test_a_day_that_is_over_has_all_in_its_place(tmp_path: Path) -> None:
    store, day = asyncio.run(lived(tmp_path))
    before = Partition(store, day)
    total = stored.totals(before.conn)
    assert before.behind(1)
    before.close()
    over(store, day)
    after = Partition(store, day)
    try:
        assert stored.totals(after.conn) == total and not stored.moving(after.conn) and not after.behind(1)
        assert after.conn.execute("SELECT count(*) FROM moves").fetchone()[0] == 0
        assert after.conn.execute("SELECT sum(length(digests))/8 FROM ended").fetchone()[0] >= 300
    finally:
        after.close()

"""What a reader still has open is gone when its file is; an id may name any day."""

from pathlib import Path

from appliance.message import new_ids
from appliance.store import Partition, Reader, partition_path

DAY = 20_779


def test_an_erased_partition_is_gone_for_a_reader_that_had_it_open(tmp_path: Path) -> None:
    partition = Partition(tmp_path, DAY)
    index = (b"i" * 16, b"n" * 40, b"c" * 60)
    mid = new_ids(1, DAY * 86_400_000)[0]
    conn = partition.conn
    conn.execute("INSERT INTO message VALUES(1,?,1,0,0,1,'BANK',39,?,?,?,1,1,0,9,0)", (mid, *index))
    conn.execute("INSERT INTO progress(seq,status,changed_ms) VALUES(1,2,1)")
    reader = Reader(tmp_path)
    assert reader.message(mid) is not None
    partition.close()
    for path in tmp_path.glob(partition_path(tmp_path, DAY).name + "*"):
        path.unlink()
    assert reader.message(mid) is None and reader.totals(DAY) == {}


def test_an_id_of_a_year_no_calendar_has_is_not_found(tmp_path: Path) -> None:
    assert Reader(tmp_path).message(b"\xff" * 16) is None

"""How many segments left under which sender since a time: what a count in memory begins with after a restart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .batches import ODD, decode_columns
from .partition import Partition
from .stored import tally_of


def submitted_since(partition: Partition, senders: Sequence[str], since_ms: int) -> dict[str, int]:
    """Sender -> segments submitted; a message without a sender of its own counts as its link's, which is not known here: as none."""
    conn, wanted = partition.conn, frozenset(senders)
    marks = ",".join("?" * len(senders))
    sql = (
        "SELECT m.sender, count(*) FROM segment s JOIN message m ON m.seq = s.key >> 8"  # noqa: S608 - marks only
        f" WHERE s.submitted_ms >= ? AND s.link > 0 AND m.sender IN ({marks}) GROUP BY m.sender"
    )
    out = Counter({sender: int(n) for sender, n in conn.execute(sql, (since_ms, *senders))})
    for first, packed in conn.execute("SELECT first, columns FROM batch"):
        columns = decode_columns(packed)
        if wanted.isdisjoint(columns.senders):
            continue
        tally = tally_of(conn, partition.day, first, columns.ids)
        for sender, status, at_ms in zip(columns.senders, tally.statuses, tally.submitted, strict=True):
            if sender in wanted and status != ODD and at_ms >= since_ms:  # an odd one is a row, counted above
                out[sender] += 1
    return dict(out)

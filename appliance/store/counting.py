"""How many segments left under which sender since a time: what a count in memory begins with after a restart."""

from __future__ import annotations

from collections.abc import Sequence

from .partition import Partition


def submitted_since(partition: Partition, senders: Sequence[str], since_ms: int) -> dict[str, int]:
    """Sender -> segments submitted; a message without a sender of its own counts as its link's, which is not known here: as none."""
    marks = ",".join("?" * len(senders))
    sql = (
        "SELECT m.sender, count(*) FROM segment s JOIN message m ON m.seq = s.key >> 8"  # noqa: S608 - marks only
        f" WHERE s.submitted_ms >= ? AND s.link > 0 AND m.sender IN ({marks}) GROUP BY m.sender"
    )
    return {sender: int(n) for sender, n in partition.conn.execute(sql, (since_ms, *senders))}

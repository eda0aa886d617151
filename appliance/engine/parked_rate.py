"""How fast parked receipts are taken in and drained on this box's disk: the ledger and a real partition, without operators."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from appliance import clock
from appliance.message import DELIVERED, QUEUED, new_ids
from appliance.router import RouteTable

from .ledger import Ledger
from .receipts import Signs, answered, park
from .waiting import Waiting

BEAT: Final = 2_000  # rows of one commit
LINK: Final = "bench"


class ParkedRate:
    """`count` messages were submitted and all their receipts came before any response."""

    def __init__(self, folder: Path, count: int) -> None:
        self.count = count
        self.now_ms = clock.now_ms()
        self.day = clock.day_of(self.now_ms)
        self.ledger = Ledger(folder, RouteTable([("", (LINK,))]), [LINK], ("hold",) * 4, "bench")
        self.partition = self.ledger.partition(self.day)
        self.ids: list[bytes] = []

    def _commit(self) -> None:
        for day, work in self.ledger.work.items():
            self.ledger.partition(day).write(work)
            self.ledger.partition(day).commit()
        self.ledger.committed()

    def submit(self) -> None:
        """Messages and the intentions to submit them."""
        number = self.ledger.link_numbers[self.day][LINK]
        for first in range(0, self.count, BEAT):
            work = self.ledger.work[self.day]
            seqs = range(first + 1, min(first + BEAT, self.count) + 1)
            ids = new_ids(len(seqs), self.now_ms)
            self.ids += ids
            fixed = (self.now_ms, 0, self.now_ms + 86_400_000, 0)
            work.messages += [
                (s, i, 1, 3, 0, 1, "BENCH", 39, i, b"", b"", 1, *fixed) for s, i in zip(seqs, ids, strict=True)
            ]
            work.progress_new += [(s, QUEUED, self.now_ms) for s in seqs]
            work.intents += [(s << 8 | 1, number, self.now_ms) for s in seqs]
            self._commit()

    def park(self) -> float:
        """Seconds to take in the receipts; each says whose it is, as far as a receipt does."""
        began_s = clock.monotonic_s()
        for first in range(0, self.count, BEAT):
            for n in range(first, min(first + BEAT, self.count)):
                signs = Signs(self.ids[n], "bench", None, 0, None, None)
                park(self.ledger, LINK, f"{n:010d}", DELIVERED, None, signs, self.now_ms)
            self._commit()
        return clock.monotonic_s() - began_s

    def drain(self) -> float:
        """Seconds until every response has come and found its receipt."""
        began_s = clock.monotonic_s()
        for first in range(0, self.count, BEAT):
            for n in range(first, min(first + BEAT, self.count)):
                waiting = Waiting(self.day, n + 1, self.ids[n], 3, 0, 1, "BENCH", "+39", b"", 1 << 60, 0)
                answered(self.ledger, LINK, waiting, 1, f"{n:010d}", self.now_ms)
            self._commit()
        return clock.monotonic_s() - began_s

    def left(self) -> int:
        """Receipts still parked, in memory or on disk: 0 when all is well."""
        rows = self.partition.conn.execute("SELECT count(*) FROM parked").fetchone()[0]
        return max(rows, len(self.ledger.parked), self.count - self.partition.totals().get(DELIVERED, 0))

    def close(self) -> None:
        self.partition.close()


def memory_octets() -> int:
    """What this process holds of the memory (resident), octets."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * 4_096


def parked_rate(folder: Path, count: int) -> dict[str, Any]:
    """Figures of one run in an empty folder: rates in receipts a second, memory in MiB that the parked ones take."""
    run = ParkedRate(folder, count)
    run.submit()
    before = memory_octets()
    park_s = run.park()
    held = memory_octets() - before
    drain_s = run.drain()
    left = run.left()
    run.close()
    return {
        "receipts": count,
        "parked_per_s": round(count / park_s),
        "drained_per_s": round(count / drain_s),
        "memory_mib": round(held / (1 << 20)),
        "left": left,
    }

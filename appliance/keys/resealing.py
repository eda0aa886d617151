"""The compromise drill: everything that a compromised data key sealed is sealed anew under the key in its place, store by store.

There is no journal: what is done is under the new key, and what is not is found again, whoever was killed. It is over when a whole pass
finds nothing, and that pass began when no process could seal under the old key any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from appliance.clock import day_name
from appliance.errors import Error
from appliance.limits import KEY_DAYS_SKEW_MAX
from appliance.settings import Settings
from appliance.store import partition_days

from . import life

CALL_S_MAX: Final = 120.0
PUT_DOWN_MS: Final = (
    3_000  # after a key was found out no process seals under it any more, nor has a batch of it on its way
)
PASSES_MAX: Final = 30
TABLES: Final = ("message", "batch", "inbound", "heard", "idempotency")

#: What seals anew in a store that commands may open: (old key's number) -> (rows, unreadable).
Site = Callable[[int], tuple[int, int]]


class Caller(Protocol):
    """Asks a process of the appliance; raises its Error."""

    def __call__(self, process: str, op: str, payload: dict[str, Any], timeout_s: float = ...) -> Any: ...


class Resealing:
    """One command's. `told`: (what is worked on, what share of all is done, rows so far)."""

    def __init__(
        self,
        settings: Settings,
        call: Caller,
        sites: Mapping[str, Site],
        now_ms: Callable[[], int],
        pause: Callable[[], object],
        told: Callable[[str, float, int], None],
    ) -> None:
        self.settings = settings
        self.call = call
        self.sites = sites
        self.now_ms = now_ms
        self.pause = pause
        self.told = told
        self.rows = 0

    def run(self, key_id: int, who: str) -> dict[str, int]:
        """{key, rows, unreadable}: how many rows, batches counted by their messages. Raises Error `key_state`, `not_found`, `overloaded`."""
        key = next((k for k in self.call("keys", "state", {})["keys"] if k["key_id"] == key_id), None)
        if key is None or key["purpose"] != life.DAILY:
            raise Error("not_found", f"there is no data key {key_id}", "see `casemate keys list`")
        if key["state"] != life.COMPROMISED:
            raise Error(
                "key_state",
                f"key {key_id} is {key['state']}",
                f"two persons declare it compromised first: `casemate keys ask compromised-key {key_id}`",
            )
        for _ in range(PASSES_MAX):
            began_ms, before = self.now_ms(), self.rows
            unreadable, more = self._pass(key_id, key["day"], who)
            if self.rows == before and not more and began_ms > key["changed_ms"] + PUT_DOWN_MS:
                self.told("done", 1.0, self.rows)
                return {"key": key_id, "rows": self.rows, "unreadable": unreadable}
            self.pause()
        raise Error("overloaded", f"something still seals under key {key_id}", "run it again; see the processes' logs")

    def _pass(self, key_id: int, day: int, who: str) -> tuple[int, bool]:
        """Once through all stores: how many rows cannot be read, and whether some could not be looked at."""
        near = range(day - KEY_DAYS_SKEW_MAX, day + KEY_DAYS_SKEW_MAX + 1)
        days = [(n, d) for n, folder in self.settings.stores.items() for d in partition_days(folder) if d in near]
        steps = [(shard, d, table) for shard, d in days for table in TABLES]
        unreadable, more = 0, False
        for n, (shard, d, table) in enumerate(steps):
            unreadable += self._table(key_id, who, shard, d, table, n / len(steps), 1 / len(steps))
        for process in ("courier", *(("door",) if self.settings["door.enabled"] else ())):
            while True:
                reply = self.call(process, "reseal", {"key_id": key_id}, CALL_S_MAX)
                self.rows += reply["rows"]
                if not reply["rows"] or not reply["more"]:
                    break
            unreadable, more = unreadable + reply["unreadable"], more or bool(reply["more"])
        for reseal in self.sites.values():
            rows, broken = reseal(key_id)
            self.rows, unreadable = self.rows + rows, unreadable + broken
        return unreadable, more

    def _table(self, key_id: int, who: str, shard: int, day: int, table: str, at: float, share: float) -> int:
        left = shard if shard >= self.settings["engine.shards"] else 0
        asked: dict[str, Any] = {"key_id": key_id, "day": day, "table": table, "who": who, "left": left}
        unreadable = 0
        while True:
            reply = self.call(f"engine-{0 if left else shard}", "reseal", asked, CALL_S_MAX)
            self.rows += reply["rows"]
            unreadable += reply["unreadable"]
            within = reply["after"] / reply["last"] if reply["last"] else 0.0
            self.told(f"{day_name(day)} {table}", at + share * min(within, 1.0), self.rows)
            if not reply["more"]:
                return unreadable
            asked |= {"after": reply["after"], "after_mac": reply["after_mac"]}

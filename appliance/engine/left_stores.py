"""Stores that no engine has any more (there are fewer than there were): the first one does in them what has to be done, without beats."""

from __future__ import annotations

from pathlib import Path

from appliance.errors import Error
from appliance.settings import Settings

from .ledger import Ledger


class LeftStores:
    """`folders` by the number of the shard that had them. Used within a beat only."""

    def __init__(self, ledger: Ledger, folders: dict[int, Path]) -> None:
        self.ledger = ledger
        self.folders = folders
        self._ledgers: dict[int, Ledger] = {}

    @classmethod
    def of(cls, ledger: Ledger, settings: Settings, index: int) -> LeftStores:
        """Those of the settings for the first engine, none for the others."""
        most = settings["engine.shards"]
        return cls(ledger, {} if index else {n: folder for n, folder in settings.stores.items() if n >= most})

    def ledger_of(self, left: int) -> Ledger:
        """One for a store that was left; for 0 this engine's own. Raises Error `not_found`."""
        if not left:
            return self.ledger
        if left not in self.folders:
            raise Error("not_found", "there is no such store")
        if left not in self._ledgers:
            mine = self.ledger
            self._ledgers[left] = Ledger(self.folders[left], mine.routes, [], mine.policies, mine.name)
        return self._ledgers[left]

    def commit(self, left: int, day: int) -> None:
        """Writes what was decided of a day; its entries go to this engine's own day of today, which somebody sends on."""
        ledger = self.ledger_of(left)
        partition, work = ledger.partitions[day], ledger.work[day]
        self.ledger.notes += work.audit
        work.audit = []
        partition.write(work)
        partition.commit()
        partition.scrub()
        ledger.close(day)
        ledger.committed()

"""What the stores must remember of how many engines there were: by which numbers keys were spread, and what one that left still holds.

`layout.json` in the first store is not trusted for more than this: who changes it can have a repeated request taken for a new one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from appliance import atomic
from appliance.clock import DAY_MS
from appliance.errors import Error
from appliance.limits import IDEMPOTENCY_DAYS
from appliance.settings import Settings
from appliance.store import living

from .dealing import carriers

NAME: Final = "layout.json"


class Kept(msgspec.Struct, forbid_unknown_fields=True):
    """`counts`: by how many shards a request may be carried, for every set of routes that it may take."""

    since_ms: int
    counts: list[int]


class Layout(NamedTuple):
    """How a box spreads requests. `first`: so many shards take new messages; `carriers`: by link how many hold it.

    `counts`: the numbers of shards by which keys that are still remembered may have been spread.
    """

    shards: int
    first: int
    carriers: dict[str, int]
    counts: frozenset[int]

    @property
    def uneven(self) -> bool:
        """Whether some link is held by fewer shards than take new messages."""
        return self.least < self.first

    @property
    def least(self) -> int:
        """So many shards can send anything."""
        return min([self.first, *self.carriers.values()])


ALONE: Final = Layout(1, 1, {}, frozenset({1}))


def counts_of(settings: Settings) -> list[int]:
    """By how many of the shards that take new messages a request may be carried."""
    shards = settings["engine.shards"]
    first = settings["engine.spread"] or shards
    return sorted({first, *(min(first, each) for each in carriers(settings.links, shards).values())})


def note_layout(settings: Settings, now_ms: int) -> None:
    """At the start of the first engine: from now on keys are spread like this. Written whole. Raises Error `store_full`."""
    path = settings.store / NAME
    before = _read(path)
    counts = counts_of(settings)
    if before and before[-1].counts == counts:
        return
    if not before and counts == [1]:
        return  # the box of one engine keeps no such file
    if not before:
        before = [Kept(0, [1])]  # until now it was a box of one engine
    kept = [*recent(before, now_ms), Kept(now_ms, counts)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        atomic.write(path, msgspec.json.encode(kept), 0o600)
    except OSError as e:
        raise Error("store_full", f"{NAME} cannot be written: {e.strerror}", "free space on the disk") from None


def layout_of(settings: Settings, now_ms: int) -> Layout:
    """How this box spreads requests now."""
    shards = settings["engine.shards"]
    before = {count for kept in recent(_read(settings.store / NAME), now_ms) for count in kept.counts}
    first = settings["engine.spread"] or shards
    return Layout(shards, first, carriers(settings.links, shards), frozenset(before | set(counts_of(settings))))


def recent(kept: list[Kept], now_ms: int) -> list[Kept]:
    """Those that were in use while keys were given that are not forgotten yet."""
    oldest_ms = now_ms - (IDEMPOTENCY_DAYS + 1) * DAY_MS
    ends = [*(each.since_ms for each in kept[1:]), now_ms] if kept else []
    return [each for each, end_ms in zip(kept, ends, strict=True) if end_ms >= oldest_ms]


def _read(path: Path) -> list[Kept]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Kept])
    except (OSError, msgspec.MsgspecError):
        return []


def check_leaving(settings: Settings, now_ms: int) -> None:
    """Raises Error `settings_invalid` when an engine that is no longer wanted has not finished: its messages would be lost."""
    for shard, folder in settings.stores.items():
        if shard < settings["engine.shards"]:
            continue
        found = living(folder, now_ms)
        if found:
            what = ", ".join(f"{count} {name}" for name, count in found.items())
            raise Error(
                "settings_invalid",
                f"engine.shards leaves out engine-{shard}, which still has {what}",
                f"set engine.shards back to {shard + 1} or more and engine.spread to the number that shall stay; when"
                f" engine-{shard} has nothing more to do, engine.shards can follow",
            )

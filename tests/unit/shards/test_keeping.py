"""How many engines there were, and whether one may leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.clock import DAY_MS
from appliance.errors import Error
from appliance.settings import Settings, parse
from appliance.shards import ALONE, check_leaving, layout_of, note_layout
from appliance.store import Work
from tests.unit.store.test_partition import written

NOW = 1_795_305_600_000 + 5 * DAY_MS


def box(home: Path, shards: int, spread: int = 0, binds: tuple[int, ...] = ()) -> Settings:
    raw: dict[str, Any] = {"engine": {"shards": shards, "spread": spread}}
    raw["link"] = [{"name": f"op{n}", "host": "h", "binds": each} for n, each in enumerate(binds)]
    return parse(raw, home, "test")


def test_a_box_of_one_engine_keeps_nothing(tmp_path: Path) -> None:
    alone = box(tmp_path, 1, binds=(1, 4))
    note_layout(alone, NOW)
    assert not (tmp_path / "store").exists()
    layout = layout_of(alone, NOW)
    assert (layout.counts, layout.uneven) == (ALONE.counts, False)


def test_keys_are_looked_for_where_they_were_spread_before(tmp_path: Path) -> None:
    two = box(tmp_path, 2, binds=(2,))
    note_layout(two, NOW)
    assert layout_of(two, NOW).counts == {1, 2}, "yesterday it was one engine, whose keys are remembered"
    assert layout_of(two, NOW + 2 * DAY_MS).counts == {1, 2}
    assert layout_of(two, NOW + 4 * DAY_MS).counts == {2}
    four = box(tmp_path, 4, binds=(8,))
    note_layout(four, NOW + 10 * DAY_MS)
    note_layout(four, NOW + 11 * DAY_MS)
    assert layout_of(four, NOW + 11 * DAY_MS).counts == {2, 4}


def test_a_small_link_makes_it_uneven(tmp_path: Path) -> None:
    layout = layout_of(box(tmp_path, 3, binds=(3, 1)), NOW)
    assert (layout.uneven, layout.least, layout.counts) == (True, 1, {1, 3})
    spread = layout_of(box(tmp_path, 3, spread=1, binds=(3, 1)), NOW)
    assert (spread.uneven, spread.first, spread.counts) == (False, 1, {1})


def test_spread_has_bounds(tmp_path: Path) -> None:
    with pytest.raises(Error, match="above"):
        box(tmp_path, 2, spread=3)


def test_an_engine_with_something_to_do_may_not_leave(tmp_path: Path) -> None:
    check_leaving(box(tmp_path, 1), NOW)
    partition, _ = written(box(tmp_path, 2).store_of(1), 3)
    check_leaving(box(tmp_path, 2), NOW)
    with pytest.raises(Error, match="engine-1, which still has 3 messages that wait") as told:
        check_leaving(box(tmp_path, 1), NOW)
    assert "engine.spread" in told.value.hint
    work = Work()
    work.progress = [(4, None, NOW, None, seq) for seq in (1, 2, 3)]
    partition.write(work)
    partition.commit()
    partition.close()
    check_leaving(box(tmp_path, 1), NOW)
    assert list(box(tmp_path, 1).stores) == [0, 1], "what it left can be read"

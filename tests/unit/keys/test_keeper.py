"""The hierarchy over a made-up HSM: who wraps whom, what time does to states, how records of before are taken over, what destroying leaves."""

from __future__ import annotations

import asyncio
import hmac
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils.migrations import Migrations

from appliance.clock import DAY_MS
from appliance.errors import Error
from appliance.keys import life
from appliance.keys.keeper import Keeper
from appliance.keys.record import context
from appliance.keys.register import FIRST, Hold, Register
from appliance.store import migrate, open_store
from tests.support.soft_hsm import Soft

TODAY = 20_779  # 2026-11-22
KEEP = 30


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_ms = TODAY * DAY_MS + 1
        self.soft = Soft()
        self.register = Register(folder / "keys.db")
        self.open()

    def open(self) -> Keeper:
        """A keeper that has nothing in memory, as after a start."""
        self.keeper = Keeper(self.register, self.soft, clock=lambda: self.now_ms)  # type: ignore[arg-type]
        return self.keeper

    def key(self, day: int) -> tuple[int, bytes]:
        async def both() -> tuple[int, bytes]:
            row = await self.keeper.for_day(day)
            return row.key_id, await self.keeper.opened(row)

        return asyncio.run(both())

    def turn(self, days: int = 0) -> int:
        self.now_ms += days * DAY_MS
        return asyncio.run(self.keeper.turn(KEEP))

    def states(self) -> dict[int, str]:
        return {row.key_id: row.state for row in self.register.rows()}

    def by_id(self, key_id: int) -> Any:
        row = self.register.by_id(key_id)
        assert row is not None
        return row

    def recorded(self) -> list[tuple[str, str]]:
        return [(e["what"], e["on"]) for e in self.register.outbox.pending(1000)[1]]

    def files(self) -> bytes:
        return b"".join(f.read_bytes() for f in self.folder.iterdir())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.register.close()


def refused(act: Any) -> Error:
    with pytest.raises(Error) as caught:
        asyncio.run(act)
    return caught.value


def test_a_year_wraps_its_days_and_the_root_wraps_the_year(world: World) -> None:
    for day in (TODAY, TODAY + 1):
        world.key(day)
    tenant, *days = world.register.rows()
    assert (tenant.purpose, tenant.parent, tenant.root, tenant.day) == ("tenant", 0, 1, life.year_of(TODAY))
    assert {(d.purpose, d.parent, d.root) for d in days} == {("message", tenant.key_id, 0)}
    assert world.soft.done.count("wrap") == 1, "one call to the HSM a year"
    world.now_ms += 60 * DAY_MS
    world.key(TODAY + 60)
    assert [r.day for r in world.register.rows() if r.purpose == "tenant"] == [
        life.year_of(TODAY),
        life.year_of(TODAY + 60),
    ]


def test_time_moves_keys_and_each_move_is_on_the_record(world: World) -> None:
    world.key(TODAY + 1)
    assert world.states() == {1: "active", 2: "pre-active"}
    world.turn(1)
    assert world.states()[2] == "active"
    world.turn(3)
    assert world.states()[2] == "deactivated"
    assert [w for w in world.recorded() if w[0] == "key.state_changed"] == [("key.state_changed", "key:2")] * 2
    assert world.turn() == 0, "nothing more to do"
    assert world.keeper.register.by_id(2).state == "deactivated"  # type: ignore[union-attr]
    world.open()
    assert asyncio.run(world.keeper.opened(world.by_id(2))), "deactivated still opens"
    assert refused(world.keeper.for_day(TODAY + 1)).code == "key_missing", "and seals nothing new"


def test_at_the_end_of_its_retention_a_key_leaves_the_file(world: World) -> None:
    _, key = world.key(TODAY)
    wrapped = world.by_id(2).wrapped
    assert wrapped in world.files()
    world.turn(KEEP)
    assert world.states()[2] == "deactivated"
    world.turn(1)
    assert world.states() == {1: "active", 2: "destroyed"}
    assert wrapped not in world.files(), "neither in the file nor in its log"
    assert key not in world.files()
    assert refused(world.keeper.opened(world.by_id(2))).code == "key_missing"
    assert world.recorded()[-1] == ("key.destroyed", "key:2")
    world.open()
    assert refused(world.keeper.opened(world.by_id(2))).code == "key_missing"


def test_a_legal_hold_stops_it_until_it_is_lifted(world: World) -> None:
    world.key(TODAY)
    number = world.register.put_hold(Hold(0, TODAY - 1, TODAY, "case 7", "cli:x", 1, None), [])
    assert world.register.held() == {TODAY - 1, TODAY}
    world.turn(KEEP + 5)
    assert world.states()[2] == "deactivated"
    error = refused(world.keeper.destroy(world.by_id(2), "cli:x", "asked"))
    assert (error.code, "legal hold" in error.message) == ("key_state", True)
    world.register.lift_hold(number, 2, [])
    world.turn()
    assert world.states()[2] == "destroyed"
    assert len(world.register.holds(lifted=True)) == 1


def test_a_tenant_key_goes_after_its_days_and_nothing_goes_twice(world: World) -> None:
    world.key(TODAY)
    assert refused(world.keeper.destroy(world.by_id(1), "cli:x", "asked")).code == "key_state"
    asyncio.run(world.keeper.destroy(world.by_id(2), "cli:x", "asked"))
    assert refused(world.keeper.destroy(world.by_id(2), "cli:x", "asked")).code == "key_state"
    asyncio.run(world.keeper.destroy(world.by_id(1), "cli:x", "asked"))
    assert set(world.states().values()) == {"destroyed"}


def test_no_record_no_destruction(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key use that cannot be audited does not happen."""
    _, key = world.key(TODAY)

    def full(entries: Any) -> None:
        raise Error("store_full", "full")

    monkeypatch.setattr(world.register.outbox, "put", full)
    assert refused(world.keeper.destroy(world.by_id(2), "cli:x", "asked")).code == "store_full"
    assert world.states()[2] == "active"
    world.open()
    assert asyncio.run(world.keeper.opened(world.by_id(2))) == key


def test_records_of_before_tenant_keys_are_taken_over_unchanged(tmp_path: Path) -> None:
    """A key store of the first release: rows under the root, with the first form of HMAC, one of them destroyed."""
    soft, keys = Soft(), {}
    conn = open_store(tmp_path / "keys.db")
    before = Migrations("keys")

    @before()
    def first(db: Any) -> None:
        for statement in FIRST:
            db.execute(statement)

    migrate(conn, before)
    for key_id, day in ((1, TODAY - 1), (2, TODAY), (3, TODAY - 40)):
        keys[key_id] = bytes([key_id]) * 32
        _, wrapped = asyncio.run(soft.wrap(keys[key_id], context(key_id, day, "message")))
        state = "destroyed" if key_id == 3 else "active"
        parts = (b"message", b"aes-gcm", wrapped, state.encode())
        text = b"casemate key record v1\0" + struct.pack(">qqq", key_id, day, 5)
        text += b"".join(struct.pack(">I", len(p)) + p for p in parts)
        conn.execute(
            "INSERT INTO wrapped_key VALUES (?, ?, 'message', 'aes-gcm', ?, ?, ?, 5)",
            (key_id, day, wrapped, hmac.digest(b"k", text, "sha256"), state),
        )
    conn.close()
    world = World(tmp_path)
    world.soft = soft
    keeper = world.open()
    assert asyncio.run(keeper.opened(world.by_id(1))) == keys[1], "readable before it is taken over"
    assert world.turn() >= 2
    assert {r.key_id: (r.form, r.parent) for r in world.register.rows() if r.purpose == "message"} == {
        1: (2, 4),
        2: (2, 4),
        3: (1, 0),
    }
    assert world.by_id(3).wrapped == b""
    world.open()
    for key_id in (1, 2):
        assert asyncio.run(world.keeper.opened(world.by_id(key_id))) == keys[key_id]
    assert world.key(TODAY)[0] == 2
    assert ("key.rewrapped", "key:1") in world.recorded()
    world.register.close()

"""The hierarchy over a made-up HSM: who wraps whom, what time does to states, how records of before are taken over, what destroying leaves."""

from __future__ import annotations

import asyncio
import hmac
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils.migrations import Migrations

from appliance.clock import DAY_MS
from appliance.errors import Error
from appliance.intercom import Peer
from appliance.keys import life
from appliance.keys.acts import Acts
from appliance.keys.keeper import Keeper
from appliance.keys.record import context
from appliance.keys.register import FIRST, Hold, Register
from appliance.store import migrate, open_store
from tests.support.soft_hsm import Soft

TODAY = 20_779  # 2026-11-22
KEEP = 30
PEER = Peer(4711, os.getuid(), 0)


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


def test_the_first_root_has_a_date_from_its_first_key_on(world: World) -> None:
    """It is in the store before there is a token; without a date its end would never be told."""
    assert world.register.root_dates() == {1: 0}
    world.key(TODAY)
    assert world.register.root_dates() == {1: world.now_ms}


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
    assert refused(world.keeper.opened(world.by_id(2))).code == "key_destroyed"
    assert world.recorded()[-1] == ("key.destroyed", "key:2")
    world.open()
    assert refused(world.keeper.opened(world.by_id(2))).code == "key_destroyed"


def test_a_destroyed_key_leaves_the_log_when_its_reader_is_gone(world: World) -> None:
    """A backup that is being made, say; also when the process was started anew meanwhile."""
    world.key(TODAY)
    wrapped = world.by_id(2).wrapped
    reader = open_store(world.folder / "keys.db")
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM key_record").fetchall()
    asyncio.run(world.keeper.destroy(world.by_id(2), "cli:x", "asked"))
    assert world.states()[2] == "destroyed" and wrapped in world.files()
    world.open()
    reader.execute("COMMIT")
    world.turn()
    assert wrapped not in world.files()
    reader.close()


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


# --- what people do -----------------------------------------------------------------------------------------

ANN, BOB = "console:ann", "console:bob"


def done(world: World, act: str, on: int = 0) -> Any:
    """Asked for by one, approved by the other, done."""
    acts = Acts(world.keeper)

    async def whole() -> Any:
        number = (await acts.ask({"act": act, "on": on, "reason": "drill", "who": ANN}, PEER))["request"]
        await acts.decide({"request": number, "yes": True, "who": BOB}, PEER)
        return await acts.do({"request": number, "who": ANN}, PEER)

    return asyncio.run(whole())


def test_nothing_is_done_by_one_person_alone_or_twice(world: World) -> None:
    world.key(TODAY)
    acts = Acts(world.keeper)
    ask = {"act": "destroy-key", "on": 2, "reason": "court order", "who": ANN}
    number = asyncio.run(acts.ask(ask, PEER))["request"]
    do = {"request": number, "who": ANN}
    assert refused(acts.do(do, PEER)).code == "forbidden", "not approved yet"
    assert refused(acts.decide({"request": number, "yes": True, "who": ANN}, PEER)).code == "forbidden"
    asyncio.run(acts.decide({"request": number, "yes": True, "who": BOB}, PEER))
    assert asyncio.run(acts.do(do, PEER)) == {"key": 2, "state": "destroyed"}
    assert refused(acts.do(do, PEER)).code == "forbidden", "used up"
    assert [what for what, on in world.recorded() if on == f"request:{number}"] == [
        "approval.asked",
        "approval.decided",
        "approval.decided",
        "approval.used",
    ]
    assert asyncio.run(acts.requests({}, PEER))["requests"][0]["state"] == "used"


def test_a_request_is_refused_for_good_and_late_after_a_day(world: World) -> None:
    acts = Acts(world.keeper)
    for n in (1, 2):
        asyncio.run(acts.ask({"act": "rotate-root", "on": 0, "reason": "yearly", "who": ANN}, PEER))
        asyncio.run(acts.decide({"request": n, "yes": n == 1, "who": BOB}, PEER))
    assert refused(acts.do({"request": 2, "who": ANN}, PEER)).code == "forbidden"
    assert refused(acts.decide({"request": 2, "yes": True, "who": BOB}, PEER)).code == "key_state"
    world.now_ms += DAY_MS
    assert refused(acts.do({"request": 1, "who": ANN}, PEER)).code == "forbidden"
    assert [r["state"] for r in asyncio.run(acts.requests({}, PEER))["requests"]] == ["refused", "expired"]
    for bad in (
        {"act": "format", "on": 0, "reason": "x", "who": ANN},
        {"act": "rotate-root", "on": 0, "reason": " ", "who": ANN},
    ):
        assert refused(acts.ask(bad, PEER)).code == "invalid"


def test_an_approval_that_cannot_be_recorded_does_not_happen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(entries: Any) -> None:
        raise Error("store_full", "full")

    acts = Acts(world.keeper)
    asyncio.run(acts.ask({"act": "rotate-root", "on": 0, "reason": "x", "who": ANN}, PEER))
    asyncio.run(acts.decide({"request": 1, "yes": True, "who": BOB}, PEER))
    monkeypatch.setattr(world.register.outbox, "put", full)
    assert refused(acts.do({"request": 1, "who": ANN}, PEER)).code == "store_full"
    assert "make_root" not in world.soft.done


def test_a_rotation_leaves_the_old_root_only_after_a_cold_start_opened_everything(world: World) -> None:
    _, key = world.key(TODAY)
    assert done(world, "rotate-root") == {"root": 2, "before": 1, "keys": 1}
    ops = world.soft.done
    assert ops.index("make_root") < ops.index("cold_start") < len(ops) - 1 - ops[::-1].index("unwrap")
    assert world.register.roots() == {1: "deactivated", 2: "active"}
    assert world.keeper.roots() == [1, 2]
    assert (world.by_id(1).root, world.by_id(2).parent) == (2, 1)
    world.open()
    assert world.key(TODAY) == (2, key)
    assert done(world, "destroy-root", 1) == {"root": 1, "state": "destroyed"}
    assert world.soft.roots == {2}
    world.open()
    assert world.key(TODAY) == (2, key)
    acts = Acts(world.keeper)
    for bad in (1, 2, 7):
        with pytest.raises(Error) as caught:
            done(world, "destroy-root", bad)
        assert caught.value.code == "key_state"
    assert acts


def test_a_rotation_whose_new_root_fails_keeps_the_old_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _, key = world.key(TODAY)
    unwrap = world.soft.unwrap

    async def wrong(mechanism: str, wrapped: bytes, bound: bytes, root: int = 1) -> bytes:
        return bytes(32) if root == 2 else await unwrap(mechanism, wrapped, bound, root)

    monkeypatch.setattr(world.soft, "unwrap", wrong)
    with pytest.raises(Error) as caught:
        done(world, "rotate-root")
    assert caught.value.code == "key_refused"
    assert world.register.roots() == {1: "active", 2: "pre-active"}
    world.open()
    assert world.key(TODAY) == (2, key)
    monkeypatch.setattr(world.soft, "unwrap", unwrap)
    assert done(world, "rotate-root")["root"] == 2, "it goes on with the root that was made"


def test_a_compromised_tenant_key_is_replaced_and_its_days_are_wrapped_anew(world: World) -> None:
    keys = {world.key(day)[0]: world.key(day)[1] for day in (TODAY, TODAY + 1)}
    assert done(world, "compromised-key", 1) == {"key": 1, "state": "compromised", "wrapped_anew": 2}
    new = next(r for r in world.register.rows() if r.purpose == "tenant" and r.key_id != 1)
    assert {r.parent for r in world.register.rows() if r.purpose == "message"} == {new.key_id}
    assert done(world, "compromised-key", 1)["wrapped_anew"] == 0, "asked for again, there is nothing left"
    world.open()
    for key_id, key in keys.items():
        assert asyncio.run(world.keeper.opened(world.by_id(key_id))) == key
    assert done(world, "destroy-key", 1)["state"] == "destroyed"
    world.open()
    assert world.key(TODAY)[1] == keys[2]


def test_a_compromised_data_key_seals_nothing_more(world: World) -> None:
    before = world.key(TODAY)
    done(world, "compromised-key", 2)
    after = world.key(TODAY)
    assert after[0] != before[0]
    assert asyncio.run(world.keeper.opened(world.by_id(2))) == before[1], "it still opens what it sealed"


def test_one_person_may_hold_and_two_lift(world: World) -> None:
    acts = Acts(world.keeper)
    given = {"first_day": TODAY, "last_day": TODAY + 1, "reason": "case 7", "who": ANN}
    assert asyncio.run(acts.hold(given, PEER)) == {"hold": 1}
    for bad in ({"last_day": TODAY - 1}, {"last_day": TODAY + 9_000}, {"reason": ""}, {"first_day": "x"}):
        assert refused(acts.hold({**given, **bad}, PEER)).code == "invalid"
    assert done(world, "lift-hold", 1) == {"hold": 1, "lifted": True}
    with pytest.raises(Error) as caught:
        done(world, "lift-hold", 1)
    assert caught.value.code == "not_found"
    assert {"key.hold_set", "key.hold_lifted"} <= {what for what, _ in world.recorded()}

"""The desk over a made-up HSM: one key a day, each record checked, each use on the record once, nothing without the HSM."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.clock import DAY_MS
from appliance.errors import Error
from appliance.intercom import Peer
from appliance.keys import DataKey, blind_index
from appliance.keys.calendar import Calendar
from appliance.keys.desk import Desk
from appliance.keys.register import Register
from hsm import HsmError
from tests.support.soft_hsm import Soft

TODAY = 20_779
PEER = Peer(4711, os.getuid(), 0)


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    made = Register(tmp_path / "keys.db")
    yield made
    made.close()


def desk_of(register: Register, soft: Soft | None = None) -> Desk:
    return Desk(register, soft or Soft(), clock=lambda: TODAY * DAY_MS + 1)  # type: ignore[arg-type]


def call(desk: Desk, op: str, payload: Any, peer: Peer = PEER) -> Any:
    return asyncio.run(desk.handlers[op](payload, peer))


def refused(desk: Desk, op: str, payload: Any, peer: Peer = PEER) -> Error:
    with pytest.raises(Error) as caught:
        call(desk, op, payload, peer)
    return caught.value


def recorded(register: Register) -> list[tuple[str, str]]:
    return [(e["what"], e["on"]) for e in register.outbox.pending(1000)[1]]


def test_a_day_has_one_key_whoever_asks_and_however_often(register: Register) -> None:
    desk = desk_of(register)

    async def many() -> list[Any]:
        return await asyncio.gather(*(desk.handlers["data_key"]({"day": TODAY}, PEER) for _ in range(20)))

    replies = asyncio.run(many())
    assert all(r == replies[0] for r in replies)
    assert [row.purpose for row in register.rows()] == ["tenant", "message"]
    assert call(desk, "data_key", {"key_id": replies[0]["key_id"]}) == replies[0]
    assert call(desk, "data_key", {"day": TODAY + 1}) != replies[0]


def test_a_new_process_unwraps_the_same_key(register: Register) -> None:
    first = call(desk_of(register), "data_key", {"day": TODAY})
    soft = Soft()
    assert call(desk_of(register, soft), "data_key", {"day": TODAY}) == first
    assert soft.done == ["mac", "mac", "unwrap"], (
        "the record and its tenant key's are checked, the tenant key is unwrapped"
    )


def test_no_key_is_stored_in_clear(register: Register, tmp_path: Path) -> None:
    key = call(desk_of(register), "data_key", {"day": TODAY})["key"]
    assert all(key not in f.read_bytes() for f in tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        "wrapped = randomblob(64)",
        "day = day + 1",
        "created_ms = created_ms + 1",
        "purpose = 'x'",
        "mechanism = 'aes-kw'",
        "key_id = 3",
        "parent = 0",
        "root = 2",
        "state = 'compromised'",
        "changed_ms = changed_ms + 1",
        "form = 1",
        "record_mac = randomblob(32)",
    ],
)
def test_a_changed_record_is_refused(register: Register, change: str) -> None:
    call(desk_of(register), "data_key", {"day": TODAY})
    register._conn.execute(f"UPDATE key_record SET {change} WHERE key_id = 2")
    key_id = 3 if change.startswith("key_id") else 2
    error = refused(desk_of(register), "data_key", {"key_id": key_id}).code
    assert error == ("key_missing" if change.startswith("purpose") else "key_refused")


def test_a_key_that_was_destroyed_is_told_from_one_that_is_unknown(register: Register) -> None:
    call(desk_of(register), "data_key", {"day": TODAY})
    assert refused(desk_of(register), "data_key", {"key_id": 3}).code == "key_missing"
    assert refused(desk_of(register), "data_key", {"key_id": 1}).code == "key_missing", "a tenant key is nobody's"
    register._conn.execute("UPDATE key_record SET state = 'destroyed', wrapped = x''")
    assert refused(desk_of(register), "data_key", {"key_id": 2}).code == "key_destroyed"


def test_a_number_is_never_used_twice(register: Register) -> None:
    call(desk_of(register), "data_key", {"day": TODAY})
    register._conn.execute("DELETE FROM key_record")
    assert call(desk_of(register), "data_key", {"day": TODAY})["key_id"] == 4


def test_no_key_is_made_far_from_today(register: Register) -> None:
    for day in (0, TODAY - 3, TODAY + 3, 2**61):
        assert refused(desk_of(register), "data_key", {"day": day}).code == "key_missing"
    assert register.rows() == []


def test_without_the_hsm_nothing_is_given_not_even_what_is_in_memory(register: Register) -> None:
    soft = Soft()
    desk = desk_of(register, soft)
    call(desk, "data_key", {"day": TODAY})
    soft.why = HsmError("token_missing", "gone", "insert it")
    for op, payload in (
        ("data_key", {"day": TODAY}),
        ("data_key", {"key_id": 2}),
        ("index_key", {}),
        ("derive", {"purpose": "idempotency", "subject": ""}),
        ("sign", {"purpose": "audit checkpoint", "body": b"x"}),
        ("public_key", {"purpose": "audit checkpoint"}),
    ):
        error = refused(desk, op, payload)
        assert (error.code, error.hint, error.detail["cause"]) == ("hsm_unavailable", "insert it", "token_missing")
    assert call(desk, "ping", {})["why"] == "token_missing: gone"
    assert call(desk, "state", {})["ready"] is False


@pytest.mark.parametrize(
    ("op", "payload"),
    [
        ("data_key", None),
        ("data_key", {}),
        ("data_key", {"day": -1}),
        ("data_key", {"day": True}),
        ("data_key", {"day": "1"}),
        ("data_key", {"key_id": 2**63}),
        ("derive", {"purpose": "anything", "subject": ""}),
        ("derive", {"purpose": "idempotency"}),
        ("derive", {"purpose": "idempotency", "subject": "x" * 300}),
        ("sign", {"purpose": "contract", "body": b"x"}),
        ("sign", {"purpose": "audit checkpoint", "body": "x"}),
        ("sign", {"purpose": "audit checkpoint", "body": b"x" * 5000}),
        ("public_key", []),
    ],
)
def test_a_request_that_makes_no_sense_is_invalid(register: Register, op: str, payload: Any) -> None:
    assert refused(desk_of(register), op, payload).code == "invalid"


def test_one_number_is_indexed_without_giving_away_the_key(register: Register) -> None:
    desk = desk_of(register)
    index = call(desk, "blind_index", {"number": "+393331234567"})["index"]
    assert index == blind_index(call(desk, "index_key", {})["key"], "+393331234567")
    assert refused(desk, "blind_index", {}).code == "invalid"


def test_another_uid_gets_nothing(register: Register) -> None:
    stranger = Peer(1, os.getuid() + 12_345, 0)
    for op in desk_of(register).handlers:
        assert refused(desk_of(register), op, {}, stranger).code == "forbidden"


def test_each_process_is_on_the_record_once_for_each_key(register: Register) -> None:
    desk = desk_of(register)
    for pid in (1, 1, 2, 1):
        call(desk, "data_key", {"day": TODAY}, PEER._replace(pid=pid))
        call(desk, "index_key", {}, PEER._replace(pid=pid))
    assert recorded(register) == [
        ("key.created", "key:1"),
        ("key.created", "key:2"),
        ("key.unwrapped", "key:2"),
        ("key.index_derived", "index:v1"),
        ("key.unwrapped", "key:2"),
        ("key.index_derived", "index:v1"),
    ]


def test_no_record_no_key(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(entries: Any) -> None:
        raise Error("store_full", "full")

    monkeypatch.setattr(register.outbox, "put", full)
    assert refused(desk_of(register), "data_key", {"day": TODAY}).code == "store_full"
    assert register.rows() == []


def test_the_record_holds_no_key(register: Register) -> None:
    key = call(desk_of(register), "data_key", {"day": TODAY})["key"]
    text = json.dumps(register.outbox.pending(100)[1])
    assert key.hex() not in text
    assert DataKey(1, key).key_id == 1


def test_another_token_is_not_let_in(register: Register) -> None:
    desk = desk_of(register)
    desk.admit({"public_key": b"a" * 32, "serial": "1"})
    desk.admit({"public_key": b"a" * 32, "serial": "2"})
    with pytest.raises(HsmError) as caught:
        desk.admit({"public_key": b"b" * 32, "serial": "1"})
    assert caught.value.code == "key_missing"


def test_what_the_pool_tells_is_on_the_record(register: Register) -> None:
    desk = desk_of(register)
    desk.hear("token.initialised", {"model": "m", "keys_made": 3, "token_made": True})
    desk.hear("hsm.lost", {"code": "token_missing"})
    desk.hear("hsm.back", {})
    assert [w for w, _ in recorded(register)] == ["token.initialised", "hsm.lost", "hsm.back"]


def test_rows_never_show_what_they_hold(register: Register) -> None:
    call(desk_of(register), "data_key", {"day": TODAY})
    assert repr(register.rows()) == "[<wrapped key 1>, <wrapped key 2>]"


def test_random_octets_are_the_hsms_and_bounded(register: Register) -> None:
    soft = Soft()
    desk = desk_of(register, soft)
    first, second = (call(desk, "random", {"octets": 64})["octets"] for _ in range(2))
    assert len(first) == len(second) == 64 and first != second and soft.done == ["random"] * 2
    for octets in (0, -1, 1_025, True, "64", None):
        assert refused(desk, "random", {"octets": octets}).code == "invalid"
    soft.why = HsmError("hsm_unavailable", "away")
    assert refused(desk, "random", {"octets": 64}).code == "hsm_unavailable"
    assert refused(desk, "random", {"octets": 64}, Peer(1, os.getuid() + 1, 0)).code == "forbidden"
    assert not recorded(register)


def test_the_epoch_grows_when_a_key_is_no_good_any_more_and_states_say_which(register: Register) -> None:
    desk = desk_of(register)
    key_id = call(desk, "data_key", {"day": TODAY})["key_id"]
    seen = [call(desk, "ping", {})["epoch"]]
    replaced = asyncio.run(desk.acts._acts["compromised-key"](key_id, "console:ann"))
    seen.append(call(desk, "ping", {})["epoch"])
    assert call(desk, "states", {"key_ids": [key_id, 99]}) == {"states": [[key_id, "compromised"]]}
    new = call(desk, "data_key", {"day": TODAY})
    assert new["key_id"] == replaced["successor"] != key_id, "it is there before anybody asks for it"
    assert call(desk, "data_key", {"key_id": key_id, "successor": True}) == new
    assert refused(desk, "data_key", {"key_id": new["key_id"], "successor": True}).code == "key_state"
    asyncio.run(desk.acts._acts["destroy-key"](key_id, "console:ann"))
    seen.append(call(desk, "ping", {})["epoch"])
    assert seen == sorted(set(seen)), "each time another one"


def test_a_compromised_key_of_long_ago_has_a_successor_too(register: Register) -> None:
    """No key is made for a day so far from today, but for one: what the compromised one sealed has to be sealed anew."""
    desk = desk_of(register)
    key_id = call(desk, "data_key", {"day": TODAY})["key_id"]
    desk.clock = desk.keeper.clock = lambda: (TODAY + 20) * DAY_MS
    asyncio.run(desk.keeper.turn(30))
    assert refused(desk, "data_key", {"day": TODAY}).code == "key_missing"
    replaced = asyncio.run(desk.acts._acts["compromised-key"](key_id, "console:ann"))
    assert call(desk, "data_key", {"key_id": key_id, "successor": True})["key_id"] == replaced["successor"]
    asyncio.run(desk.keeper.turn(30))
    assert call(desk, "data_key", {"key_id": key_id, "successor": True})["key_id"] == replaced["successor"], (
        "also deactivated"
    )


def test_who_erases_asks_which_day_it_is_and_a_person_may_say_so(register: Register, tmp_path: Path) -> None:
    """A clock that leapt ahead is told in `ping` and `state`, and believed once somebody has confirmed it; both on the record."""
    now = [TODAY * DAY_MS + 1]
    desk = Desk(register, Soft(), clock=lambda: now[0])  # type: ignore[arg-type]
    desk.calendar = Calendar(
        tmp_path, lambda: TODAY, lambda what, **d: desk.record(what, "process:keys", "failed", **d),
        lambda: now[0], lambda: 5.0, lambda: None,
    )  # fmt: skip
    assert call(desk, "held", {}) == {"days": [], "today": TODAY}
    assert call(desk, "ping", {})["why"] == call(desk, "state", {})["clock"] == ""
    now[0] += 90 * DAY_MS
    assert call(desk, "held", {})["today"] == TODAY
    assert call(desk, "ping", {})["why"].startswith("clock_doubted")
    assert "90 days" in call(desk, "state", {})["clock"]
    assert asyncio.run(desk.keeper.turn(30, desk.today())) == 0
    assert call(desk, "confirm_clock", {"who": "console:anna"})["today"] == TODAY + 90
    assert call(desk, "held", {})["today"] == TODAY + 90
    whats = [what for what, _ in recorded(register)]
    assert whats[-2:] == ["clock.doubted", "clock.confirmed"]


def test_a_key_outlives_a_clock_that_leapt_ahead(register: Register) -> None:
    desk = desk_of(register)
    call(desk, "data_key", {"day": TODAY})
    desk.keeper.clock = lambda: (TODAY + 400) * DAY_MS
    asyncio.run(desk.keeper.turn(30, TODAY))
    assert "destroyed" not in [row.state for row in register.rows()]
    asyncio.run(desk.keeper.turn(30))
    assert [row.state for row in register.rows() if row.purpose == "message"] == ["destroyed"]

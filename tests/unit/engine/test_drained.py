"""Goodbyes: an operator's own unbind, and a link that people take out of use. Nothing here sleeps or opens a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from appliance.engine import drained
from appliance.engine.drained import Drains
from appliance.errors import Error
from tests.support.engine_alone import World, batch
from tests.support.operator_side import UNBIND, UNBIND_RESP, Hands, Side, texts, world_of


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    return Hands(monkeypatch)


def test_an_operators_unbind_waits_for_what_is_under_way(tmp_path: Path) -> None:
    world, (side,) = world_of(tmp_path, window=3)
    b = batch("1", "2", "3", "4")
    world.accept(b)
    submits = side.submits()
    side.ask(UNBIND)
    assert not world.link.up
    for submit in submits:
        side.answer(submit.sequence, f"A{submit.sequence}")
    answers = [p.command_id for p in side.heard()]
    assert answers == [UNBIND_RESP] and side.at.transport is None
    assert side.at.last_error == "unbound_by_operator"
    world.run()
    assert [world.status(i) for i in b.ids] == ["sent", "sent", "sent", "queued"]
    side.connect()
    world.run()
    assert texts(side) == [b"4"]


def test_a_drained_link_settles_unbinds_and_takes_nothing_new(tmp_path: Path, hands: Hands) -> None:
    world, sides = world_of(tmp_path, binds=2, window=1)
    b = batch("1", "2", "3")
    world.accept(b)
    submits = [side.submits() for side in sides]
    world.link.drain(True)
    world.link.tick(hands.s)
    assert world.link.state()["state"] == "draining" and not world.link.up
    for side, (submit,) in zip(sides, submits, strict=True):
        assert side.frames() == []
        side.answer(submit.sequence, f"A{submit.sequence}{id(side)}")
    world.run()
    world.link.tick(hands.s)
    for side in sides:
        assert [p.command_id for p in side.heard()] == [UNBIND]
        side.answer_to(UNBIND, 0, side.at.session._own)
    assert world.link.state()["state"] == "drained"
    assert [world.status(i) for i in b.ids] == ["sent", "sent", "queued"]
    assert world.ledger.statuses[10] == 0
    world.link.drain(False)
    sides[0].connect()
    world.run()
    assert texts(sides[0]) == [b"3"]


def test_a_drain_taken_back_in_time_does_not_cost_the_bind(tmp_path: Path, hands: Hands) -> None:
    world, (side,) = world_of(tmp_path, window=1)
    world.accept(batch("1"))
    (submit,) = side.submits()
    world.link.drain(True)
    world.link.tick(hands.s)
    world.link.drain(False)
    side.answer(submit.sequence, "A1")
    world.link.tick(hands.s)
    world.accept(batch("2"))
    assert texts(side) == [b"2"] and world.link.up


def test_a_drained_link_does_not_connect_nor_turn_round_for_nothing(
    tmp_path: Path, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    bind = world.link.submitter
    world.link.drain(True)
    bind._hurry.set()  # as a resume left it
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        assert not bind._hurry.is_set()
        waits.append(seconds)
        bind.stopping = len(waits) == 3

    monkeypatch.setattr(bind, "_wait", wait)
    asyncio.run(bind._keep_bound())
    assert waits == [60.0] * 3 and bind.transport is None


def test_messages_of_a_drained_link_go_over_another_of_their_group(tmp_path: Path) -> None:
    world = World(tmp_path, ("op", "two"))
    one, two = (Side(link.submitter).connect() for link in world.links.values())
    world.link.drain(True)
    world.accept(batch("hello"))
    assert texts(one) == [] and texts(two) == [b"hello"]


# --- the operation ----------------------------------------------------------------------------------------


def asked(world: World, **payload: Any) -> dict[str, Any]:
    """As the process does it: the act is done within a beat."""

    async def in_beat(act: Any) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        world.beat.acts.append((act, future))
        await world.beat.once()
        return await future

    def once(act: Any) -> Awaitable[Any]:
        return in_beat(act)

    async def do() -> dict[str, Any]:
        return await Drains(world.links, world.beat, world.folder, once).drain(payload)

    return asyncio.run(do())


def recorded(world: World) -> list[tuple[str, str, str]]:
    out = []
    for outbox in world.ledger.outboxes.values():
        _, entries = outbox.pending(100)
        out += [(e["who"], e["what"], e["on"]) for e in entries if e["what"].startswith("link.")]
    return out


def test_a_drain_is_on_record_and_outlives_a_restart(tmp_path: Path) -> None:
    world = World(tmp_path, ("op", "two"))
    assert asked(world, link="op", on=True, who="console:anna")["drained"] is True
    assert asked(world, link="op", on=True, who="console:anna")["drained"] is True
    assert recorded(world) == [("console:anna", "link.drained", "link:op")], "what changes nothing is not on record"
    world.beat.close()
    again = World(tmp_path, ("op", "two"))
    Drains(again.links, again.beat, again.folder, lambda act: asyncio.sleep(0))
    assert [link.drained for link in again.links.values()] == [True, False]
    assert asked(again, link="op", on=False, who="cli:bo")["state"] == "down"
    assert recorded(again)[-1] == ("cli:bo", "link.resumed", "link:op")
    assert drained.read(again.folder) == frozenset()


@pytest.mark.parametrize(
    "payload",
    [
        {"link": "other", "on": True, "who": "cli:a"},
        {"link": ["op"], "on": True, "who": "cli:a"},
        {"link": "op", "on": 1, "who": "cli:a"},
        {"link": "op", "on": True, "who": ""},
        {"on": True, "who": "cli:a"},
    ],
)
def test_what_is_no_drain_is_refused(tmp_path: Path, payload: dict[str, Any]) -> None:
    world = World(tmp_path)
    with pytest.raises(Error) as caught:
        asked(world, **payload)
    assert caught.value.code in ("not_found", "invalid")
    assert not world.link.drained and recorded(world) == []


def test_a_disk_that_cannot_keep_it_drains_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    (world.folder / drained.NAME).mkdir()  # what cannot be replaced
    with pytest.raises(Error) as caught:
        asked(world, link="op", on=True, who="cli:a")
    assert caught.value.code == "store_full"
    assert not world.link.drained and drained.read(world.folder) == frozenset()
    assert recorded(world) == [("cli:a", "link.drained", "link:op"), ("process:engine-0", "link.resumed", "link:op")]


@pytest.mark.parametrize("on", [True, False])
def test_no_link_is_taken_out_of_use_or_back_before_it_is_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on: bool
) -> None:
    """A crash at any moment: a drained link that nobody is known to have drained would never be explained."""
    world = World(tmp_path)
    if not on:
        asked(world, link="op", on=True, who="cli:a")
    really, seen = drained.write, []

    def write(folder: Path, names: frozenset[str]) -> None:
        seen.append((recorded(world)[-1], world.link.drained))
        really(folder, names)

    monkeypatch.setattr(drained, "write", write)
    asked(world, link="op", on=on, who="cli:b")
    assert seen == [(("cli:b", "link.drained" if on else "link.resumed", "link:op"), not on)]


@pytest.mark.parametrize("octets", [b"", b"{", b'{"op": 1}', b"[1]", b'["gone"]'])
def test_a_damaged_file_drains_nothing(tmp_path: Path, octets: bytes) -> None:
    world = World(tmp_path)
    (world.folder / drained.NAME).write_bytes(octets)
    Drains(world.links, world.beat, world.folder, lambda act: asyncio.sleep(0))
    assert not world.link.drained

"""The store: nothing personal in clear, what comes twice counts once, replies find their run, versions need two people, erasure leaves nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.errors import Error
from appliance.flows import Happening, ask, decide, forget_subject, listed, reseal, retire, runs_of, save, shipped
from appliance.flows.sealed import opened
from appliance.flows.versions import ship
from appliance.limits import FLOW_KEPT_MS
from tests.support.fake_engine import FakeKey

from .room import AT, INDEX, NUMBER, World

PARAMS = {"merchant": "Secret Shop", "amount": {"amount": "941.77", "currency": "EUR"}}
OTHER = "+393339999999"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, shipped()["fraud-alert"])
    yield world
    world.book.close()


def test_nothing_of_the_customer_is_readable_on_disk(world: World) -> None:
    world.start(PARAMS)
    world.settle()
    world.write("secret reply", 1)
    world.book.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    octets = world.path.read_bytes()
    for word in (NUMBER[1:], "Secret Shop", "941.77", "secret reply"):
        assert word.encode() not in octets, word
    world.settle()
    world.happen(Happening(reply="no"), b"\1" * 16, 2)
    world.settle()
    assert world.machine().outcome == "fraud" and world.book.one(b"\1" * 16).sealed == b"", "erased at its end"


def test_a_reply_from_another_number_or_from_before_the_question_is_none(world: World) -> None:
    world.start(PARAMS)
    world.settle()
    world.write("YES", 1, OTHER)
    world.write("YES", 2, at_ms=AT - 1)
    world.settle()
    assert world.machine().phase == "reply" and len(world.book.story(b"\1" * 16)) == 2
    world.write("YES", 3)
    world.settle()
    assert world.machine().outcome == "confirmed"
    assert world.book.come(AT + 10_000, 9) == []


def test_a_clock_set_back_makes_an_answer_old_and_the_workflow_asks_again(world: World) -> None:
    world.start(PARAMS)
    world.settle()
    world.write("NO", 1, at_ms=AT - 3_600_000)
    world.settle()
    assert world.machine().phase == "reply", "never an answer to what was not asked"
    world.happen(Happening(passes_s=301), b"\1" * 16, 2)
    assert world.machine().visits["remind"] == 1
    world.write("NO", 3)
    world.settle()
    assert world.machine().outcome == "fraud"


def test_after_a_start_with_the_clock_set_back_nothing_waits_longer_than_it_was_meant_to(world: World) -> None:
    world.start(PARAMS)
    world.settle()
    world.at_ms = AT - 86_400_000
    assert world.book.clock_set(world.at_ms) == 1 and world.book.clock_set(world.at_ms) == 0
    assert world.book.due(world.at_ms + 300_000, 9) == [b"\1" * 16]
    world.at_ms = AT + 400 * 86_400_000
    assert world.book.clock_set(world.at_ms) == 0, "one that is ahead ends what is over"
    world.settle()
    assert world.machine().outcome == "expired"


def test_of_two_questions_to_one_number_an_answer_is_neithers(world: World) -> None:
    world.start(PARAMS)
    world.start(PARAMS, run=b"\2" * 16)
    world.settle()
    world.write("YES", 1)
    world.settle()
    assert [world.machine(r * 16).visits.get("unclear") for r in (b"\1", b"\2")] == [1, 1]
    assert [world.machine(r * 16).phase for r in (b"\1", b"\2")] == ["reply", "reply"]


def test_a_reply_while_its_question_is_being_handed_on_waits(world: World) -> None:
    world.start(PARAMS)
    world.turn()  # asked, and not handed on yet
    world.write("no", 1)
    world.turn()
    assert world.machine().phase == "sending"
    (row,) = world.book.undone(9)
    world.hand_over(row)
    world.turn()
    world.at_ms += 600
    world.settle()
    assert world.machine().outcome == "fraud"


def test_what_comes_twice_counts_once(world: World) -> None:
    world.start(PARAMS)
    world.settle()
    for _ in range(2):
        world.write("who is this?", 1)
        world.settle()
    assert world.machine().visits["unclear"] == 1


def test_a_stop_is_no_answer_to_anything(world: World) -> None:
    world.start(PARAMS)
    world.settle()
    world.write("Stop", 1)
    world.settle()
    assert (world.machine().state, world.machine().phase) == ("person", "person")


def test_nobody_keeps_what_no_run_waits_for(world: World) -> None:
    world.write("hello", 1)
    assert world.book.come(AT, 9) == []


def test_two_people_activate_and_the_shipped_give_way_to_the_banks_own(world: World) -> None:
    conn = world.book.conn
    assert ship(conn, shipped(), AT) == 8 and ship(conn, shipped(), AT) == 0
    text = json.dumps(json.loads(shipped()["login-2fa"]) | {"title": "ours"})
    saved = save(conn, "login-2fa", text, "ann", AT)
    assert (saved.version, saved.state) == (2, "draft") and save(conn, "login-2fa", text, "eve", AT) == saved
    with pytest.raises(Error, match="draft"):
        decide(conn, "login-2fa", 2, True, "bob", AT)
    with pytest.raises(Error, match="say why"):
        ask(conn, "login-2fa", 2, " ", "ann", AT)
    ask(conn, "login-2fa", 2, "ours", "carl", AT)
    for who in ("ann", "carl"):
        with pytest.raises(Error, match="another person"):
            decide(conn, "login-2fa", 2, True, who, AT)
    assert decide(conn, "login-2fa", 2, True, "bob", AT).state == "active"
    assert {v.version for v in listed(conn) if v.name == "login-2fa"} == {2}
    assert retire(conn, "login-2fa", "bob", AT).state == "retired"
    with pytest.raises(Error, match="active"):
        retire(conn, "login-2fa", "bob", AT)
    newer = {"login-2fa": shipped()["login-2fa"] + "\n"}
    assert ship(conn, newer, AT) == 1 and {v.state for v in listed(conn) if v.name == "login-2fa"} == {"draft"}


def test_one_number_is_told_and_erased(world: World) -> None:
    run = world.start(PARAMS)
    world.start(PARAMS, number=OTHER, run=b"\2" * 16)
    world.settle()
    assert [row.id for row in runs_of(world.book, INDEX(NUMBER))] == [run]
    for _ in range(2):
        counts = forget_subject(world.book, INDEX(NUMBER), b"x" * 16, lambda: AT)
    assert counts == {"workflows": 0}
    assert (world.machine().outcome, world.book.one(run).sealed, world.machine(b"\2" * 16).phase) == (
        "erased",
        b"",
        "reply",
    )
    world.codes = []
    world.settle()
    assert runs_of(world.book, INDEX(NUMBER)) == []


def test_what_is_sealed_is_sealed_anew(world: World) -> None:
    run = world.start(PARAMS)
    new = FakeKey(2)
    assert reseal(world.book, 1, 2, lambda blob, aad: new.seal(world.key.open(blob, aad), aad)) == (1, 0)
    row = world.book.one(run)
    assert row.key_id == 2 and opened(new, run, row.sealed).to == NUMBER


def test_what_ended_long_ago_is_swept(world: World) -> None:
    run = world.start(PARAMS)
    world.settle()
    assert world.book.act(lambda b: b.sweep(AT + FLOW_KEPT_MS)) == 0, "a run that has not ended stays"
    world.book.act(lambda b: b.cancel(b.one(run), AT, "cancelled", "test"))
    assert world.book.act(lambda b: b.sweep(AT + FLOW_KEPT_MS)) >= 1
    assert world.book.standing() == {} and world.book.story(run) == []

"""query_sm: what was answered and never had its receipt is asked for, at a bounded rate. No sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from appliance.router import RouteTable
from appliance.settings import Route
from appliance.smpp import Pdu, encode
from tests.support.engine_alone import Time, World, batch

QUERY_SM, QUERY_SM_RESP = 0x03, 0x80000003
DELIVERED, ENROUTE, EXPIRED = 2, 1, 3
RQUERYFAIL = 0x67
HOUR_S = 3_600.0


def sent(world: World, time: Time, ids: tuple[str, ...] = ("A1",)) -> Any:
    """Messages that were answered and whose validity, an hour, and the margin after it are over."""
    world.bind()
    b = batch(*(f"message {n}" for n in range(len(ids))))
    world.accept(b)
    for submit, operator_id in zip(world.submits(), ids, strict=True):
        world.answer(submit.sequence, operator_id)
    world.run()
    time.pass_(2 * HOUR_S)
    return b


def asked(world: World, time: Time, seconds: float = 1.0) -> list[Any]:
    out = []
    for _ in range(int(seconds / 0.25)):
        world.step()
        out += [pdu for pdu in world.heard() if pdu.command_id == QUERY_SM]
        time.pass_(0.25)
    return out


def tell(world: World, pdu: Any, state: int, status: int = 0) -> None:
    fields = {"message_id": pdu.fields["message_id"], "final_date": b"", "message_state": state, "error_code": 0}
    world.say(encode(Pdu(QUERY_SM_RESP, status, pdu.sequence, {} if status else fields)))
    world.step()


def test_a_receipt_that_never_came_is_asked_for(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path, query_sm=True)
    b = sent(world, time)
    (question,) = asked(world, time)
    assert question.fields["message_id"] == b"A1" and question.fields["source_addr"] == b"BANK"
    tell(world, question, DELIVERED)
    assert [e[1:] for e in world.found(b.ids[0]).events][-1] == ("delivered", "told by the operator when asked")
    world.receipt("A1", "UNDELIV")
    world.step()
    assert world.status(b.ids[0]) == "delivered"


def test_a_link_without_query_sm_is_never_asked(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path)
    b = sent(world, time)
    assert asked(world, time) == [] and world.status(b.ids[0]) == "sent"


def test_nothing_is_asked_for_while_its_receipt_may_still_come(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path, query_sm=True)
    sent(world, time)
    time.pass_(-HOUR_S)
    assert asked(world, time) == []


def test_an_operator_is_asked_by_the_id_that_it_wrote(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path, query_sm=True, id_base="hex_dec")
    sent(world, time, ("00AF",))
    (question,) = asked(world, time)
    assert question.fields["message_id"] == b"00AF"


def test_an_operator_is_asked_with_the_sender_that_a_route_put(tmp_path: Path, time: Time) -> None:
    """By the id and the source address of the submit (SMPP 3.4 section 4.8.1): with another it knows no such message."""
    world = World(tmp_path, query_sm=True)
    world.ledger.routes = RouteTable((Route("39", ("op",), sender="47112"), Route("44", ("op",))))
    sent(world, time)
    world.ledger.routes = RouteTable((Route("39", ("op",)),))  # since then the routes are others
    (question,) = asked(world, time)
    assert question.fields["source_addr"] == b"47112"


def test_what_is_still_under_way_is_asked_for_again_much_later_and_not_for_ever(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path, query_sm=True)
    b = sent(world, time)
    times = 0
    for _ in range(12):
        for question in asked(world, time):
            times += 1
            tell(world, question, ENROUTE)
            assert asked(world, time) == []
        time.pass_(4 * HOUR_S)
    assert times == 5 and world.status(b.ids[0]) == "sent"


def test_an_operator_that_knows_nothing_is_not_asked_again(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path, query_sm=True)
    b = sent(world, time)
    (question,) = asked(world, time)
    tell(world, question, 0, RQUERYFAIL)
    time.pass_(10 * HOUR_S)
    assert asked(world, time) == []
    assert any("ESME_RQUERYFAIL" in detail for _, _, detail in world.found(b.ids[0]).events)


def test_no_more_than_a_few_questions_leave_in_a_second(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path, query_sm=True, window=100)
    sent(world, time, tuple(f"A{n}" for n in range(50)))
    assert 1 <= len(asked(world, time, 2.0)) <= 8


def test_an_answer_after_a_receipt_changes_nothing(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path, query_sm=True)
    b = sent(world, time)
    (question,) = asked(world, time)
    world.receipt("A1", "UNDELIV")
    world.step()
    tell(world, question, EXPIRED)
    assert world.status(b.ids[0]) == "undelivered" and world.ledger.statuses[7] == 0

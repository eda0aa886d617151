"""What customers wrote, to the webhooks of the settings: signed, tried again, told once, and never after its row or its key is gone."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from appliance.courier.letter import headers
from appliance.courier.received import Heard, parcel_id, parcels
from appliance.courier.rounds import Rounds
from appliance.errors import Error
from appliance.message import id_text, new_ids
from appliance.settings import InboundWebhook, parse, webhooks_for
from tests.unit.courier.test_rounds import Desk

URL = "https://hooks.bank.example/replies"
ONE = InboundWebhook("one", URL, 7, ("40404",))
REST = InboundWebhook("rest", "https://dead.bank.example/rest", 8)
NOTICE = InboundWebhook("notice", URL, 9, ("+40404",), "notice")
NUMBER, TEXT = "+393331234567", "Ciao € 😀"


class Listening(Desk):
    """The same desk with webhooks for customers' messages."""

    webhooks: tuple[InboundWebhook, ...] = (ONE, REST)

    def fresh_rounds(self) -> Rounds:
        hosts = ["hooks.bank.example", "dead.bank.example"]
        return Rounds(self.book, self.ring, self.client, hosts, False, lambda: self.now, lambda: 0.0, self.webhooks)

    def wrote(self, recipient: str = "40404", missing: tuple[int, ...] = (), number: int = 1) -> bytes:
        (message_id,) = new_ids(1, self.now)
        seal = self.ring.key.seal
        content = msgspec.msgpack.encode({"text": TEXT, "parts": 3, "missing": list(missing)})
        heard = Heard(message_id, 1, seal(NUMBER.encode(), b"n" + message_id), recipient, seal(content, b"h" + message_id), self.now)  # fmt: skip
        self.book.take_received("engine-0/heard", number, 1, parcels(number, [heard], self.webhooks), self.now)
        return message_id


@pytest.fixture
def desk(tmp_path: Path) -> Listening:
    return Listening(tmp_path / "courier.db")


def bodies(desk: Desk) -> list[Any]:
    return [json.loads(request.content) for request in desk.heard]


def test_whole_and_signed_with_the_secret_of_its_api_key(desk: Listening) -> None:
    message_id = desk.wrote(missing=(2,))
    asyncio.run(desk.turn())
    (request,) = desk.heard
    told = json.loads(request.content)
    assert told["type"] == "message.received" and str(request.url) == URL
    assert told["data"] == {
        "id": id_text(message_id), "to": "40404", "at": told["data"]["at"], "from": NUMBER, "text": TEXT,
        "complete": False, "parts": 3, "missing": [2],
    }  # fmt: skip
    assert request.headers["webhook-id"] == f"{id_text(message_id)}-received"
    at_ms = int(request.headers["webhook-timestamp"]) * 1000
    secret = b"webhook secret|7".ljust(32, b".")  # what the ring derives for API key 7
    signed = headers(secret, request.headers["webhook-id"], at_ms, request.content)
    assert request.headers["webhook-signature"] == signed["webhook-signature"]
    assert desk.book.pending() == (0, None)


def test_a_repetition_of_the_engine_is_told_once_and_one_of_ours_has_the_same_name(desk: Listening) -> None:
    answers = iter([httpx.Response(503), httpx.Response(204)])
    desk.answer = lambda request: next(answers)
    desk.wrote()
    desk.wrote(number=1)  # taken before, by its number
    asyncio.run(desk.turn())
    desk.now += 10_000
    asyncio.run(desk.turn())
    assert len(desk.heard) == 2 and desk.heard[0].content == desk.heard[1].content
    assert len({request.headers["webhook-id"] for request in desk.heard}) == 1


def test_by_recipient_and_the_rest_elsewhere_and_a_notice_has_no_number_and_no_text(tmp_path: Path) -> None:
    desk = Listening(tmp_path / "courier.db")
    desk.webhooks = (ONE, NOTICE, REST)
    desk.rounds = desk.fresh_rounds()
    desk.wrote("40404", number=1)
    desk.wrote("+3912345", number=2)
    asyncio.run(desk.turn())
    hosts = [(request.url.host, json.loads(request.content)["data"].get("from")) for request in desk.heard]
    assert hosts.count(("dead.bank.example", NUMBER)) == 1 and len(hosts) == 3
    notice = next(body for body in bodies(desk) if "text" not in body["data"])
    assert sorted(notice["data"]) == ["at", "id", "to"]


def test_what_has_no_row_any_more_is_not_told(desk: Listening) -> None:
    desk.wrote()
    desk.webhooks = ()
    desk.rounds = desk.fresh_rounds()
    asyncio.run(desk.turn())
    assert not desk.heard and desk.book.pending() == (0, None)


def test_a_destroyed_key_is_the_end_of_it_and_an_hsm_that_is_away_is_not(desk: Listening) -> None:
    desk.wrote()
    desk.ring.failing = Error("hsm_unavailable", "away")
    with pytest.raises(Error):
        asyncio.run(desk.turn())
    assert desk.book.pending()[0] == 1
    desk.ring.failing = Error("key_destroyed", "destroyed")
    asyncio.run(desk.turn())
    assert not desk.heard and desk.book.pending() == (0, None)


def test_nothing_of_it_is_in_clear_on_disk(desk: Listening, tmp_path: Path) -> None:
    desk.answer = lambda request: httpx.Response(503)
    desk.wrote()
    asyncio.run(desk.turn())
    octets = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert NUMBER.encode() not in octets and NUMBER[1:].encode() not in octets and TEXT.encode() not in octets


def test_rows_that_name_the_recipient_come_before_those_that_name_none() -> None:
    assert [row.name for row in webhooks_for((ONE, REST, NOTICE), "40404")] == ["one", "notice"]
    assert [row.name for row in webhooks_for((ONE, REST), "999")] == ["rest"]
    assert webhooks_for((ONE,), "999") == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"url": "ftp://x"}, "no address"),
        ({"api_key": 0}, "between"),
        ({"recipients": [""]}, "recipient"),
        ({"content": "text"}, "must be one of"),
        ({"name": "@"}, "name"),
    ],
)
def test_nonsense_is_refused(row: dict[str, Any], said: str) -> None:
    whole = {"name": "n", "url": URL, "api_key": 1, **row}
    with pytest.raises(Error, match=said):
        parse({"inbound_webhook": [whole]}, Path("/nowhere"), "t")


def test_what_was_erased_is_told_no_more(desk: Listening) -> None:
    message_id = desk.wrote()
    other = desk.wrote(number=2)
    desk.book.forget([parcel_id(message_id, hook.name) for hook in desk.webhooks])
    asyncio.run(desk.turn())
    assert [body["data"]["id"] for body in bodies(desk)] == [id_text(other)]
    assert desk.book.tallies()["forgotten"] == 1
    assert parcels(1, [Heard(message_id, 1, b"n", "40404", b"", 1)], desk.webhooks) == [], "erased on its way here"

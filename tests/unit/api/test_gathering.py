"""Single messages of one turn are one batch for the engine; each caller hears of its own, and nobody of another's."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from appliance.errors import Error
from appliance.limits import GATEWAY_ROWS_AT_ONCE
from tests.support.api_alone import Alone, Reply

GOOD = {"to": "+393331234567", "text": "Your code is 123456"}


def together(alone: Alone, bodies: list[tuple[Any, str]]) -> list[Reply]:
    """Requests that arrive in one turn of the loop, of the tokens given."""

    async def story() -> list[Reply]:
        asked = [
            alone.request("POST", "/v1/messages", json.dumps(body).encode(), None, token) for body, token in bodies
        ]
        return await asyncio.gather(*asked)

    return alone.loop.run_until_complete(story())


def test_what_arrives_together_is_one_batch_of_several_callers(alone: Alone) -> None:
    bodies = [(GOOD | {"reference": f"r-{n}"}, ("cm_1_anna", "cm_2_bruno")[n % 2]) for n in range(10)]
    replies = together(alone, bodies)
    assert [r.status for r in replies] == [202] * 10
    (batch,) = alone.engine.batches
    assert batch.callers == [1, 2] * 5
    for n, reply in enumerate(replies):
        said = reply.json
        assert said["reference"] == f"r-{n}" and "index" not in said
        assert reply.headers["location"] == f"/v1/messages/{said['id']}"
        token = bodies[n][1]
        assert alone.get(f"/v1/messages/{said['id']}", token=token).json["reference"] == f"r-{n}"
        other = "cm_1_anna" if token == "cm_2_bruno" else "cm_2_bruno"
        assert alone.get(f"/v1/messages/{said['id']}", token=other).status == 404


def test_a_refused_one_is_refused_alone(alone: Alone) -> None:
    bad = {
        3: GOOD | {"to": "12"},
        5: GOOD | {"text": "card 4111 1111 1111 1111"},
        6: GOOD | {"template": "none", "text": None},
    }
    replies = together(alone, [(bad.get(n, GOOD), "cm_1_anna") for n in range(8)])
    assert [r.status for r in replies] == [{3: 422, 5: 422, 6: 404}.get(n, 202) for n in range(8)]
    assert replies[3].json["code"] == "number_invalid" and replies[5].json["code"] == "content_refused"
    assert len(alone.engine.batches[0].ids) == 5


@pytest.mark.parametrize("code", ["engine_unavailable", "store_full", "overloaded"])
def test_what_the_engine_says_is_said_to_each(alone: Alone, code: str) -> None:
    alone.engine.down = Error(code, "not now")
    replies = together(alone, [(GOOD, "cm_1_anna")] * 5)
    assert {r.json["code"] for r in replies} == {code} and len({r.status for r in replies}) == 1
    alone.engine.down = None
    assert together(alone, [(GOOD, "cm_1_anna")])[0].status == 202


def test_a_mistake_of_ours_is_nobody_s_silence(alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(alone.gateway.seals, "at", broken)
    assert [r.status for r in together(alone, [(GOOD, "cm_1_anna")] * 3)] == [500] * 3


def test_a_turn_of_many_is_taken_in_pieces(alone: Alone) -> None:
    count = GATEWAY_ROWS_AT_ONCE * 2 + 7
    replies = together(alone, [(GOOD, "cm_1_anna")] * count)
    assert [r.status for r in replies] == [202] * count
    assert sum(len(b.ids) for b in alone.engine.batches) == count
    assert len({r.json["id"] for r in replies}) == count


def test_with_an_idempotency_key_a_request_goes_alone(alone: Alone) -> None:
    octets = json.dumps(GOOD).encode()

    async def story() -> list[Reply]:
        key = {"idempotency-key": "k"}
        first = await alone.request("POST", "/v1/messages", octets, key)
        asked = [alone.request("POST", "/v1/messages", octets, each) for each in (key, None)]
        return [first, *await asyncio.gather(*asked)]

    first, again, other = alone.loop.run_until_complete(story())
    assert first.body == again.body and again.headers["idempotency-replayed"] == "true"
    assert other.json["id"] != first.json["id"]


def test_a_caller_that_went_away_takes_nobody_with_it(alone: Alone) -> None:
    async def story() -> Reply:
        octets = json.dumps(GOOD).encode()
        gone = asyncio.ensure_future(alone.request("POST", "/v1/messages", octets))
        stays = asyncio.ensure_future(alone.request("POST", "/v1/messages", octets))
        await asyncio.sleep(0)
        gone.cancel()
        return await stays

    assert alone.loop.run_until_complete(story()).status == 202

"""What a face learns by ENUM before routes are chosen: asked once, for as long as it holds, and never a reason to refuse."""

from __future__ import annotations

import asyncio
from typing import Any

from appliance.errors import Error
from appliance.intake import Portability
from appliance.intake.portability import AGAIN_S
from appliance.router import Learned, Numbers
from appliance.settings import Enum, Operator

A, B = "+393331234567", "+393331234568"


class Courier:
    def __init__(self) -> None:
        self.calls: list[tuple[Any, float]] = []
        self.said: Any = None

    async def call(self, op: str, payload: Any = None, timeout_s: float = 1.0) -> Any:
        assert op == "enum"
        self.calls.append((payload["numbers"], timeout_s))
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


def world() -> tuple[Portability, Courier, list[float]]:
    now = [100.0]
    courier = Courier()
    rows = (Enum("393", "e164.example", (("10.0.0.1", 53),), wait_ms=500), Enum("39", "x.example", (("10.0.0.1", 53),)))
    return Portability(rows, courier, Learned(), lambda: now[0]), courier, now


def test_only_what_a_row_names_and_nobody_knows_is_asked() -> None:
    asked, courier, now = world()
    courier.said = [("39123", 60.0), ("", 60.0)]
    asyncio.run(asked.learn(["+39 333 1234567", B, "+491711234567", "nonsense", A]))
    assert courier.calls == [([A, B], 0.7)]
    assert asked.of([A, B, "+491711234567"]) == {A: "39123", B: ""}
    now[0] += 59
    asyncio.run(asked.learn([A, B]))
    assert len(courier.calls) == 1
    now[0] += 1
    courier.said = [None, ("39", 60.0)]
    asyncio.run(asked.learn([A, B]))
    assert asked.of([A, B]) == {B: "39"}, "what is no longer known is no longer gone by"
    now[0] += AGAIN_S
    asyncio.run(asked.learn([A, B]))
    assert courier.calls[2][0] == [A]


def test_a_courier_that_is_away_or_talks_nonsense_holds_nothing_up() -> None:
    for said in (Error("peer_unavailable", "x"), "what", [1]):
        asked, courier, _ = world()
        courier.said = said
        asyncio.run(asked.learn([A, B]))
        asyncio.run(asked.learn([A, B]))
        assert asked.of([A, B]) == {} and len(courier.calls) == 1


def test_what_is_learned_stands_above_the_plan_and_is_bounded() -> None:
    learned = Learned(2)
    numbers = Numbers([Operator("tim", ("39333",)), Operator("vf", (), ("39123",))], (), learned)
    learned.take([A, B], {A: "39123", B: ""})
    assert [numbers.operator(n) for n in (A, B)] == ["vf", "tim"]
    assert numbers.told(A).rule == "ported to 39123 (ENUM)" and numbers.told(B)[1:] == (
        False, "", "not ported (ENUM), number plan, prefix 39333",
    )  # fmt: skip
    learned.take([A], {})
    assert numbers.operator(A) == "tim" and numbers.told(A).ported is None
    learned.take(["+391", "+392", "+393"], {"+391": "x", "+392": "", "+393": "x"})
    assert list(learned.codes) == ["+392", "+393"]

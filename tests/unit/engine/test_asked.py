"""What is asked of the engine in no shape at all: refused as malformed or invalid, and nothing is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.engine import acts
from appliance.engine.routing import Routing
from appliance.errors import Error
from appliance.intercom import Peer
from appliance.settings import parse
from tests.support.engine_alone import World

PEER = Peer(1, 0, 0)


@pytest.mark.parametrize(
    "payload",
    [None, 5, "x", [], {}, {"id": 5, "who": "cli:a"}, {"id": b"short", "who": "cli:a"}, {"id": b"x" * 16, "who": 5}, {"id": b"x" * 16}],
)  # fmt: skip
def test_an_act_without_a_message_or_a_person_is_malformed(payload: Any) -> None:
    with pytest.raises(Error) as caught:
        acts.named(payload)
    assert caught.value.code == "malformed"
    assert acts.named({"id": b"x" * 16, "who": "cli:a"}) == (b"x" * 16, "cli:a")


@pytest.mark.parametrize(
    "payload", [None, 5, [], {}, {"who": 5}, {"who": ""}, {"who": "cli:+393331234567"}, {"who": "x" * 5_000}]
)
def test_routes_that_cannot_go_on_record_are_not_swapped_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, payload: Any
) -> None:
    world = World(tmp_path)
    swapped: list[Any] = []
    monkeypatch.setattr("appliance.engine.routing.swap_routes", lambda *given: swapped.append(given))

    async def in_beat(act: Callable[[], Any]) -> Any:
        return act()

    async def load() -> None:
        await Routing(parse({"link": [{"name": "op", "host": "h"}]}, tmp_path, "test")).load(
            world.ledger, payload, PEER, in_beat
        )

    with pytest.raises(Error) as caught:
        asyncio.run(load())
    assert caught.value.code in ("malformed", "invalid", "too_large")
    assert not swapped and not world.ledger.notes
    world.crash()

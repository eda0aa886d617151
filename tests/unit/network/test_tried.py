"""What nft lists of dropped connections: who tried what, and each told once an hour."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.errors import Error
from appliance.limits import TRIED_AGAIN_S, TRIED_TOLD_MAX
from appliance.network import tried

NAMES = {991: "casemate-gateway", 33: "www-data"}


def element(user: int | str, address: str, transport: str, port: int, packets: int) -> dict[str, Any]:
    counted = {"packets": packets, "bytes": packets * 60}
    return {"elem": {"val": {"concat": [user, address, transport, port]}, "expires": 3599, "counter": counted}}


def listing(*sets: dict[str, Any]) -> str:
    """As nft 1.1.3 prints it."""
    head = {"metainfo": {"version": "1.1.3", "json_schema_version": 1}}
    return json.dumps({"nftables": [head, *({"set": row} for row in sets)]})


def test_who_tried_what_is_read_from_both_sets() -> None:
    text = listing(
        {"name": "tried4", "table": "casemate", "elem": [element(991, "203.0.113.1", "tcp", 443, 2)]},
        {"name": "tried6", "table": "casemate", "elem": [element("www-data", "2001:db8::9", "udp", 53, 1)]},
        {"name": "somebody-else-s", "table": "casemate", "elem": ["10.0.0.1"]},
    )
    found = tried.listed(text, NAMES.__getitem__)
    assert found == [
        tried.Tried("casemate-gateway", "203.0.113.1", 443, "tcp", 2),
        tried.Tried("www-data", "2001:db8::9", 53, "udp", 1),
    ]
    assert [row.on for row in found] == ["process:gateway", "user:www-data"]


def test_nobody_tried_anything() -> None:
    assert tried.listed(listing({"name": "tried4"}, {"name": "tried6"}), NAMES.__getitem__) == []
    assert tried.listed(listing(), NAMES.__getitem__) == []


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"nftables": [{"set": {"name": "tried4", "elem": [{"elem": {"val": "a"}}]}}]}']
)
def test_something_else_is_refused(text: str) -> None:
    with pytest.raises(Error) as caught:
        tried.listed(text, NAMES.__getitem__)
    assert caught.value.code == "file_invalid"


def test_each_is_told_once_an_hour_and_not_all_at_once() -> None:
    rows = [tried.Tried("casemate-gateway", "203.0.113.1", port, "tcp", 1) for port in range(1, TRIED_TOLD_MAX + 3)]
    first, told = tried.due(rows, {}, 1_000)
    assert (len(first), told) == (TRIED_TOLD_MAX, {})
    told = {row.key: 1_000 for row in first}
    second, told = tried.due(rows, told, 61_000)
    assert [row.port for row in second] == [TRIED_TOLD_MAX + 1, TRIED_TOLD_MAX + 2], "the others have their turn"
    again, told = tried.due(rows[:1], told, 1_000 + TRIED_AGAIN_S * 1_000)
    assert (again, told) == (rows[:1], {}), "it goes on"
    assert tried.due(rows[:1], {rows[0].key: 9_000}, 1_000)[0] == rows[:1], "the clock was set back"

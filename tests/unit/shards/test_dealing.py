"""A link divided among engines: binds and rates add up to what the operator allows, at every instant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.engine.pace import UNLIMITED, Pace
from appliance.settings import Link, parse
from appliance.shards import carriers, held, holders


def links(*rows: dict[str, Any]) -> tuple[Link, ...]:
    raw = {"link": [{"name": f"op{n}", "host": "a", **row} for n, row in enumerate(rows)]}
    return parse(raw, Path("/nowhere"), "test").links


def test_one_engine_holds_every_link_as_it_is_written() -> None:
    given_ = links({"binds": 3, "pace": 50}, {"more_hosts": ["b:1"]})
    parts = held(given_, 0, 1)
    assert [part.link for part in parts] == list(given_)
    assert parts[0].places == (("a", 2775),) * 3
    assert parts[1].places == (("a", 2775), ("b", 1))


def test_a_link_of_one_bind_is_the_first_engines() -> None:
    given_ = links({}, {"binds": 4})
    assert [part.link.name for part in held(given_, 0, 2)] == ["op0", "op1"]
    assert [part.link.name for part in held(given_, 1, 2)] == ["op1"]
    assert carriers(given_, 3) == {"op0": 1, "op1": 3}


def test_each_engine_has_a_bind_to_each_address() -> None:
    (link,) = links({"binds": 2, "more_hosts": ["b:1"]})
    for shard in (0, 1):
        (part,) = held((link,), shard, 2)
        assert sorted(host for host, _ in part.places) == ["a", "b"], "an address that is lost takes no engine with it"


@pytest.mark.parametrize(("pace", "many"), [(5, 1), (19.9, 1), (20, 2), (45, 4), (1000, 4)])
def test_a_slow_link_is_held_by_few(pace: float, many: int) -> None:
    (link,) = links({"binds": 8, "pace": pace})
    assert holders(link, 4) == many


RATES = st.floats(0.5, 2_000)


@given(
    binds=st.integers(1, 32),
    hosts=st.integers(0, 3),
    shards=st.integers(1, 64),
    pace=st.none() | RATES,
    bulk=st.none() | RATES,
    sender=st.none() | RATES,
)
def test_parts_add_up(
    binds: int, hosts: int, shards: int, pace: float | None, bulk: float | None, sender: float | None
) -> None:
    row: dict[str, Any] = {"binds": binds, "more_hosts": [f"h{n}:1" for n in range(hosts)]}
    row |= {name: rate for name, rate in (("pace", pace), ("pace_bulk", bulk)) if rate}
    if sender:
        row["pace_senders"] = {"MYBANK": sender}
    (link,) = links(row)
    parts = [part for shard in range(shards) for part in held((link,), shard, shards)]
    assert len(parts) == holders(link, shards) >= 1
    places = [place for part in parts for place in part.places]
    assert sorted(places) == sorted(link.addresses() * binds)
    sizes = [len(part.places) for part in parts]
    assert min(sizes) >= 1 and max(sizes) - min(sizes) <= 1
    for whole, each in (
        (link.pace, [part.link.pace for part in parts]),
        (link.pace_bulk, [part.link.pace_bulk for part in parts]),
        (link.pace_senders.get("MYBANK", 0), [part.link.pace_senders.get("MYBANK", 0) for part in parts]),
    ):
        assert sum(each) == pytest.approx(whole)
        at_once = [Pace(rate).allowed(1e9) for rate in each]
        if whole:
            assert sum(at_once) <= Pace(whole).allowed(1e9), "no more at once than one engine would let go"
        else:
            assert set(at_once) == {UNLIMITED}

"""Hours of a route: by the local clock, past midnight, over the week's end; nonsense is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from appliance.errors import Error
from appliance.settings import Hours, Settings, parse, parse_routes


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("hours", "zone", "when", "open_"),
    [
        ("mon-fri 08:00-20:00", "UTC", "2026-11-23T08:00", True),
        ("mon-fri 08:00-20:00", "UTC", "2026-11-23T20:00", False),
        ("mon-fri 08:00-20:00", "UTC", "2026-11-22T12:00", False),
        ("22:00-06:00", "UTC", "2026-11-22T23:00", True),
        ("22:00-06:00", "UTC", "2026-11-23T05:59", True),
        ("sun 22:00-06:00", "UTC", "2026-11-23T05:59", True),  # over the week's end
        ("sun 22:00-06:00", "UTC", "2026-11-22T05:59", False),
        ("sat,sun 00:00-24:00", "UTC", "2026-11-22T23:59", True),
        ("fri-mon 00:00-24:00", "UTC", "2026-11-23T12:00", True),
        ("fri-mon 00:00-24:00", "UTC", "2026-11-24T12:00", False),
        ("08:00-20:00", "Europe/Rome", "2026-07-01T06:30", True),  # summer time
        ("08:00-20:00", "Europe/Rome", "2026-12-01T06:30", False),
    ],
)
def test_open(hours: str, zone: str, when: str, open_: bool) -> None:
    assert Hours.read((hours,), zone).open(at(when)) is open_


@pytest.mark.parametrize(
    "text", ["", "always", "25:00-26:00", "08:00-08:00", "xyz 08:00-09:00", "8-9", "24:00-24:00", "08:60-09:00"]
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Hours.read((text,), "UTC")


def test_a_zone_that_is_none() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Hours.read(("08:00-09:00",), "Mars/Base")


LINK = {"name": "a", "host": "h"}


def read(*routes: dict[str, object], **more: object) -> Settings:
    from pathlib import Path

    return parse({"link": [LINK, {**LINK, "name": "b"}], "route": list(routes), **more}, Path("/nowhere"), "t")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"links": ["c"]}, "unknown link 'c'"),
        ({"links": []}, "names 0 links"),
        ({"links": ["a", "a"]}, "a link twice"),
        ({"links": ["a"], "prefix": "+39"}, "not digits"),
        ({"links": ["a"], "prefix": "1" * 16}, "not digits"),
        ({"links": ["a"], "wieght": 1}, "wieght"),
        ({"links": ["a"], "class": ["otp"]}, "classes"),
        ({"links": ["a"], "classes": ["opt"]}, "did you mean 'otp'"),
        ({"links": ["a"], "operator": "tim"}, "unknown operator"),
        ({"links": ["a"], "hours": ["always"]}, "hours"),
        ({"links": ["a"], "hours": ["08:00-09:00"], "timezone": "Rome"}, "time zone"),
        ({"links": ["a", "b"], "balance": "weight"}, "no weight for a, b"),
        ({"links": ["a", "b"], "balance": "weight", "weights": {"a": 0, "b": 0}}, "only weights of 0"),
        ({"links": ["a", "b"], "balance": "weight", "weights": {"a": 1, "c": 1}}, "none of its links"),
        ({"links": ["a", "b"], "balance": "weight", "weights": {"a": -1, "b": 1}}, "0 or above"),
        ({"links": ["a", "b"], "balance": "cost", "costs": {"a": 1}}, "no cost for b"),
        ({"links": ["a", "b"], "weights": {"a": 1, "b": 1}}, "balance"),
        ({"links": ["a"], "balance": "luck"}, "order, weight, cost"),
        ({"links": ["a"], "sender": "X" * 40}, "40 characters"),
        ({"links": ["a"], "name": "é"}, "name"),
    ],
)
def test_a_row_that_is_wrong_is_said(row: dict[str, object], said: str) -> None:
    with pytest.raises(Error) as caught:
        read(row)
    assert caught.value.code == "settings_invalid"
    assert said in str(caught.value)


def test_names_and_operators_are_unique() -> None:
    with pytest.raises(Error, match="same name"):
        read({"links": ["a"], "name": "x"}, {"links": ["b"], "name": "x"})
    with pytest.raises(Error, match="belongs to tim already"):
        read({"links": ["a"]}, operator=[{"name": "tim", "prefixes": ["39"]}, {"name": "vf", "prefixes": ["39"]}])


def test_a_file_of_routes_holds_nothing_else() -> None:
    routes, operators = parse_routes(
        {"route": [{"links": ["a"], "operator": "tim"}], "operator": [{"name": "tim", "prefixes": ["39"]}]}, ["a"], "f"
    )
    assert routes[0].operator == operators[0].name
    with pytest.raises(Error, match="did you mean `route`"):
        parse_routes({"routes": []}, ["a"], "f")

"""Versions: whole or not at all; what is damaged is passed over and said; back leads where one was."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appliance.errors import Error
from appliance.router import RouteShelf, RouteWatch, Took, Trial, in_pieces, table_of, through, warnings
from appliance.settings import Operator, Route, Settings, parse


def settings_of(home: Path, *links: str) -> Settings:
    return parse({"link": [{"name": name, "host": "h"} for name in links or ("a", "b")]}, home, "test")


def activated(shelf: RouteShelf, *routes: Route) -> int:
    heading = shelf.keep(routes, (), "test", 1)
    shelf.point(heading.version, heading.digest)
    return heading.version


def test_without_a_version_the_settings_count(tmp_path: Path) -> None:
    active = through(RouteShelf(settings_of(tmp_path)).loading())
    assert (active.version, active.problems) == (0, ())
    assert active.table.links("+391") == ("a", "b")


def test_the_active_version_is_loaded_with_all_that_a_row_says(tmp_path: Path) -> None:
    shelf = RouteShelf(settings_of(tmp_path))
    row = Route(
        "39", ("b", "a"), "night", "", ("otp",), ("BANK",), ("22:00-06:00",), "UTC", "weight", {"a": 1, "b": 2}, {}, "X",
        {"otp": "Y"},
    )  # fmt: skip
    version = activated(shelf, row, Route("", ("a",)))
    active = through(shelf.loading())
    assert active.version == version == 1
    assert [r.route for r in active.table.rows() if r.prefix] == [row]


@pytest.mark.parametrize("harm", ["cut", "flip", "gone", "empty", "other"])
def test_a_damaged_version_is_said_and_the_last_good_one_taken(tmp_path: Path, harm: str) -> None:
    shelf = RouteShelf(settings_of(tmp_path))
    activated(shelf, Route("", ("a",)))
    bad = shelf.path(activated(shelf, Route("", ("b",)), Route("39", ("a",))))
    octets = bad.read_bytes()
    if harm == "gone":
        bad.unlink()
    elif harm == "other":
        bad.write_bytes(shelf.path(1).read_bytes())
    else:
        bad.write_bytes({"cut": octets[:-20], "flip": octets.replace(b'"39"', b'"44"'), "empty": b""}[harm])
    active = through(shelf.loading())
    assert active.version == 1
    assert active.table.links("+391") == ("a",)
    assert "version 2" in active.problems[0]


def test_a_damaged_pointer_leads_to_the_newest_version(tmp_path: Path) -> None:
    shelf = RouteShelf(settings_of(tmp_path))
    activated(shelf, Route("", ("b",)))
    shelf.active_path.write_bytes(b"{")
    active = through(shelf.loading())
    assert (active.version, len(active.problems)) == (1, 1)


def test_a_crash_between_leaves_what_was_active(tmp_path: Path) -> None:
    shelf = RouteShelf(settings_of(tmp_path))
    activated(shelf, Route("", ("a",)))
    shelf.keep((Route("", ("b",)),), (), "test", 2)  # and then the power went
    (shelf.folder / ".active.99").write_bytes(b"half")
    assert through(shelf.loading()).version == 1


def test_a_link_that_is_no_more_is_left_out_and_said(tmp_path: Path) -> None:
    activated(RouteShelf(settings_of(tmp_path)), Route("", ("b", "a")), Route("39", ("b",)))
    active = through(RouteShelf(settings_of(tmp_path, "a")).loading())
    assert active.table.links("+391") == ("a",)
    assert "no longer there: b" in active.problems[0]


def test_back_and_back_again(tmp_path: Path) -> None:
    shelf = RouteShelf(settings_of(tmp_path))
    for link in "ab":
        activated(shelf, Route("", (link,)))
    for expected in (1, 0):
        shelf.put(shelf.back()[1])
        assert through(shelf.loading()).version == expected
    with pytest.raises(Error, match="no version"):
        shelf.back()


def test_old_versions_go_and_the_active_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.router.shelf.VERSIONS_MAX", 3)
    shelf = RouteShelf(settings_of(tmp_path))
    activated(shelf, Route("", ("a",)))
    for _ in range(6):
        shelf.keep((Route("", ("b",)),), (), "test", 2)
    assert shelf.numbers() == [1, 4, 5, 6, 7]
    assert [heading.version for heading in shelf.versions()] == [1, 4, 5, 6, 7]


def test_a_process_that_goes_on_working_takes_another_version(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    watch = RouteWatch(settings)
    assert watch.table.links("+391") == ("a", "b")
    activated(watch.shelf, Route("", ("b",)))
    asyncio.run(watch.look())
    assert watch.table.links("+391") == ("b",)


def test_ten_thousand_rows_are_made_in_many_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.router.watch.TURN_S", 0.0)  # however quick this machine is
    shelf = RouteShelf(settings_of(tmp_path))
    activated(shelf, *(Route(f"{n:05}", ("a",)) for n in range(10_000)))
    turns = 0

    async def both() -> int:
        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(others())
        active = await in_pieces(shelf.loading(), Took())
        task.cancel()
        return len(active.table)

    assert asyncio.run(both()) == 10_000
    assert turns > 50


def test_doubtful_rows_are_named(tmp_path: Path) -> None:
    rows = (
        Route("39", ("a",), "all"),
        Route("39", ("b",), "never"),
        Route("39", ("b",), "codes", classes=("otp",)),
        Route("39", ("b",), "codes again", classes=("otp",)),
        Route("49", ("a",), "off", enabled=False),
        Route("33", ("a",), "day", hours=("08:00-20:00",)),
    )
    operators = (Operator("tim", ("39",)),)
    table, problems = table_of(settings_of(tmp_path), rows, operators)
    said = " ".join(warnings(table, rows, operators))
    assert problems == []
    for text in (
        "route never is never asked",
        "codes again is never asked",
        "not enabled: off",
        "operator tim",
        "prefix 33",
    ):
        assert text in said
    assert "route all" not in said


def test_a_trial_counts_what_would_change() -> None:
    from appliance.router import RouteTable

    old = RouteTable([Route("", ("a",), "old")])
    new = RouteTable([Route("39", ("b",), "italy"), Route("44", ("a",), "same links", sender="X")])
    trial = Trial(old, new)
    for to in ("+391", "+392", "+441", "+491"):
        trial.take(to, 2, "BANK", 0, "a")
    told = trial.told()
    assert (told["messages"], told["changed"], told["without_route"], told["only_sender_changed"]) == (4, 4, 1, 1)
    assert told["moves"][0] == {
        "route_before": "old", "route_after": "italy", "links_before": "a", "links_after": "b", "messages": 2
    }  # fmt: skip

"""Which processes there are, in which order, and the settings that the demo makes."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import Error
from appliance.settings import parse
from appliance.supervisor.demo import _absolute, demo_settings, simulates, toml
from appliance.supervisor.plan import listens, plan, simulator
from appliance.supervisor.state_file import StateFile


def settings(raw: dict[str, Any] | None = None) -> Any:
    return parse(raw or {}, Path("/nowhere"), "test")


def test_keys_come_first_and_faces_last() -> None:
    names = [child.name for child in plan(settings(), None)]
    assert names == ["keys", "auditor", "courier", "engine", "gateway", "door", "console"]


def test_a_door_that_is_shut_is_no_process() -> None:
    shut = settings({"door": {"enabled": False}})
    assert "door" not in [child.name for child in plan(shut, None)]
    assert "door.listen" not in [name for name, _, _ in listens(shut, True)]


def test_the_engine_stops_before_what_it_needs() -> None:
    tiers = {child.name: child.tier for child in [*plan(settings(), None), simulator(settings())]}
    assert tiers["console"] == tiers["gateway"] > tiers["engine"] > tiers["courier"] > tiers["auditor"] > tiers["keys"]
    assert tiers["keys"] > tiers["simulator"]


def test_each_gateway_is_a_process() -> None:
    children = plan(settings({"api": {"gateways": 3}}), Path("/etc/c.toml"))
    gateways = [child for child in children if child.name.startswith("gateway")]
    assert [child.name for child in gateways] == ["gateway-0", "gateway-1", "gateway-2"]
    assert gateways[2].command[-3:] == ("gateway", "--index", "2")
    assert "--config" in gateways[2].command


def test_no_secret_is_on_a_command_line() -> None:
    for child in [*plan(settings(), None), simulator(settings())]:
        assert not any("password" in word or "pin" in word.split("-") for word in child.command)


def test_only_the_demo_listens_for_the_simulator() -> None:
    assert [name for name, _, _ in listens(settings(), False)] == ["api.listen", "console.listen", "door.listen"]
    assert len(listens(settings(), True)) == 5


VALUES = st.one_of(
    st.text(st.characters(codec="utf-8")),
    st.integers(-(2**53), 2**53),
    st.booleans(),
    st.lists(st.text(st.characters(codec="utf-8"))),
)


@given(
    st.dictionaries(st.sampled_from(["a", "b_c"]), VALUES),
    st.lists(st.dictionaries(st.sampled_from(["x", "y"]), VALUES), min_size=1),
)
def test_settings_written_are_settings_read(section: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    document = {"one": section, "many": rows}
    assert tomllib.loads(toml(document)) == document


def test_paths_are_taken_from_the_folder_of_their_file() -> None:
    raw = {"hsm": {"pin_file": "pin", "token_label": "t"}, "link": [{"password_file": "/abs", "tls_ca": "ca.pem"}]}
    found = _absolute(raw, Path("/etc/casemate"))
    assert found["hsm"] == {"pin_file": "/etc/casemate/pin", "token_label": "t"}
    assert found["link"] == [{"password_file": "/abs", "tls_ca": "/etc/casemate/ca.pem"}]


FILE = """
[api]
listen = "127.0.0.1:1"
[console]
listen = "127.0.0.1:2"
[simulator]
listen = "127.0.0.1:3"
control = "127.0.0.1:4"
[[link]]
name = "one"
host = "localhost"
port = 3
[[link]]
name = "two"
host = "192.0.2.1"
"""


@pytest.mark.parametrize(
    ("more", "prefix", "links"),
    [("", "", ("one", "two")), ('[[route]]\nprefix = "39"\nlinks = ["two"]\n', "39", ("two",))],
)
def test_a_file_of_the_demo_keeps_its_routes_and_without_any_takes_every_number(
    tmp_path: Path, more: str, prefix: str, links: tuple[str, ...]
) -> None:
    config = tmp_path / "mine.toml"
    config.write_text(FILE + more)
    found, written = demo_settings(config, tmp_path)
    (route,) = found.routes
    assert (route.prefix, tuple(route.links)) == (prefix, links)
    assert simulates(found)  # localhost is where the simulated operator listens
    assert tomllib.loads(written.read_text())["route"] == [{"prefix": prefix, "links": list(links)}]


def test_a_mistake_in_the_file_stays_a_mistake() -> None:
    with pytest.raises(Error) as caught:
        parse(_absolute({"api": {"lisen": "x"}}, Path("/")), Path("/nowhere"), "c.toml")
    assert caught.value.code == "settings_invalid"
    assert "api.listen" in caught.value.hint


def test_the_state_file_is_whole_or_not_there(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "run" / "state.json")
    assert file.read() is None
    file.write([{"name": "keys", "state": "ready"}])
    assert file.read()["processes"] == [{"name": "keys", "state": "ready"}]  # type: ignore[index]
    assert file.path.stat().st_mode & 0o777 == 0o600
    file.path.write_text(json.dumps([1]), encoding="utf-8")
    assert file.read() is None


def test_tables_within_a_link_are_written_and_read_again() -> None:
    link = {
        "name": "a",
        "receipt_words": {"FAILED": "failed"},
        "pace_senders": {"43210": 1, 'A "B"': 2.5},
        "tlvs": [{"name": "pe_id", "tag": 0x1400, "by_sender": {"MYBANK": "1001"}}],
    }
    assert tomllib.loads(toml({"link": [link]})) == {"link": [link]}

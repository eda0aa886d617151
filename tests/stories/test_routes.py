"""Routes change while messages flow: nothing is lost, nothing of a class overtakes on a link, and the acts are on the record."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.appliance import Appliance
from tests.support.operator_process import Control, simulated_operator

pytestmark = pytest.mark.stories

CONFIG = """
[[link]]
name = "a"
host = "127.0.0.1"
port = {port}
window = 20

[[link]]
name = "b"
host = "127.0.0.1"
port = {port}

[[route]]
links = ["a", "b"]
"""
NUMBERS = ("+393331234567", "+393471234567", "+491711234567")
MESSAGES = 1_500


@pytest.fixture(scope="module")
def operator() -> Iterator[Control]:
    with simulated_operator() as control:
        yield control


@pytest.fixture(scope="module")
def box(operator: Control) -> Iterator[Appliance]:
    with Appliance(CONFIG.format(port=operator.port)) as box:
        yield box


def table(path: Path, prefixes: int, second: str) -> Path:
    rows = [
        '[[route]]\nlinks = ["a"]\n',
        *(f'[[route]]\nprefix = "{n}"\nlinks = ["a"{second}]\n' for n in range(39_300, 39_300 + prefixes)),
    ]
    path.write_text("".join(rows))
    return path


def test_tables_change_under_traffic(box: Appliance, tmp_path: Path) -> None:
    files = [table(tmp_path / "few.toml", 80, ', "b"'), table(tmp_path / "many.toml", 2_000, "")]
    versions: list[int] = []

    def change() -> None:
        for n in range(4):
            told = box.casemate("routes", "activate", str(files[n % 2]), "--json")
            assert told.returncode == 0, told.stderr
            versions.append(json.loads(told.stdout)["engine"]["version"])

    changing = threading.Thread(target=change)
    changing.start()
    ids: list[str] = []
    at = 0
    while at < MESSAGES or changing.is_alive():
        rows = [
            {"to": NUMBERS[n % 3], "text": f"{n}", "class": ("bulk", "transaction")[n % 2]} for n in range(at, at + 50)
        ]
        answer = box.api.post("/v1/messages/batch", json={"messages": rows})
        assert answer.status_code == 202
        assert not answer.json()["rejected"]
        ids += [row["id"] for row in answer.json()["accepted"]]
        at += 50
    changing.join()
    assert versions == [1, 2, 3, 4]
    assert box.state()["routes"]["version"] == 4
    statuses = box.settled()
    assert {statuses[i] for i in ids} == {"delivered"}


def test_what_handsets_saw_is_in_order_and_whole(box: Appliance, operator: Control) -> None:
    for number in NUMBERS:
        seen = [int(row["text"]) for row in operator.received(number)]
        assert len(seen) == len(set(seen)) > 0
        for odd in (0, 1):
            of_class = [n for n in seen if n % 2 == odd]
            assert of_class == sorted(of_class)


def test_it_is_on_the_record_and_can_be_taken_back(box: Appliance) -> None:
    assert box.casemate("routes", "back").returncode == 0
    for what, least in (("routes.activated", 5), ("routes.loaded", 4)):
        told = box.casemate("audit", "entries", "--what", what, "--json")
        assert len(json.loads(told.stdout)["entries"]) >= least
    listed = json.loads(box.casemate("routes", "list", "--json").stdout)["versions"]
    assert [row["version"] for row in listed if row["active"]] == [3]


def test_the_active_version_outlives_the_engine(box: Appliance) -> None:
    box.kill("engine")
    box.until_ready()
    assert box.state()["routes"]["version"] == 3


def test_a_preview_and_a_command_say_why(box: Appliance) -> None:
    told = box.api.post("/v1/preview", json={"text": "hi", "to": NUMBERS[0]}).json()
    assert told["route"][0] == "a"
    assert told["steps"][-1]["rule"].startswith("link ")
    said = box.casemate("routes", "explain", NUMBERS[0])
    assert "prefix 3933" in said.stdout
    assert NUMBERS[0] not in said.stdout


def test_a_dry_run_counts_and_names_nobody(box: Appliance, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text('[[route]]\nname = "germany"\nprefix = "49"\nlinks = ["b"]\n[[route]]\nlinks = ["a"]\n')
    told = json.loads(box.casemate("routes", "try", str(other), "--day", "today", "--json").stdout)
    moved = [move for move in told["moves"] if move["route_after"] == "germany"]
    assert told["messages"] >= MESSAGES
    assert sum(move["messages"] for move in moved) * 3 == pytest.approx(told["messages"], abs=3)
    assert not any(number[1:] in json.dumps(told) for number in NUMBERS)


def test_a_file_that_is_wrong_changes_nothing(box: Appliance, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[[route]]\nlinks = ["nowhere"]\n')
    told = box.casemate("routes", "activate", str(wrong))
    assert told.returncode == 2
    assert "unknown link" in told.stderr
    assert box.state()["routes"]["version"] == 3

"""Jasmin's configuration, requests and answers, and what is said when it or what it needs is missing: nothing is started."""

from __future__ import annotations

import configparser
import os
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner

from appliance.bench import broker, peer
from appliance.bench.broker import Ports, rabbit_env, redis_words
from appliance.bench.callbacks import Receipts
from appliance.bench.command import bench
from appliance.bench.jasmin import (
    CONFIG,
    DELIVERED,
    REQUIREMENTS,
    Jasmin,
    configuration,
    installed,
    told_jasmin,
    unlocked,
)  # fmt: skip
from appliance.errors import Error

PORTS = Ports(1, 2, 3, 4)


def an_environment(where: Path) -> Path:
    specs = where / "lib/python3.11/site-packages/txamqp/specs/standard"
    for path in (*(where / "bin" / n for n in ("python", "jasmind.py", "dlrd.py", "dlrlookupd.py")), specs / "x"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (specs / "amqp0-9-1.stripped.xml").touch()
    return where


def test_everything_listens_on_loopback_alone(tmp_path: Path) -> None:
    numbers = {
        n: 10 + i for i, n in enumerate(("smpp", "smpp_pb", "clients", "router", "amqp", "redis", "jcli", "http"))
    }
    config = configparser.RawConfigParser()
    config.read_string(CONFIG.format(folder=tmp_path, spec="/x/spec.xml", **numbers))
    listening = {name: dict(config[name]) for name in config.sections() if "bind" in config[name]}
    assert set(listening) == {"smpp-server", "smpp-server-pb", "client-management", "router", "jcli", "http-api"}
    assert all(row["bind"] == "127.0.0.1" for row in listening.values())
    assert config["smpp-server-pb-client"]["port"] == config["smpp-server-pb"]["port"]
    ports = [row["port"] for row in listening.values()]
    assert len(set(ports)) == len(ports)
    assert config["router"]["store_path"].startswith(str(tmp_path))


def test_what_is_typed_into_its_console() -> None:
    lines = configuration("127.0.0.1", 2775)
    for line in ("port 2775", "submit_throughput 0", "connector smppc(operator)", "smppccm -1 operator"):
        assert line in lines
    assert lines.count("ok") == 4 and lines[-1] == "persist"


@pytest.mark.parametrize(
    ("text", "field", "value", "coding"),
    [("caffè & tè", "content", "caffè & tè", "0"), ("你好", "hex-content", "4f60597d", "8")],
)
def test_a_request_says_where_its_receipt_goes(text: str, field: str, value: str, coding: str) -> None:
    jasmin = object.__new__(Jasmin)
    jasmin.address = "127.0.0.1:9"
    jasmin._receipts = Receipts(DELIVERED)
    jasmin._receipts.port = 8
    query = parse_qs(urlsplit(jasmin.request(5, "+39347", text).decode().split(" ")[1]).query)
    assert query["to"] == ["+39347"] and query[field] == [value] and query["coding"] == [coding]
    assert query["dlr-url"] == ["http://127.0.0.1:8/r?i=5"] and query["dlr-level"] == ["3"]


def test_what_answers_mean() -> None:
    assert told_jasmin(200, b'Success "2f2f9f90-4cf2-4187-bc27-b10b5ce3bbad"') == (1, 1, 0)
    assert told_jasmin(403, b'Error "Authentication failure for username:bank"') is None
    assert told_jasmin(500, b'Error "Cannot send submit_sm"') is None


def test_who_has_no_jasmin_is_told_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(Error) as told:
        installed(tmp_path)
    assert told.value.code == "not_found"
    assert f"{tmp_path}/bin/pip install --require-hashes -r {REQUIREMENTS}" in told.value.hint
    found = installed(an_environment(tmp_path))
    assert found["jasmind.py"] == tmp_path / "bin/jasmind.py" and found["spec"].name == "amqp0-9-1.stripped.xml"


def test_every_package_of_it_is_pinned_and_hashed() -> None:
    entries = re.split(r"\n(?=[a-z])", REQUIREMENTS.read_text("utf-8"))
    packages = [entry for entry in entries if not entry.startswith("#")]
    assert any(entry.startswith("jasmin==") for entry in packages)
    assert all(re.match(r"[a-z0-9-]+(\[tls])?==", entry) and "--hash=sha256:" in entry for entry in packages)


def test_who_has_no_rabbitmq_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "RABBITMQ", str(tmp_path / "rabbitmq-server"))
    with pytest.raises(Error, match="rabbitmq-server") as told:
        broker.programs()
    assert told.value.code == "not_found" and told.value.hint == "apt-get install redis-server rabbitmq-server"


def test_the_brokers_stay_in_the_folder_and_on_loopback(tmp_path: Path) -> None:
    env = rabbit_env(PORTS, tmp_path)
    places = [value for name, value in env.items() if name == "HOME" or name.endswith(("_FILE", "_BASE"))]
    assert len(places) >= 7 and all(value.startswith(str(tmp_path)) for value in places)
    assert env["RABBITMQ_NODE_IP_ADDRESS"] == env["ERL_EPMD_ADDRESS"] == "127.0.0.1"
    assert "{127,0,0,1}" in env["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"]
    words = redis_words(PORTS, tmp_path)
    assert words[words.index("--bind") + 1] == "127.0.0.1" and words[words.index("--dir") + 1] == str(tmp_path)


def test_a_lock_left_behind_goes_with_its_other_name(tmp_path: Path) -> None:
    (tmp_path / "host-7f.123").touch()
    (tmp_path / "somebody's").touch()
    lock = tmp_path / "jasmind.lock"
    os.link(tmp_path / "host-7f.123", lock)
    unlocked(lock)
    unlocked(lock)  # it is gone already
    assert [path.name for path in tmp_path.iterdir()] == ["somebody's"]


def test_only_the_two_are_driven(tmp_path: Path) -> None:
    assert peer.rival("jasmin", tmp_path).name == "Jasmin" and peer.rival("kannel", tmp_path).name == "Kannel"
    with pytest.raises(Error) as told:
        peer.rival("playsms", tmp_path)
    assert told.value.code == "invalid" and told.value.hint == "kannel or jasmin"


def test_the_command_says_what_is_missing_before_it_starts_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path / "home"))
    ended = CliRunner().invoke(bench, ["--peer", "jasmin", "--jasmin", str(tmp_path / "none")])
    assert isinstance(ended.exception, Error) and ended.exception.code == "not_found"
    assert not (tmp_path / "home").exists()

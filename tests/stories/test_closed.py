"""Closed by default, as an inspector on the box sees it: testinfra looks at the running appliance from outside."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator

import psutil
import pytest
import testinfra

from tests.support.appliance import Appliance

pytestmark = pytest.mark.stories


@pytest.fixture(scope="module")
def box() -> Iterator[Appliance]:
    with Appliance() as box:
        answer = box.api.post("/v1/messages", json={"to": "+393471234567", "text": "closed"})
        assert answer.status_code == 202
        yield box


def processes(box: Appliance) -> dict[str, psutil.Process]:
    state = json.loads((box.home / "run" / "state.json").read_text())
    return {each["name"]: psutil.Process(each["pid"]) for each in state["processes"]}


def test_every_port_of_ours_is_on_loopback_only(box: Appliance) -> None:
    host = testinfra.get_host("local://")
    for url in (box.env["CASEMATE_API"], box.env["CASEMATE_CONSOLE"], box.env["CASEMATE_OPERATOR"]):
        port = int(url.rsplit(":", 1)[1])
        assert host.socket(f"tcp://127.0.0.1:{port}").is_listening
        assert not host.socket(f"tcp://0.0.0.0:{port}").is_listening
    for name, process in processes(box).items():
        listening = [c.laddr.ip for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        assert set(listening) <= {"127.0.0.1", "::1"}, name


def test_only_what_must_listens_and_only_the_engine_calls_out(box: Appliance) -> None:
    for name, process in processes(box).items():
        connections = process.net_connections("tcp")
        if name in ("keys", "auditor", "courier"):
            assert connections == [], name
        if name == "engine":
            assert not any(c.status == psutil.CONN_LISTEN for c in connections)
            assert any(c.status == psutil.CONN_ESTABLISHED for c in connections)


def test_no_file_of_ours_is_open_to_others(box: Appliance) -> None:
    host = testinfra.get_host("local://")
    files = [p for p in box.home.rglob("*") if not p.is_symlink()]
    assert len(files) > 20
    loose = [str(p.relative_to(box.home)) for p in files if stat.S_IMODE(p.lstat().st_mode) & 0o007]
    assert loose == []
    for name in ("hsm/pin", "demo.env", "access.db"):
        assert host.file(str(box.home / name)).mode & 0o077 == 0, name
    assert all(host.file(str(s)).is_socket for s in (box.home / "run").glob("*.sock"))


def test_secrets_are_in_no_command_line_and_no_environment(box: Appliance) -> None:
    pin = (box.home / "hsm" / "pin").read_text().strip()
    secrets = [pin, box.env["CASEMATE_API_KEY"], box.env["CASEMATE_CONSOLE_PASSWORD"]]
    for name, process in processes(box).items():
        for each in (process, *process.children(recursive=True)):
            words = " ".join(each.cmdline()) + " ".join(f"{k}={v}" for k, v in each.environ().items())
            assert not any(secret in words for secret in secrets), name


def test_no_log_holds_a_secret_or_a_number(box: Appliance) -> None:
    pin = (box.home / "hsm" / "pin").read_text().strip()
    logs = b"".join(p.read_bytes() for p in (box.home / "log").glob("*.log"))
    for word in (pin, box.env["CASEMATE_API_KEY"], "393471234567", "closed by"):
        assert word.encode() not in logs


def test_only_keys_and_its_workers_load_the_vendor_library(box: Appliance) -> None:
    for name, process in processes(box).items():
        mapped = {m.path for m in process.memory_maps()}
        assert not any("softhsm" in path for path in mapped), name
    workers = [c for c in processes(box)["keys"].children() if "hsm.worker" in " ".join(c.cmdline())]
    assert workers
    for worker in workers:
        assert any("softhsm" in m.path for m in worker.memory_maps())

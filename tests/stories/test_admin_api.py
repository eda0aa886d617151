"""A program at the admin API: a real playbook against the real console under gunicorn, with a real audit log; the engine and the HSM are played."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance.access import NEVER_BY_TOKEN, PERMISSIONS, Access, may
from appliance.clock import monotonic_s, now_ms
from appliance.settings import parse
from tests.support.box import Box

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "four unrelated words here"
CONFIG = '[[link]]\nname = "simulated"\nhost = "127.0.0.1"\nport = 2775\n'
RUN = """
import sys, tomllib
from pathlib import Path
from appliance.console import main
from appliance.settings import parse
main(parse({{"console": {{"listen": "{listen}", "second_factor": False, "two_people": {two}}}, **tomllib.loads({config!r})}}, Path("{home}"), "story"))
"""
WANTED: dict[str, Any] = {
    "admin_reason": "ticket 7",
    "admin_settings": {"limits.requests_per_s": 77},
    "admin_links": {"north": {"host": "smsc.operator.example", "port": 2775, "system_id": "bank"}},
    "admin_users": [{"name": "vera", "role": "viewer", "password": PASSWORD}],
    "admin_users_removed": ["otto"],
    "admin_api_keys": [{"name": "core-banking", "rate_per_s": 50}],
    "admin_door_accounts": [{"system_id": "core", "account": {"api_key": "core-banking", "class": "otp"}}],
    "admin_senders": [
        {"country": "GB", "sender": "MYBANK", "registration": {"state": "confirmed", "evidence": "ticket 8"}}
    ],
    "admin_routes": '[[route]]\nprefix = "39"\nlinks = ["simulated"]\n',
    "admin_templates": {"hello": {"locale": "en", "texts": {"en": "Hello {name}"}}},
    "admin_apply": True,
}

pytestmark = pytest.mark.stories


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def console(home: Path, file: Path, two_people: list[str]) -> Iterator[str]:
    listen = f"127.0.0.1:{free_port()}"
    code = RUN.format(listen=listen, config=CONFIG, home=home, two=two_people)
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "CASEMATE_CONFIG": str(file)})
    url = f"http://{listen}"
    try:
        until_s = monotonic_s() + 90  # on a busy machine
        while monotonic_s() < until_s and process.poll() is None:
            try:
                if httpx.get(f"{url}/readyz", timeout=10).status_code == 200:
                    break
            except httpx.HTTPError:
                signal.sigtimedwait([], 0.05)
        else:
            pytest.fail("the console did not become ready")
        yield url
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def token_of(access: Access, maker: str, role: str) -> str:
    person = access.user(maker)
    assert person is not None
    named = tuple(p for p in PERMISSIONS if may(role, p) and may(person.role, p) and p not in NEVER_BY_TOKEN)
    return access.create_admin_token(person, f"{maker}-{role}", role, named, (), 30, now_ms())[1]


def play(folder: Path, wanted: dict[str, Any]) -> dict[str, int]:
    """Runs the playbook; its recap for the one box."""
    given = folder / "site.json"
    given.write_text(json.dumps(wanted))
    inventory = folder / "hosts.yml"
    inventory.write_text("all: {children: {appliance: {hosts: {box: {}}}}}\n")
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), "admin.yml"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [*command, "-e", f"@{given}", "-e", f"ansible_python_interpreter={sys.executable}"],
        cwd=ROOT / "playbooks", capture_output=True, text=True, timeout=240,
        env={**kept, "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"), "ANSIBLE_REMOTE_TEMP": str(folder / "tmp"), "ANSIBLE_NOCOLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert wanted["admin_token"] not in done.stdout and PASSWORD not in done.stdout
    recap = re.search(r"^box +: (.*)$", done.stdout, re.M)
    assert recap is not None
    return {name: int(n) for name, n in re.findall(r"(\w+)=(\d+)", recap[1])}


def test_a_playbook_sets_up_a_running_box_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "casemate.toml"
    file.write_text(CONFIG)
    settings = parse({}, home, "story")
    access = Access(settings)
    for name, role in (("anna", "administrator"), ("otto", "operator")):
        access.create_user(name, PASSWORD, role)
    token = token_of(access, "anna", "administrator")
    with Box(settings) as running, console(home, file, []) as url:
        wanted = WANTED | {"admin_url": url, "admin_token": token}
        first = play(tmp_path, wanted)
        assert (first["changed"], first["failed"]) == (8, 0)  # tasks
        second = play(tmp_path, wanted)
        assert (second["changed"], second["failed"], second["unreachable"]) == (0, 0, 0)
        assert second["ok"] == first["ok"]
        # What it did is there, and on the record as the program's.
        vera = access.user("vera")
        assert vera is not None and vera.role == "viewer" and access.user("otto") is None
        assert access.door_account("core") is not None and "smsc.operator.example" in file.read_text()
        asked = httpx.Client(base_url=f"{url}/admin/v1", headers={"Authorization": f"Bearer {token}"}, timeout=60)
        assert asked.get("/routes").json()["version"] == 1
        entries = asked.get("/audit/entries").json()["entries"]
        done = {(e["entry"]["who"], e["entry"]["what"]) for e in entries}
        for what in ("console.user_created", "console.user_removed", "apikey.created", "door.account_created", "settings.approved", "settings.applied", "routes.activated", "template.saved", "sender.confirmed"):  # fmt: skip
            assert ("token:anna-administrator", what) in done, what
        # A link of the engine's, drained over the wire.
        assert asked.put("/links/simulated/drained", json={"drained": True}).json()["changed"] is True
        assert any(act.get("who") == "token:anna-administrator" for act in running.acts)


def test_where_two_people_decide_the_playbook_asks_and_another_party_approves(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "casemate.toml"
    file.write_text(CONFIG)
    settings = parse({}, home, "story")
    access = Access(settings)
    for name, role in (("anna", "administrator"), ("sonja", "security")):
        access.create_user(name, PASSWORD, role)
    asks, decides = token_of(access, "anna", "administrator"), token_of(access, "sonja", "security")
    with Box(settings), console(home, file, ["users"]) as url:
        put = {"role": "viewer", "password": PASSWORD, "reason": "ticket 7"}
        client = httpx.Client(base_url=f"{url}/admin/v1", timeout=60)
        by_anna, by_sonja = ({"Authorization": f"Bearer {token}"} for token in (asks, decides))
        first = client.put("/users/vera", json=put, headers=by_anna)
        again = client.put("/users/vera", json=put, headers=by_anna)
        assert (first.status_code, again.status_code) == (202, 202)
        assert (first.json()["changed"], again.json()["changed"]) == (True, False)
        number = first.json()["change"]["number"]
        assert client.post(f"/changes/{number}/approve", headers=by_anna).status_code == 403
        assert access.user("vera") is None
        assert client.post(f"/changes/{number}/approve", headers=by_sonja).status_code == 200
        assert access.user("vera") is not None
        assert client.put("/users/vera", json=put, headers=by_anna).json()["changed"] is False
        assert client.get("/users", headers={"Authorization": "Bearer cma_1_wrong"}).status_code == 401
        assert client.get("/users").headers["Content-Type"] == "application/problem+json"

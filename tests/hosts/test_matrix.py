"""Twenty processes knock at twenty destinations through the rules that `casemate network render` writes: what is not named is never reached.

The rules are loaded by the image's own nft, with the image's own users, in a network namespace; the destinations are in another one behind it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.network import tried
from tests.hosts.lan import own_network

CHECKOUT = Path(__file__).resolve().parents[2]
ARRIVE_S_MAX = 120
SETTINGS = """\
[network]
address = "10.67.0.2/24"
gateway = "10.67.0.1"
dns = ["198.51.100.8"]
time_servers = ["198.51.100.7"]

[backup]
target = "sftp://casemate@198.51.100.9/backups"

[webhook]
hosts = ["198.51.100.4"]

[siem]
target = "198.51.100.6:6514"

[[link]]
name = "first"
host = "198.51.100.1"
port = 2775
more_hosts = ["198.51.100.2:8775"]
system_id = "casemate"
password_file = "password"

[[link]]
name = "second"
host = "198.51.100.3"
port = 3550
system_id = "casemate"
password_file = "password"

[[enum]]
apex = "e164.arpa"
servers = ["198.51.100.5:53"]
"""
#: name, address, port, transport. The first eleven are named in the settings; nobody may reach the others.
PLACES = (
    ("operator", "198.51.100.1", 2775, "tcp"),
    ("operator, second host", "198.51.100.2", 8775, "tcp"),
    ("other operator", "198.51.100.3", 3550, "tcp"),
    ("core banking", "198.51.100.4", 443, "tcp"),
    ("number register", "198.51.100.5", 53, "udp"),
    ("SIEM", "198.51.100.6", 6514, "tcp"),
    ("time", "198.51.100.7", 123, "udp"),
    ("time's keys", "198.51.100.7", 4460, "tcp"),
    ("names", "198.51.100.8", 53, "udp"),
    ("names over TCP", "198.51.100.8", 53, "tcp"),
    ("backups", "198.51.100.9", 22, "tcp"),
    ("operator's shell", "198.51.100.1", 22, "tcp"),
    ("core banking in clear", "198.51.100.4", 80, "tcp"),
    ("SIEM in clear", "198.51.100.6", 514, "udp"),
    ("names of somebody else", "203.0.113.53", 53, "udp"),
    ("a web page", "203.0.113.1", 443, "tcp"),
    ("a mail server", "203.0.113.1", 25, "tcp"),
    ("an operator nobody named", "203.0.113.2", 2775, "tcp"),
    ("cloud metadata", "169.254.169.254", 80, "tcp"),
    ("a neighbour", "10.67.0.1", 8443, "tcp"),
)
USERS = (
    *("casemate-keys", "casemate-auditor", "casemate-courier", "casemate-engine", "casemate-gateway", "casemate-door"),
    *("casemate-console", "casemate-admin", "root", "www-data", "_chrony", "systemd-resolve", "systemd-network"),
    *("casemate-backup", "messagebus", "nobody", "daemon", "sync", "mail", "uucp"),
)
ALLOWED = {
    *(("casemate-engine", name) for name in ("operator", "operator, second host", "other operator")),
    *(("casemate-courier", name) for name in ("core banking", "number register")),
    ("casemate-auditor", "SIEM"),
    ("casemate-backup", "backups"),
    *(("_chrony", name) for name in ("time", "time's keys")),
    *(("systemd-resolve", name) for name in ("names", "names over TCP")),
}


@pytest.fixture(scope="module")
def world() -> Iterator[int]:
    """This thread on the box's side; the number of a process on the other side, where every destination is."""
    with own_network():
        other = subprocess.Popen(["unshare", "--net", "sleep", "1200"])
        try:
            inside = Path(f"/proc/{other.pid}/ns/net")
            until = time.monotonic() + 30
            while inside.readlink() == Path("/proc/thread-self/ns/net").readlink() and time.monotonic() < until:
                time.sleep(0.05)
            there = ["nsenter", f"--net={inside}", "ip"]
            _run("ip", "link", "add", "box", "type", "veth", "peer", "name", "world", "netns", str(other.pid))
            _run("ip", "address", "add", "10.67.0.2/24", "dev", "box")
            _run("ip", "link", "set", "box", "up")
            _run(*there, "link", "set", "lo", "up")
            _run(*there, "address", "add", "10.67.0.1/24", "dev", "world")
            _run(*there, "link", "set", "world", "up")
            _run("ip", "route", "add", "default", "via", "10.67.0.1")
            for host in sorted({host for _, host, _, _ in PLACES} - {"10.67.0.1"}):
                _run(*there, "address", "add", f"{host}/32", "dev", "lo")
            yield other.pid
        finally:
            other.kill()
            other.wait(10)


@pytest.fixture(scope="module")
def rules(world: int, root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The firewall as the appliance writes it from SETTINGS, loaded by the image's nft; its text."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "casemate.toml").write_text(SETTINGS, encoding="utf-8")
    (folder / "password").write_text("secret\n", encoding="utf-8")
    words = [
        sys.executable,
        "-P",
        "-m",
        "appliance.cli",
        "network",
        "render",
        str(folder / "out"),
        "--units",
        str(folder / "units"),
    ]
    env = {**os.environ, "CASEMATE_HOME": str(folder), "CASEMATE_CONFIG": str(folder / "casemate.toml")}
    subprocess.run(words, env=env, check=True)
    text = (folder / "out/firewall.nft").read_text(encoding="utf-8")
    subprocess.run(["chroot", root, "nft", text], check=True)
    return text


def test_nobody_reaches_what_was_not_named(world: int, rules: str, root: Path) -> None:
    numbers = dict(line.split(":")[0:3:2] for line in (root / "etc/passwd").read_text(encoding="utf-8").splitlines())
    assert (len(USERS), len(PLACES)) == (20, 20)
    python = [sys.executable, "-m", "tests.hosts.callers"]
    other = subprocess.Popen(
        ["nsenter", f"--net=/proc/{world}/ns/net", *python, "listen", json.dumps(PLACES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    )
    assert other.stdin is not None
    assert other.stdout is not None
    try:
        assert other.stdout.readline() == "listening\n"
        knocking = [
            subprocess.Popen([*python, "knock", user, numbers[user], json.dumps(PLACES)], cwd=CHECKOUT)
            for user in USERS
        ]
        for one in knocking:
            assert one.wait(ARRIVE_S_MAX) == 0
        other.stdin.close()
        heard = {tuple(line.rstrip("\n").split(" ", 1)) for line in other.stdout}
    finally:
        other.kill()
        other.wait(10)
    assert heard - ALLOWED == set(), "forbidden destinations that were reached"
    assert heard == ALLOWED, "named destinations that were not"
    listed = subprocess.run(["chroot", root, "nft", "list", "ruleset"], capture_output=True, text=True, check=True)
    assert dropped(listed.stdout) >= len(USERS) * len(PLACES) - len(ALLOWED), "every drop is counted"
    words = ["chroot", root, "nft", "-j", "list", "sets", "table", "inet", "casemate"]
    sets = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    names = {int(number): name for name, number in numbers.items()}
    places = {(host, port, kind): name for name, host, port, kind in PLACES}
    told = {(row.user, places[row.address, row.port, row.transport]) for row in tried.listed(sets, names.__getitem__)}
    assert told == {(user, name) for user in USERS for name, *_ in PLACES} - ALLOWED, "who tried what is known"


def dropped(listed: str) -> int:
    """Packets that did not leave, as nft lists it."""
    counted = re.search(r"counter dropped_out \{\s*packets (\d+)", listed)
    assert counted is not None
    return int(counted[1])


def test_who_is_at_the_serial_console_pings_and_nobody_else_does(rules: str, root: Path) -> None:
    ping = ["ping", "-n", "-c", "1", "-W", "5", "198.51.100.1"]
    subprocess.run(["chroot", root, *ping], check=True, capture_output=True)
    for user in ("nobody", "casemate-gateway"):
        other = ["setpriv", f"--reuid={user}", "--inh-caps=+net_raw", "--ambient-caps=+net_raw", *ping]
        assert subprocess.run(["chroot", root, *other], check=False, capture_output=True).returncode


def test_whoever_takes_over_the_gateway_or_the_console_reaches_no_operator(rules: str) -> None:
    out = rules.split("chain output", 1)[1]
    for user in ("casemate-gateway", "casemate-console", "www-data", "casemate-keys", "casemate-door"):
        assert f"skuid {user} " not in out


def test_new_rules_replace_the_old_in_one_step(rules: str, root: Path, world: int) -> None:
    subprocess.run(["chroot", root, "nft", rules], check=True)
    listed = subprocess.run(
        ["chroot", root, "nft", "list", "ruleset"], capture_output=True, text=True, check=True
    ).stdout
    assert listed.count("table inet casemate") == 1
    assert listed.count("policy drop") == 3
    broken = rules.replace("policy drop;", "policy drop; nonsense", 1)
    refused = subprocess.run(["chroot", root, "nft", broken], check=False, capture_output=True)
    assert refused.returncode != 0
    after = subprocess.run(
        ["chroot", root, "nft", "list", "ruleset"], capture_output=True, text=True, check=True
    ).stdout
    assert after == listed


def _run(*words: str) -> None:
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)

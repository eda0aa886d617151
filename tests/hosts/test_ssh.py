"""SSH for a time, on the shipped root in a container: one key gets in, each connection is on the audit log, and when the time is over everything of it is gone."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

SECONDS = 90  # of being open; what is tried meanwhile takes some of them
OPEN = """
import sys
from pathlib import Path
from appliance.network import ssh
ssh.write(ssh.key_of(sys.argv[1]), int(sys.argv[2]), 1_900_000_000_000)
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("olga", "eve"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{name}@bank", "-f", str(folder / name)]
        subprocess.run(words, check=True)
    return folder


def entered(host: Any, key: Path, command: str) -> subprocess.CompletedProcess[str]:
    """By OpenSSH's client, in the container's network."""
    words = ["nsenter", "-t", host.backend.leader, "-n", "ssh", "-i", str(key), "-o", "IdentitiesOnly=yes"]
    words += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]
    words += ["-o", "ConnectTimeout=30", "root@127.0.0.1", command]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL)


def recorded(host: Any) -> list[str]:
    """What the audit log has of it, oldest first."""
    said = host.check_output("casemate audit entries --on box:ssh").splitlines()
    return [word for line in reversed(said) for word in line.split() if word.startswith("ssh.")]


def until(true: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.5)


def test_it_is_off(request: pytest.FixtureRequest, host: Any, keys: Path) -> None:
    if request.config.getoption("--box"):
        pytest.skip("on a box it is open: this is how it is asked")
    assert host.run("systemctl start casemate-ssh").rc == 0, "without a key there is nothing to start"
    assert host.check_output("systemctl show -P ActiveState casemate-ssh") == "inactive"
    assert entered(host, keys / "olga", "true").returncode == 255


def test_one_key_gets_in_for_a_time_and_it_is_on_the_record(host: Any, keys: Path) -> None:
    public = (keys / "olga.pub").read_text().strip()
    host.check_output("/usr/lib/casemate/bin/python3 -P -c %s %s %s", OPEN, public, str(SECONDS))
    host.check_output("systemctl start casemate-ssh")
    assert entered(host, keys / "eve", "true").returncode == 255, "another key"
    first = entered(host, keys / "olga", "id -u; getent passwd root; setsid sleep 4321 > /dev/null 2>&1 &")
    assert first.stdout.splitlines() == ["0", "root:x:0:0:root:/root:/bin/bash"], first.stderr
    assert "Authorised use only" in first.stderr
    assert host.check_output("getent passwd root").endswith("/usr/sbin/nologin"), "a shell there and nowhere else"
    assert host.run("pgrep -f 'sleep 432[1]'").rc == 0
    assert "tcp dport 22 " not in host.check_output("nft list table inet casemate"), "no network is named here"
    assert recorded(host) == ["ssh.entered"]
    until(lambda: host.run("systemctl is-active casemate-ssh").stdout.strip() == "inactive", SECONDS + 120)
    assert host.run("pgrep -f 'sleep 432[1]'").rc != 0, "what was started in it ends with it"
    assert entered(host, keys / "olga", "true").returncode == 255
    assert not host.file("/run/casemate-ssh").exists
    until(lambda: recorded(host) == ["ssh.entered", "ssh.closed"])


def test_without_the_audit_log_there_is_no_shell(host: Any, keys: Path) -> None:
    public = (keys / "olga.pub").read_text().strip()
    host.check_output("/usr/lib/casemate/bin/python3 -P -c %s %s %s", OPEN, public, "600")
    host.check_output("systemctl start casemate-ssh")
    host.check_output("systemctl stop casemate-auditor")
    try:
        done = entered(host, keys / "olga", "id -u")
        assert done.returncode == 1 and done.stdout == "" and "audit log does not take the entry" in done.stderr
    finally:
        host.check_output("systemctl start casemate-auditor")
        host.check_output("systemctl stop casemate-ssh")
    until(lambda: recorded(host)[-1] == "ssh.closed")


def test_following_the_settings_renders_only_what_changed(host: Any) -> None:
    """A look leaves the files alone; what it costs is told in the user's and system's seconds of bash(1), `times`."""

    def rendered() -> int:
        return int(host.check_output("stat -c %Y%i /run/casemate-site/firewall.nft"))

    def cost(how: str) -> float:
        line = host.check_output(f"bash -c '/usr/lib/casemate/libexec/casemate-follow {how}; times'").splitlines()[-1]
        return sum(float(m) * 60 + float(s) for m, s in re.findall(r"(\d+)m([\d.]+)s", line))

    host.check_output("systemctl start casemate-follow")
    before = rendered()
    looked = cost("")
    assert rendered() == before
    host.check_output("touch /var/lib/casemate/settings/casemate.toml")
    until(lambda: rendered() != before)
    print(f"looked: {looked * 1000:.0f} ms of a processor, rendered: {cost('now') * 1000:.0f} ms")

"""What the firewall drops on the shipped root in a container: counted for the metrics, and who tried what is on the audit log, once an hour each."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

WATCH = "systemctl start casemate-watch"
KNOCK = (
    "import socket, sys; s = socket.socket(); s.settimeout(0.5); s.connect_ex((sys.argv[1], 443)); "
    "u = socket.socket(type=socket.SOCK_DGRAM); u.connect((sys.argv[1], 53)); u.send(b'x')"
)


@pytest.fixture(scope="module")
def wire(request: pytest.FixtureRequest, host: Any) -> Iterator[None]:
    """A way out of the container that leads nowhere."""
    if request.config.getoption("--box"):
        pytest.skip("it would alarm the people of that box")
    inside = ["nsenter", "-t", host.backend.leader, "-n", "ip"]
    for words in (
        ("link", "add", "out", "type", "veth", "peer", "name", "nowhere"),
        ("address", "add", "10.99.0.2/24", "dev", "out"),
        ("link", "set", "nowhere", "up"),
        ("link", "set", "out", "up"),
        ("route", "add", "203.0.113.0/24", "via", "10.99.0.1"),
    ):
        subprocess.run([*inside, *words], check=True)
    yield
    subprocess.run([*inside, "link", "del", "out"], check=True)


def tried(host: Any) -> list[str]:
    host.check_output(WATCH)
    said = host.check_output("casemate audit entries --on process:gateway").splitlines()
    return [line for line in said if "network.tried" in line]


def dropped(host: Any) -> int:
    page = host.check_output(
        '/usr/lib/casemate/bin/python3 -P -c "import urllib.request as u; '
        "print(u.urlopen('http://127.0.0.1:8080/metrics').read().decode())\""
    )
    found = re.search(r'^casemate_dropped_packets_total\{way="out"\} (\d+)', page, re.M)
    return int(found[1]) if found else 0


def test_who_tries_what_nobody_named_is_on_the_audit_log_once(host: Any, wire: None) -> None:
    host.check_output(WATCH)
    before, counted = len(tried(host)), dropped(host)
    own = 'setpriv --reuid=casemate-gateway --regid=casemate --clear-groups /usr/lib/casemate/bin/python3 -P -c "%s" %s'
    for _ in range(2):
        host.run(own % (KNOCK, "203.0.113.77"))
        lines = tried(host)
    assert len(lines) == before + 2, lines
    assert all("203.0.113.77" in line for line in lines), lines
    assert dropped(host) >= counted + 2
    host.run(own % (KNOCK, "203.0.113.78"))
    assert len(tried(host)) == before + 4, "another place"

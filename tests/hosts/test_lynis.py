"""lynis(8) over the shipped root in a container: its score, and every suggestion that remains with the reason why it does.

Lynis comes from the tools of the build and is not in the image.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

INDEX_MIN = 65  # of 100, in a container; what it does not see there is with the reasons below
AUDIT = (
    "cd /tmp && lynis audit system --quick --quiet --no-colors --report-file /tmp/lynis.dat --logfile /tmp/lynis.log"
)
READ_ONLY = "the root is read-only and comes whole with a release: nothing is installed or updated on the box"
IN_CONTAINER = "not seen in a container; shown on the virtual machine (self-test in test_booted.py)"
NO_PASSWORDS = "nobody has a password on the box"

#: Test of lynis -> why its suggestion remains.
EXPLAINED = {
    "LYNIS": "lynis asks for a newer lynis",
    "DEB-0280": "nobody signs in through PAM; every unit has a /tmp of its own (PrivateTmp)",
    "DEB-0810": READ_ONLY,
    "DEB-0811": READ_ONLY,
    "DEB-0831": READ_ONLY,
    "DEB-0880": "no password is ever taken over the network; wrong sign-ins are slowed down by console, door and field console",
    "BOOT-5180": "lynis looks for runlevels of System V",
    "BOOT-5264": "Debian's own units: test_root.py holds the appliance's to 1.5",
    "AUTH-9262": NO_PASSWORDS,
    "AUTH-9328": "umask of units: 0007, by UMask=; login.defs says 027",
    "FILE-6310": IN_CONTAINER + "; /var is the state volume, /tmp in memory, and nobody has a home",
    "USB-1000": "USB storage carries settings, releases and backups: one mount point, nothing on it is run",
    "STRG-1846": "FireWire is blocked (roles/hardening)",
    "NAME-4028": "a domain is the site's to name",
    "NAME-4404": "the root is read-only; nothing asks for the box's own name",
    "NETW-3200": "protocols that nothing uses are blocked (roles/hardening)",
    "PKGS-7398": "the release holds a report by debsecan (python -m image build --vulnerabilities)",
    "PKGS-7420": READ_ONLY,
    "HTTP-6710": "TLS 1.3 alone: its cipher suites are all good, and no order of them is needed",
    "HTTP-6712": "requests would put numbers into a log; the audit log and metrics have what is needed",
    "HTTP-6714": "errors go to the journal",
    "LOGG-2154": "the audit log goes to the bank's SIEM (siem.target)",
    "ACCT-9622": "auditd has what is privileged; processes are a closed set",
    "ACCT-9626": "metrics are Prometheus's",
    "ACCT-9628": IN_CONTAINER,
    "CRYP-7902": "the register of certificates looks at every one and warns (casemate register)",
    "MACF-6208": IN_CONTAINER,
    "FINT-4350": "dm-verity checks every block that is read",
    "FILE-7524": "permissions that Debian gives to files which hold nothing secret",
    "KRNL-6000": IN_CONTAINER + "; what is not in sysctl.conf.j2 is off by another way: core dumps by |/bin/false",
    "KRNL-5820": "core dumps are off by kernel.core_pattern, systemd-coredump and LimitCORE=0",
    "HRDN-7230": "nothing comes onto the box that could be run: read-only verified root, noexec everywhere else",
}


@pytest.fixture(scope="module")
def report(request: pytest.FixtureRequest, host: Any) -> str:
    if request.config.getoption("--box"):
        pytest.skip("lynis is not on a box")
    host.run(AUDIT)
    return str(host.check_output("cat /tmp/lynis.dat"))


def test_the_score(report: str) -> None:
    found = re.search(r"^hardening_index=(\d+)", report, re.M)
    assert found is not None, report[:2000]
    print(f"lynis: {found[1]} of 100")
    assert int(found[1]) >= INDEX_MIN


def test_it_warns_of_nothing(report: str) -> None:
    assert re.findall(r"^warning\[\]=(.*)$", report, re.M) == []


def test_every_suggestion_is_explained(report: str) -> None:
    found = re.findall(r"^suggestion\[\]=([^|]+)\|([^|]*)", report, re.M)
    assert [f"{test}: {text}" for test, text in found if test not in EXPLAINED] == []

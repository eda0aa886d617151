"""The serial console on the shipped root in a container, over a terminal: what only the box itself has. Its journal, its units, and a backup that takes
the place of what it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from appliance.access import totp
from appliance.backup import generate
from appliance.clock import now_ms
from tests.hosts.conftest import BOOT_S_MAX, CHECKOUT
from tests.hosts.container import booted
from tests.hosts.releases import LIBRARY, UNITS
from tests.hosts.test_ssh import until

pytestmark = pytest.mark.timeout(1_800)
PASSWORD = "four words are enough here"
HOME = "/var/lib/casemate"
MEDIA = "/run/media/casemate"
SECONDS = 300
NAMES = "-m", "-u", "-i", "-n", "-p", "-C"


class Box:
    """A container, its log since the start, the bank's age key, and who is at the cable."""

    def __init__(self, host: Any, log: Path) -> None:
        self.host, self.log = host, log
        self.identity, recipient = generate()
        self.secret, self.used = b"", 0
        settings = (
            f'[firmware]\nserial = "SN-5"\n[backup]\nrecipients = ["{recipient}"]\n[console]\nsecond_factor = false\n'
        )
        host.check_output(f"printf '{settings}' >> {HOME}/settings/casemate.toml; mkdir -p {MEDIA}")

    def cable(self) -> pexpect.spawn[str]:
        words = ["-t", self.host.backend.leader, *NAMES, "/usr/bin/env", f"CASEMATE_HOME={HOME}", "TERM=vt100"]
        words += [f"CASEMATE_CONFIG={HOME}/settings/casemate.toml", "/usr/lib/casemate/bin/python3", "-P", "-m"]
        words += ["appliance.cli", "field"]
        self.heard = self.log.with_name("cable.log").open("a", encoding="ascii")
        return pexpect.spawn(
            "nsenter", words, dimensions=(24, 80), timeout=SECONDS, encoding="ascii", echo=False, logfile=self.heard
        )

    def code(self) -> str:
        until(lambda: now_ms() // 30_000 > self.used)
        self.used = now_ms() // 30_000
        return totp(self.secret, self.used)

    def menu(self) -> pexpect.spawn[str]:
        """Signed in; the first time the account is made."""
        cable = self.cable()
        told = [("name: ", "eve"), ("password: ", PASSWORD)]
        if not self.secret:
            (admin,) = set(re.findall(r"user admin, password (\S+)", self.log.read_text(errors="replace")))
            told = [("name: ", "new"), ("first start showed): ", ""), ("password of admin: ", admin)]
            told += [("name: ", "eve"), ("or more: ", PASSWORD), ("the same again: ", PASSWORD)]
        dialogue(cable, *told)
        cable.expect_exact("code of your telephone: ")
        if found := re.findall(r"^\s+((?:[A-Z2-7]{4}-?){8})\s*$", cable.before, re.M):
            import base64

            self.secret = base64.b32decode(found[0].replace("-", ""))
        cable.send(f"{self.code()}\r")
        cable.expect_exact("Sign out (out)")
        return cable


def dialogue(cable: pexpect.spawn[str], *told: tuple[str, str]) -> None:
    for prompt, typed in told:
        cable.expect_exact(prompt)
        cable.send(f"{typed}\r")


def back(cable: pexpect.spawn[str]) -> str:
    """What a page said, to the menu."""
    said = ""
    while True:
        more = cable.expect_exact(["Enter: more", "Enter: menu: "])
        said += cable.before
        cable.send("\r")
        if more == 1:
            cable.expect_exact("Sign out (out)")
            return said


@pytest.fixture(scope="module")
def box(request: pytest.FixtureRequest, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    log = tmp_path_factory.mktemp("container") / "console.log"
    more = {}
    if request.config.getoption("--overlay"):
        more = {CHECKOUT / name: f"/{LIBRARY}/{name}" for name in ("appliance", "firmware", "hsm")}
        units = CHECKOUT / "playbooks/roles/slots/files"
        more |= {units / name: f"/{UNITS}/{name}" for name in ("casemate-started.service",)}
    with booted(root, log, BOOT_S_MAX, more) as host:
        yield Box(host, log)


def test_the_journal_is_read_and_no_hint_needs_a_shell(box: Box) -> None:
    cable = box.menu()
    cable.send("logs\r")
    cable.expect_exact("to leave): ")
    assert "casemate-engine" in cable.before and "kernel" in cable.before
    cable.send("casemate-engine\r")
    dialogue(cable, ("(empty: all): ", ""))
    said = back(cable)
    assert re.search(r"^\d{4}-\d\d-\d\dT\S+ ", said, re.M)
    cable.send("slots\r")
    assert "this machine has no slots" in back(cable)
    cable.send("reach\r")
    dialogue(cable, ("to leave): ", "hardware"))
    assert "SoftHSM" in back(cable)
    cable.send("0\r")
    cable.expect(pexpect.EOF)


def test_a_backup_takes_the_place_of_what_the_box_holds(box: Box) -> None:
    """Written to the stick; then a person is made that the backup does not know; restored, the box works and knows of nobody but the backup's."""
    cable = box.menu()
    cable.send("backup\r")
    dialogue(cable, ("to leave): ", "write"))
    assert ".keys.age: " in back(cable)
    cable.send("accounts\r")
    dialogue(cable, ("to leave): ", "add"), ("name: ", "later"), ("viewer): ", "viewer"), ("password: ", PASSWORD))
    assert "shown once" in back(cable)
    cable.send("backup\r")
    dialogue(cable, ("to leave): ", "restore"), ("to leave): ", "1"), ("not shown): ", box.identity))
    dialogue(cable, ("type SN-5 to have it so: ", "SN-5"))
    said = back(cable)
    assert "takes its place at the next start" in said and box.identity not in said
    cable.send("0\r")
    cable.expect(pexpect.EOF)
    before = set(box.host.check_output(f"stat -c '%U %a %n' {HOME} {HOME}/*/ {HOME}/*.db").splitlines())
    box.host.check_output("systemctl stop casemate.target")
    until(lambda: "inactive" in box.host.run("systemctl is-active casemate-engine casemate-auditor").stdout, SECONDS)
    box.host.check_output("systemctl restart casemate-started && systemctl start casemate.target")
    until(lambda: box.host.run("casemate status").rc == 0, SECONDS)
    until(lambda: box.host.run("casemate firmware status").rc == 0, SECONDS)
    after = set(box.host.check_output(f"stat -c '%U %a %n' {HOME} {HOME}/*/ {HOME}/*.db").splitlines())
    assert {row for row in before - after if not row.endswith(("/recovery/", "/restored/"))} == set()
    cable = box.menu()
    cable.send("accounts\r")
    cable.expect_exact("to leave): ")
    assert "eve" in cable.before and "later" not in cable.before
    assert box.host.run(f"ls {HOME}/restored").rc != 0
    cable.close()
    entries = box.host.check_output("casemate audit entries --limit 50")
    assert entries.count("backup.restored") == 2, "on the log that was restored, with the session after it"

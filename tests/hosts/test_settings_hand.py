"""Settings that people approved in the console, on the shipped root in a container: the console may not write them, the box's own unit puts them into use, and
the processes start again with them.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

FILE = "/var/lib/casemate/settings/casemate.toml"
HOME = f"CASEMATE_HOME=/var/lib/casemate CASEMATE_CONFIG={FILE}"
CONSOLE = "setpriv --reuid=casemate-console --regid=casemate --clear-groups"
#: As the console does it; `approved` is whether the audit log has it.
ASKS = """
import sys
from pathlib import Path
from appliance.access import Access, digest_of, in_use, settings_due
from appliance.audit import BlockingRecorder
from appliance.clock import now_ms
from appliance.console.composing import with_value
from appliance.intercom import share
from appliance.settings import home_of, load
share(Path("/var/lib/casemate"))
settings, (value, approved) = load(home=home_of()), sys.argv[1:]
document = with_value(in_use(), "limits.requests_per_s", int(value))
if approved == "approved":
    BlockingRecorder(settings).record("console:sonja", "settings.approved", "settings:box", "ok", digest=digest_of(document))
number = Access(settings).add_settings(document, "console:anna", "console:sonja", now_ms())
settings_due.ask(settings.home, settings_due.Due(number, "console:anna"))
print(number)
"""
SAYS = f'{HOME} {CONSOLE} /usr/lib/casemate/bin/python3 -P -c "from appliance.access import settings_due; from appliance.settings import home_of; print(settings_due.told(home_of(), %d))"'
UNITS = ("keys", "auditor", "courier", "engine", "console")


def until(what: str, ask: Any, seconds: float = 300) -> Any:
    end = time.monotonic() + seconds
    while not (found := ask()):
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(1)
    return found


@pytest.fixture
def asks(request: pytest.FixtureRequest, host: Any) -> Any:
    """`asks(77, "approved")`: the number of the version that is asked for."""
    if request.config.getoption("--box"):
        pytest.skip("the settings of a box that works are not this test's")
    script = Path("/proc", host.backend.leader, "root", "tmp", "asks.py")
    script.write_text(ASKS, encoding="utf-8")
    script.chmod(0o644)
    host.check_output("systemctl start casemate-settings.path")

    def ask(value: int, approved: str) -> int:
        host.run("systemctl reset-failed casemate-settings.service")
        return int(
            host.check_output(f"env {HOME} {CONSOLE} /usr/lib/casemate/bin/python3 -P /tmp/asks.py {value} {approved}")
        )

    return ask


def said(host: Any, number: int) -> str:
    found: str = until(
        "a word of the unit", lambda: (told := host.check_output(f"env {SAYS % number}")) != "None" and f"={told}"
    )
    return found[1:]


def test_the_console_may_not_write_the_settings(host: Any, asks: Any) -> None:
    assert host.run(f"{CONSOLE} sh -c 'echo >> {FILE}'").rc != 0
    assert host.run(f"{CONSOLE} sh -c 'echo > {FILE}.new'").rc != 0


def test_what_the_audit_log_has_not_as_approved_stays_out(host: Any, asks: Any) -> None:
    number = asks(78, "unheard")
    assert "does not have that version" in said(host, number)
    assert "requests_per_s = 78" not in host.check_output(f"cat {FILE}")


def test_what_was_approved_is_put_into_use_and_the_processes_start_with_it(host: Any, asks: Any) -> None:
    before = {name: host.check_output(f"systemctl show -P MainPID casemate-{name}") for name in UNITS}
    number = asks(77, "approved")
    assert said(host, number) == "", host.run("journalctl -u casemate-settings").stdout
    assert "requests_per_s = 77" in host.check_output(f"cat {FILE}")
    assert host.check_output(f"stat -c '%U %G %a' {FILE}") == "root casemate 640"

    def again() -> bool:
        shown = [
            host.check_output(f"systemctl show -P MainPID -P ActiveState casemate-{name}").split() for name in UNITS
        ]
        return all(
            state == "active" and pid not in ("0", before[name])
            for name, (pid, state) in zip(UNITS, shown, strict=True)
        )

    until("the processes to have started again", again)
    entries = until(
        "the audit log",
        lambda: (found := host.run("casemate audit entries --what settings.applied")).rc == 0 and found.stdout,
    )
    assert "console:anna" in entries

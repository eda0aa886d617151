"""What the box says on its consoles when its processes have started or given up."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

WELCOME = Path(__file__).parents[3] / "playbooks/roles/network/templates/casemate-welcome.j2"


def unit(name: str, active: str, sub: str, restarts: int) -> str:
    """As `systemctl show` writes it, in its own order."""
    return f"NRestarts={restarts}\\nId={name}.service\\nActiveState={active}\\nSubState={sub}\\n"


@pytest.mark.parametrize(
    ("state", "runs"),
    [
        (("active", "running", 0), True),
        (("active", "running", 3), True),
        (("inactive", "dead", 0), True),
        (("activating", "start", 0), True),
        (("failed", "failed", 0), False),
        (("activating", "auto-restart", 1), False),
        (("activating", "auto-restart-queued", 1), False),
        (("activating", "start", 2), False),
    ],
)
def test_ready_is_said_when_everything_runs(tmp_path: Path, state: tuple[str, str, int], runs: bool) -> None:
    others = unit("casemate-keys", "active", "running", 0), unit("nginx", "active", "running", 0)
    shown_units = "\\n".join((others[0], unit("casemate-engine", *state), others[1]))
    stubs = tmp_path / "bin"
    stubs.mkdir()
    played = {
        "systemctl": f"printf '{shown_units}'",
        "casemate": "exit 0",
        "ip": "",
        "openssl": "",
        "python3": "echo '  OK  all'",
    }
    for name, does in played.items():
        (stubs / name).write_text(f"#!/bin/sh\n{does}\n")
        (stubs / name).chmod(0o755)
    (tmp_path / "run").mkdir()
    (tmp_path / "home/settings").mkdir(parents=True)
    (tmp_path / "home/settings/welcomed").touch()
    text = (
        WELCOME.read_text()
        .replace("{{ network_home }}", f"{tmp_path}/home")
        .replace("{{ network_prefix }}", str(tmp_path))
    )
    text = text.replace("/usr/bin/casemate", f"{stubs}/casemate").replace("/run/", f"{tmp_path}/run/")
    text = text.replace("/sys/class/tty/console/active", "/dev/null").replace("/dev/console", f"{tmp_path}/console")
    words = ["/bin/sh", "-c", text]
    subprocess.run(words, env={**os.environ, "PATH": f"{stubs}:{os.environ['PATH']}"}, check=True, timeout=60)
    shown = (tmp_path / "console").read_text().splitlines()
    assert shown[1].startswith("Casemate is ready. Version " if runs else "Casemate is not ready. Version ")
    assert max(map(len, shown)) < 80
    assert [line for line in shown if "does not run" in line] == ([] if runs else ["  does not run: casemate-engine"])
    assert ("  why: the logs of that name, menu 5 of the serial console" in shown) != runs

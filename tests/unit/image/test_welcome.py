"""What the box says on its consoles when its processes have started or given up."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

WELCOME = Path(__file__).parents[3] / "playbooks/roles/network/templates/casemate-welcome.j2"
FAILED = "casemate-engine.service loaded failed failed Casemate: engine\\n"


@pytest.mark.parametrize(
    ("failed", "said"), [("", "Casemate is ready. Version "), (FAILED, "Casemate is not ready. Version ")]
)
def test_ready_is_said_when_everything_runs(tmp_path: Path, failed: str, said: str) -> None:
    stubs = tmp_path / "bin"
    stubs.mkdir()
    played = {
        "systemctl": f"printf '{failed}'",
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
    assert shown[1].startswith(said) and max(map(len, shown)) < 80
    assert ("  does not run: casemate-engine" in shown) == bool(failed)
    assert ("  why: the logs of that name, menu 5 of the serial console" in shown) == bool(failed)

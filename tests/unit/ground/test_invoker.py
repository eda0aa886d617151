"""Who ran a command: what the kernel says, whatever the environment does."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from appliance import invoker

ME = pwd.getpwuid(os.getuid()).pw_name
NOBODY = pwd.getpwnam("nobody").pw_uid
UNKNOWN = 3_999_999_999


@pytest.mark.parametrize(
    ("login", "who"),
    [
        (str(NOBODY), "cli:nobody"),  # logged in, and then perhaps `sudo`
        (str(invoker.UNSET), f"cli:{ME}"),
        ("", f"cli:{ME}"),
        (None, f"cli:{ME}"),  # a kernel without it
        (str(UNKNOWN), f"cli:uid-{UNKNOWN}"),
    ],
)
def test_who_is_at_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, login: str | None, who: str) -> None:
    path = tmp_path / "loginuid"
    if login is not None:
        path.write_text(login)
    monkeypatch.setattr(invoker, "LOGIN", path)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.setenv(name, "somebody-else")
    assert invoker.at_command() == who


def test_nothing_asks_the_environment_who_somebody_is() -> None:
    sources = Path(invoker.__file__).parent.rglob("*.py")
    assert [str(path) for path in sources if "getuser" in path.read_text(encoding="utf-8")] == []

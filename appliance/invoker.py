"""Who runs a command, as the audit log names them: `cli:USER`, by what the kernel knows, never by the environment, which anybody sets."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Final

#: The account that logged in; su and sudo keep it (proc(5), pam_loginuid(8)).
LOGIN: Final = Path("/proc/self/loginuid")
UNSET: Final = 2**32 - 1  # nobody logged in: a service, a container


def at_command() -> str:
    """Who is at this command: who logged in, also behind sudo; else the user of the process."""
    return named(_logged_in())


def named(uid: int) -> str:
    """`cli:USER` of a user of this box, also of who is at the other end of a socket; `cli:uid-N` of one without an account."""
    try:
        return f"cli:{pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"cli:uid-{uid}"


def _logged_in() -> int:
    try:
        uid = int(LOGIN.read_text())
    except (OSError, ValueError):  # not this kernel's
        return os.getuid()
    return os.getuid() if uid == UNSET else uid

"""The programs of the box that the serial console runs: a closed table, each with fixed words. No shell, and nothing typed becomes an option."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Final

from appliance.errors import Error

_JOURNAL: Final = ("--quiet", "--no-pager", "--output=short-iso", "--no-hostname", "--lines=4000")
#: What -> (program, words before what was typed, seconds it may take). Nothing else is ever run.
PROGRAMS: Final[dict[str, tuple[str, tuple[str, ...], float]]] = {
    "ping": ("ping", ("-n", "-c", "3", "-W", "2", "--"), 12.0),
    "trace": ("tracepath", ("-n", "-m", "15", "--"), 60.0),
    "cards": ("ip", ("-br", "link", "show"), 5.0),
    "addresses": ("ip", ("-br", "address", "show"), 5.0),
    "routes": ("ip", ("route", "show"), 5.0),
    "counters": ("ip", ("-s", "link", "show", "dev"), 5.0),
    "clock": ("chronyc", ("-n", "tracking"), 5.0),
    "reload": ("networkctl", ("reload",), 10.0),
    "later": ("systemd-run", ("--collect", "--unit=casemate-network-due"), 10.0),
    "ssh open": ("systemctl", ("start", "casemate-ssh.service"), 180.0),
    "ssh close": ("systemctl", ("stop", "casemate-ssh.service"), 60.0),
    "ssh": ("systemctl", ("is-active", "casemate-ssh.service"), 10.0),
    "line": ("systemctl", ("start", "--no-block", "--"), 10.0),
    "lines again": ("systemctl", ("try-restart", "--no-block", "casemate-field@*.service"), 10.0),
    "units": ("journalctl", ("--quiet", "--no-pager", "--field=_SYSTEMD_UNIT"), 10.0),
    "unit": ("journalctl", (*_JOURNAL, "--unit"), 20.0),
    "kernel": ("journalctl", (*_JOURNAL, "--dmesg"), 20.0),
    "warnings": ("journalctl", (*_JOURNAL, "--priority=warning"), 20.0),
    "erase": ("cryptsetup", ("luksErase", "--batch-mode"), 30.0),
}
#: The package that brings a program, for who builds the image.
BRINGS: Final = {"tracepath": "iputils-tracepath", "chronyc": "chrony", "ping": "iputils-ping", "ip": "iproute2"}
_HOST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,252}")
_CARD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
LINES_MAX: Final = 200


def host(text: str) -> str:
    """A name or an address. Raises Error `invalid`."""
    if not _HOST.fullmatch(text.strip()):
        raise Error("invalid", "that is no name and no address", "write it like 10.20.0.1 or smsc.example.net")
    return text.strip()


def card(text: str) -> str:
    """A network card's name. Raises Error `invalid`."""
    if not _CARD.fullmatch(text.strip()):
        raise Error("invalid", "that is no network card", "the list of cards shows them")
    return text.strip()


def ran(what: str, *more: str, lines_max: int = LINES_MAX) -> list[str]:
    """What it said, in lines. `more` is of a closed list or checked by `host` and `card`. Raises Error `not_found` where the program is not, `peer_unavailable` when it did not end."""
    program, words, seconds = PROGRAMS[what]
    path = shutil.which(program)
    if path is None:
        hint = (
            f"the appliance image has it (package {BRINGS[program]})"
            if program in BRINGS
            else "the appliance image has it"
        )
        raise Error("not_found", f"{program} is not on this machine", hint)
    try:
        ended = subprocess.run(
            [path, *words, *more], capture_output=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL
        )
        said = ended.stdout + ended.stderr
    except subprocess.TimeoutExpired as e:
        said = (e.stdout or b"") + b"\n(no end after " + str(int(seconds)).encode() + b" s)"
    return said.decode("utf-8", "replace").splitlines()[:lines_max]

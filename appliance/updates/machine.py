"""What this machine says of itself (DMI, kernel line), and the hands that restart it and that have something done by a process apart."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from appliance import __version__
from appliance.clock import monotonic_s
from appliance.errors import Error

SYSTEMCTL_S_MAX: Final = 30.0
_PLACEHOLDERS: Final = frozenset(
    {"", "none", "default string", "to be filled by o.e.m.", "not specified", "system serial number", "0"}
)


class Machine:
    """Read from sysfs and procfs under `root`; nothing is cached. A value that a vendor left blank is ""."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    def text(self, path: str) -> str:
        """One line of a small file, "" when it cannot be read."""
        try:
            found = (self.root / path).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""
        return "" if found.casefold() in _PLACEHOLDERS else found[:200]

    def dmi(self, name: str) -> str:
        return self.text(f"sys/class/dmi/id/{name}")

    @property
    def serial(self) -> str:
        return self.dmi("product_serial") or self.dmi("chassis_serial") or self.text("etc/machine-id")[:12]

    @property
    def hardware(self) -> str:
        """`x86_64-uefi-VENDOR-PRODUCT`: what the patterns of a release are compared with."""
        firmware = "uefi" if (self.root / "sys/firmware/efi").exists() else "bios"
        words = ["x86_64", firmware, self.dmi("sys_vendor") or "unknown", self.dmi("product_name") or "unknown"]
        return "-".join(re.sub(r"[^a-z0-9_]+", "_", word.casefold()).strip("_") or "unknown" for word in words)

    @property
    def version(self) -> str:
        return __version__

    @property
    def root_hash(self) -> str:
        """Of the running root file system, from the kernel's line; "" where there is none."""
        found = re.search(r"(?:^|\s)roothash=([0-9a-f]{64})(?:\s|$)", self.text_whole("proc/cmdline"))
        return found[1] if found else ""

    def text_whole(self, path: str) -> str:
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    @property
    def secure_boot(self) -> bool | None:
        """Whether the firmware checks what it starts; None where there is no UEFI."""
        try:
            octets = next((self.root / "sys/firmware/efi/efivars").glob("SecureBoot-*")).read_bytes()
        except (OSError, StopIteration):
            return None
        return octets[-1:] == b"\x01"

    @property
    def tpm(self) -> str:
        """`2.0`, `1.2` or "" for none."""
        major = self.text("sys/class/tpm/tpm0/tpm_version_major")
        return {"2": "2.0", "1": "1.2"}.get(major, "")


def restart(off: bool = False) -> None:
    """Restarts the machine, or switches it off. Raises Error `forbidden` where systemd does not take it from us."""
    word = "poweroff" if off else "reboot"
    try:
        subprocess.run(["systemctl", word], check=True, capture_output=True, timeout=SYSTEMCTL_S_MAX)
    except (OSError, subprocess.SubprocessError):
        raise Error(
            "forbidden", f"this machine does not {word} for us", "on the box: the serial console; else the power button"
        ) from None


def apart(act: Callable[[], bytes], octets_max: int, seconds_max: float) -> bytes:
    """What `act` gave in a child of its own; empty when the child died, said too much, or did not end in time. For a process without threads."""
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()  # what it starts ends with it
            os.close(source)
            os.write(sink, act()[:octets_max])
        finally:
            os._exit(0)
    os.close(sink)
    said, until = b"", monotonic_s() + seconds_max
    try:
        while (left := until - monotonic_s()) > 0:
            if select.select([source], [], [], min(left, 60.0))[0]:
                piece = os.read(source, octets_max)
                if not piece or len(said) > octets_max:
                    break
                said += piece
        else:
            said = b""
    finally:
        try:
            os.killpg(child, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(child, 0)
        os.close(source)
    return said if len(said) <= octets_max else b""


def begun(*words: str) -> None:
    """A command of this program, in a process of its own that nobody waits for."""
    subprocess.Popen(
        [sys.executable, "-P", "-m", "appliance.cli", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

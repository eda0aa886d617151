"""What this machine says of itself (DMI, kernel line), and the hand that restarts it or switches it off."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

from appliance import __version__
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

"""The programs that do the work on the state volume: systemd-repart, systemd-cryptsetup, systemd-cryptenroll, cryptsetup. One function each, no decisions.

A recovery key goes to them through a pipe or the environment, never as an argument.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from appliance.errors import Error

DEFINITIONS: Final = "/usr/lib/casemate/repart.d"
PUBLIC_KEY: Final = (
    "/run/systemd/tpm2-pcr-public-key.pem"  # of who signs kernels, from the running one (systemd-stub(7))
)
#: PCR 7: which keys the firmware trusts, and that it asks for them. PCR 11: any kernel that the release key signed for this moment of a start.
SEAL: Final = ("--tpm2-pcrs=7", f"--tpm2-public-key={PUBLIC_KEY}", "--tpm2-public-key-pcrs=11")
OPEN_OPTIONS: Final = "luks,tpm2-device=auto,tpm2-measure-pcr=yes,headless=yes,tries=1,discard"
KEY: Final = re.compile(
    r"\b(?:[cbdefghijklnrtuv]{8}-){7}[cbdefghijklnrtuv]{8}\b"
)  # systemd-cryptenroll(1): 256 bits as modhex
MINUTES: Final = 60
LIVE: Final = Path("/run/casemate-live")  # there only when state is in memory


def named(disk: str) -> dict[str, int]:
    """Name -> number of the partitions in a disk's table (GPT), as it is on the disk now."""
    lines = _run(["partx", "--raw", "--noheadings", "--output", "NR,NAME", disk], MINUTES).splitlines()
    words = [line.split(" ", 1) for line in lines]
    return {row[1]: int(row[0]) for row in words if len(row) == 2}


def make(disk: str) -> None:
    """Adds the partitions that the disk lacks, the state volume sealed to the TPM; what is there is never written."""
    _run(["systemd-repart", "--dry-run=no", f"--definitions={DEFINITIONS}", *SEAL, disk], 15 * MINUTES)


def live(name: str) -> None:
    """A volume of that name in memory, as large as half of it, under a random key: for a start from an installation's medium."""
    LIVE.mkdir(mode=0o755, exist_ok=True)
    _run(["mount", "-t", "tmpfs", "-o", "size=50%,mode=0700,nosuid,nodev,noexec", "tmpfs", str(LIVE)], MINUTES)
    octets = os.statvfs(LIVE).f_frsize * os.statvfs(LIVE).f_blocks
    with (LIVE / "state").open("wb") as file:
        file.truncate(octets * 9 // 10 >> 20 << 20)
    device = _run(["losetup", "--find", "--show", str(LIVE / "state")], MINUTES).strip()
    words = [
        "cryptsetup",
        "open",
        "--type",
        "plain",
        "--cipher",
        "aes-xts-plain64",
        "--key-size",
        "512",
        "--key-file",
        "/dev/urandom",
    ]
    _run([*words, device, name], 5 * MINUTES)
    _run(["mkfs.ext4", "-q", f"/dev/mapper/{name}"], 5 * MINUTES)


def open_by_tpm(device: str, name: str) -> None:
    _run(["systemd-cryptsetup", "attach", name, device, "-", OPEN_OPTIONS], 5 * MINUTES)


def open_by_key(device: str, name: str, key: str) -> None:
    words = [
        "cryptsetup",
        "open",
        "--type",
        "luks2",
        "--allow-discards",
        "--tries",
        "1",
        "--key-file",
        "-",
        device,
        name,
    ]
    _run(words, 5 * MINUTES, said=key)


def ask(text: str) -> str:
    """What a person types on screen or serial line; waits as long as it takes."""
    words = ["systemd-ask-password", "--timeout=0", "--id=casemate-recovery", "--emoji=no", text]
    return _run(words, None).strip()


def bind(device: str, key: str) -> None:
    """Seals the volume to the TPM as it is now, in place of what was sealed before.

    In two steps: systemd-cryptenroll knows a seal by its policy, not by its TPM. Another TPM's over the same PCRs would count as this one's, and nothing be done.
    """
    _run(["systemd-cryptenroll", "--wipe-slot=tpm2", device], 5 * MINUTES)
    _run(["systemd-cryptenroll", "--tpm2-device=auto", *SEAL, device], 5 * MINUTES, env={"PASSWORD": key})


def new_recovery_key(
    device: str, unlock: Sequence[str] = ("--unlock-tpm2-device=auto",), env: dict[str, str] | None = None
) -> str:
    """Enrols a recovery key in place of any before; gives it. Raises Error `key_missing` when the program shows none."""
    said = _run(
        ["systemd-cryptenroll", *unlock, "--wipe-slot=recovery", "--recovery-key", device], 5 * MINUTES, env=env
    )
    found = KEY.search(said)
    if found is None:
        raise Error("key_missing", "systemd-cryptenroll showed no recovery key", "see the journal of this start")
    return found[0]


def settle() -> None:
    """Waits until the devices of new partitions are there."""
    _run(["udevadm", "settle", "--timeout=120"], 3 * MINUTES)


def _run(words: Sequence[str], seconds: float | None, *, said: str = "", env: dict[str, str] | None = None) -> str:
    """What a program printed. Raises Error `internal` with the end of its complaint; its arguments hold no secret."""
    plain = {"PATH": "/usr/sbin:/usr/bin", "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "HOME": "/", "TMPDIR": "/run"}
    if "CREDENTIALS_DIRECTORY" in os.environ:
        plain["CREDENTIALS_DIRECTORY"] = os.environ["CREDENTIALS_DIRECTORY"]
    try:
        done = subprocess.run(
            list(words),
            input=said,
            capture_output=True,
            text=True,
            timeout=seconds,
            env={**plain, **(env or {})},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Error("internal", f"{words[0]}: {type(e).__name__}", "see the journal of this start") from None
    if done.returncode:
        complaint = " / ".join(done.stderr.split("\n")[-4:]).strip(" /")
        raise Error(
            "internal", f"{words[0]} ended with {done.returncode}: {complaint[-600:]}", "see the journal of this start"
        )
    return done.stdout

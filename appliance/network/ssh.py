"""SSH for a time: one key of a person, one stretch of minutes, the networks of the settings. Everything that opens it lies in /run and is gone after a restart.

The keys are read from files that only root may write: the administrators' of the site file, or one on a stick. `keys_of` is pure.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from appliance.errors import Error
from appliance.limits import SSH_KEYS_MAX

OPEN: Final = Path("/run/casemate-ssh")  # the folder that casemate-ssh.service reads
HOST_KEY: Final = Path("/var/lib/casemate-ssh/ed25519.pub")
LISTED: Final = "ssh_keys"  # beside the settings file
PORT: Final = 22
CLOSED: Final = "closed"
#: Signatures that are worth taking today (RFC 8709, RFC 5656, OpenSSH PROTOCOL.u2f); RSA is left to the past.
KINDS: Final = (
    *("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    *("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"),
)
_LINE: Final = re.compile(r"([a-z0-9@.-]+) ([A-Za-z0-9+/]{40,1000}={0,2})(?: ([\w@.-]{1,60}))?", re.ASCII)
HINT: Final = "a line of a .pub file as ssh-keygen writes it: TYPE BASE64 NAME, Ed25519 or ECDSA, without options"


class Key(NamedTuple):
    """One public key: what OpenSSH reads, and the name that its owner gave it."""

    kind: str
    text: str  # base64
    name: str

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(base64.b64decode(self.text)).digest()

    @property
    def shown(self) -> str:
        """As `ssh-keygen -l` shows it."""
        return f"SHA256:{base64.b64encode(self.digest).decode().rstrip('=')}"


def key_of(line: str) -> Key:
    """A line of an authorized_keys file without options (sshd(8)). Raises Error `invalid`."""
    found = _LINE.fullmatch(line.strip())
    if found is None or found[1] not in KINDS:
        raise Error("invalid", "that is no SSH key that is taken here", HINT)
    try:
        octets = base64.b64decode(found[2], validate=True)
    except binascii.Error:
        raise Error("invalid", "the SSH key is damaged", HINT) from None
    kind = found[1].encode()
    if (
        octets[: 4 + len(kind)] != len(kind).to_bytes(4, "big") + kind
    ):  # RFC 4253 section 6.6: the blob names its type again
        raise Error("invalid", "the SSH key is damaged: it is not of the type that it names", HINT)
    return Key(found[1], found[2], found[3] or "")


def keys_of(text: str) -> list[Key]:
    """The keys of a file, a line each; empty lines and comments are passed over. Raises Error `invalid`."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) > SSH_KEYS_MAX:
        raise Error("too_large", "there are too many SSH keys in the file", most=SSH_KEYS_MAX)
    return [key_of(line) for line in lines]


def with_a_shell(passwd: str) -> str:
    """The list of users as a session by SSH sees it: root has a shell there and nowhere else."""
    return re.sub(r"^(root:(?:[^:\n]*:){5})[^:\n]*$", r"\1/bin/bash", passwd, flags=re.M)


def unlocked(shadow: str) -> str:
    """The list of passwords as sshd sees it: root has none (`*`), but the account is not locked (`!`), which would shut out keys, too (sshd(8))."""
    return re.sub(r"^root:[^:\n]*:", "root:*:", shadow, flags=re.M)


def is_open(folder: Path = OPEN) -> bool:
    return (folder / "keys").exists()


def until_ms(folder: Path = OPEN) -> int:
    """When it ends (Unix milliseconds); 0 when it is not open."""
    try:
        return int((folder / "until").read_text(encoding="ascii")) if is_open(folder) else 0
    except (OSError, ValueError):
        return 0


def write(key: Key, seconds: int, ends_ms: int, folder: Path = OPEN, etc: Path = Path("/etc")) -> None:
    """What the unit reads; the key last, for where it is, everything is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    files = {
        "seconds": f"SECONDS_OPEN={seconds}\n",
        "until": f"{ends_ms}\n",
        "passwd": with_a_shell((etc / "passwd").read_text(encoding="utf-8")),
        "shadow": unlocked((etc / "shadow").read_text(encoding="utf-8")),
        "keys": f"{key.kind} {key.text} {key.name}\n",
    }
    (folder / CLOSED).unlink(missing_ok=True)
    for name, text in files.items():
        mode = 0o644 if name == "passwd" else 0o600
        handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)  # whatever the console's umask: every user reads the list of users
            file.write(text)


def closing(folder: Path = OPEN) -> None:
    """Says that a person closes it, and records it himself."""
    (folder / CLOSED).touch()


def by_a_person(folder: Path = OPEN) -> bool:
    return (folder / CLOSED).exists()


def host_key(path: Path = HOST_KEY) -> str:
    """How the box shows itself to who connects, "" before the first time."""
    try:
        return key_of(path.read_text(encoding="ascii")).shown
    except (OSError, Error):
        return ""

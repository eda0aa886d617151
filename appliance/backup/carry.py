"""Carrying a backup to the bank's SFTP server with OpenSSH's own client: its host key pinned by the settings, nothing asked, nothing else sent."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from appliance.errors import Error

from .bucket import Bucket, bucket_of

SSH_PORT: Final = 22
CARRY_S_MAX: Final = 6 * 3600  # a night
TARGET: Final = re.compile(r"sftp://([a-z_][a-z0-9_.-]*)@(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?(/[\w./-]*)")
HOST_KEY: Final = re.compile(r"(ssh-ed25519|ecdsa-sha2-nistp(?:256|384|521)|ssh-rsa) [A-Za-z0-9+/]+={0,2}")


@dataclass(frozen=True)
class Target:
    """Where backups go."""

    user: str
    host: str
    port: int
    folder: str

    @property
    def place(self) -> str:
        return f"{self.host}{self.folder}"


def target_of(text: str) -> Target:
    """`sftp://USER@HOST[:PORT]/FOLDER`. Raises Error `settings_invalid`."""
    m = TARGET.fullmatch(text)
    if m is None or ".." in m[4] or not 0 < int(m[3] or SSH_PORT) < 65_536:
        raise Error(
            "settings_invalid",
            "backup.target is not sftp://USER@HOST[:PORT]/FOLDER",
            "letters, digits, . _ - / in the folder; or s3://HOST[:PORT]/BUCKET[/FOLDER]",
        )
    return Target(m[1], m[2].strip("[]"), int(m[3] or SSH_PORT), m[4])


def place_of(text: str) -> Target | Bucket:
    """Either kind of target. Raises Error `settings_invalid`."""
    return bucket_of(text) if text.startswith("s3://") else target_of(text)


def carry(paths: list[Path], target: Target, key: Path, host_key: str, program: tuple[str, ...] = ("sftp",)) -> None:
    """Puts files there under a name that says it is not whole, then renames them. Raises Error `peer_unavailable` with what the client said."""
    if HOST_KEY.fullmatch(host_key) is None:
        raise Error(
            "settings_invalid",
            "backup.sftp_host_key is not TYPE BASE64",
            "take it from the server itself: ssh-keyscan HOST",
        )
    with tempfile.TemporaryDirectory(prefix="carry-", dir=paths[0].parent) as folder:
        known, batch = Path(folder, "known"), Path(folder, "batch")
        name = target.host if target.port == SSH_PORT else f"[{target.host}]:{target.port}"
        known.write_text(f"{name} {host_key}\n", encoding="ascii")
        lines = []
        for path in paths:
            place = f"{target.folder.rstrip('/')}/{path.name}"
            lines += [f'put "{path}" "{place}.part"', f'rename "{place}.part" "{place}"']
        batch.write_text("\n".join([*lines, ""]), encoding="utf-8")
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": known,
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "ConnectTimeout": 30,
            "ServerAliveInterval": 30,
        }
        words = [*program, "-F", "/dev/null", "-b", str(batch), "-P", str(target.port), "-i", str(key)]
        words += [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        try:
            done = subprocess.run(
                [*words, f"{target.user}@{target.host}"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=CARRY_S_MAX,
                check=False,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            )
        except (OSError, subprocess.TimeoutExpired) as e:
            raise Error("peer_unavailable", f"sftp: {type(e).__name__}", "is the target there?") from None
        if done.returncode:
            why = " / ".join(done.stderr.strip().splitlines()[-2:])[:300]
            raise Error(
                "peer_unavailable",
                f"the target did not take the backup: {why}",
                "try it with the same key and host key by hand",
            )

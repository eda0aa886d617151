"""Making a backup: a consistent copy of every store and what lies beside it, as tar inside age. Two archives, because they have different lives.

`state` may be kept as long as the bank likes: what it holds of customers is sealed under keys that are not in it. `keys` holds the wrapped keys
and must be gone when the shortest promise of erasure ends: a destroyed key that a backup still holds is not destroyed. Neither is of use without the HSM.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

from appliance.clock import rfc3339
from appliance.errors import Error
from appliance.store import snapshot

from . import age

STATE: Final = "state"
KEYS: Final = "keys"
FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
#: First part of a path below the state folder that is not copied, and why.
LEFT_OUT: Final[dict[str, str]] = {
    "demo.env": "says where the demo of this moment is",
    "run": "sockets and what is made anew at each start",
    "log": "no state",
    "export": "what the console packs and removes",
    "backup": "backups themselves",
    "hsm": "the token: it has a way of its own out of the box, or none",
    "recovery": "the recovery key of this box's own disk",
}
#: Copied after everything else: the log then holds the entry of whatever else was copied.
LAST: Final = "audit/audit.db"


@dataclass(frozen=True)
class Made:
    """One archive. `sha256` is of the file as it lies there; what the audit log holds of it."""

    path: Path
    kind: str
    sha256: str
    octets: int
    files: int


def chosen(home: Path, kind: str) -> list[Path]:
    """The files of an archive below `home`, in the order they are copied. Logs and locks of SQLite are in its stores' copies."""
    out = []
    for folder, folders, files in os.walk(home):
        at = Path(folder).relative_to(home)
        if at == Path():
            folders[:] = [name for name in folders if name not in LEFT_OUT and (name == KEYS) == (kind == KEYS)]
            files = [] if kind == KEYS else [name for name in files if name not in LEFT_OUT]
        for name in files:
            path = at / name
            if (
                path.suffix in (".db-wal", ".db-shm", ".new")
                or (home / path).is_symlink()
                or not (home / path).is_file()
            ):
                continue
            out.append(path)
    order = {LAST: 2, "audit/log/checkpoint": 0}  # a checkpoint before its tiles: they only grow
    return sorted(out, key=lambda path: (order.get(path.as_posix(), 1), path))


class _Counting(io.RawIOBase):
    """Passes on what is written, with its digest and length."""

    def __init__(self, out: IO[bytes]) -> None:
        super().__init__()
        self.out, self.digest, self.octets = out, hashlib.sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, octets: Any) -> int:
        self.digest.update(octets)
        self.octets += len(octets)
        return self.out.write(octets)


def create(
    home: Path,
    into: Path,
    kind: str,
    recipients: list[str],
    at_ms: int,
    seen: Callable[[str, int, int], None] = lambda *_: None,
) -> Made:
    """Writes `casemate-TIME.KIND.age` into a folder, whole or not at all. `seen` is told name, number and count of each file.

    Raises Error `settings_invalid`, `store_full`, `store_damaged`.
    """
    if not recipients:
        raise Error(
            "settings_invalid",
            "backup.recipients is empty",
            "name at least one age public key; `casemate backup key` makes a pair",
        )
    keys = [age.recipient(text) for text in recipients]
    stamp = rfc3339(at_ms)[:19].replace(":", "").replace("-", "")
    path = into / f"casemate-{stamp}Z.{kind}.age"
    fresh = path.with_suffix(".new")
    try:
        into.mkdir(mode=0o770, parents=True, exist_ok=True)
        with fresh.open("xb") as file:
            counting = _Counting(file)
            with age.Writer(cast(IO[bytes], counting), keys) as sealed:
                count = _packed(home, kind, at_ms, cast(IO[bytes], sealed), into, seen)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as e:
        raise Error(
            "store_full", f"the backup cannot be written: {e.strerror}", "look at the target's free space and owner"
        ) from None
    finally:
        fresh.unlink(missing_ok=True)
    return Made(path, kind, counting.digest.hexdigest(), counting.octets, count)


def _packed(
    home: Path, kind: str, at_ms: int, out: IO[bytes], scratch: Path, seen: Callable[[str, int, int], None]
) -> int:
    """Every chosen file as tar, the list of their digests last. How many files."""
    files = chosen(home, kind)
    listed: dict[str, str] = {}
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for number, name in enumerate(files, 1):
            seen(name.as_posix(), number, len(files))
            for source in _source(home / name, scratch):
                with source.open("rb") as file:
                    listed[name.as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
                tar.add(source, arcname=name.as_posix(), filter=_anonymous)
        text = json.dumps(
            {"format": FORMAT, "kind": kind, "at": rfc3339(at_ms), "files": listed}, sort_keys=True
        ).encode()
        member = tarfile.TarInfo(MANIFEST)
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    return len(listed)


def _source(path: Path, scratch: Path) -> Iterator[Path]:
    """What is packed for a file: itself, or one moment of a store. Nothing for one that went meanwhile, as a day that was erased."""
    if path.suffix != ".db":
        if path.exists():
            yield path
        return
    with tempfile.TemporaryDirectory(prefix="snapshot-", dir=scratch) as folder:
        copy = Path(folder, path.name)
        try:
            snapshot(path, copy)
        except Error as e:
            if e.code != "not_found":
                raise
            return
        yield copy


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o660
    return member

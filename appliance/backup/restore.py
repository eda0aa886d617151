"""The way back: unpacking a backup into an empty state folder, and the drill that does so beside a box that works and says what it found."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from appliance.audit import Outbox
from appliance.errors import Error
from appliance.store import open_store, sound

from .age import Reader
from .archive import FORMAT, LEFT_OUT, MANIFEST

MEMBER_OCTETS_MAX: Final = 1 << 40
MANIFEST_OCTETS_MAX: Final = 1 << 26


@dataclass(frozen=True)
class Restored:
    """What came out of an archive. `wrong`: a line for each file that is not as it was packed, or does not open."""

    kind: str
    at: str
    files: int
    octets: int
    stores: int
    wrong: tuple[str, ...]


def restore(
    source: IO[bytes], key: X25519PrivateKey, into: Path, seen: Callable[[str], None] = lambda _: None
) -> Restored:
    """Unpacks one archive below `into` and checks every file against the archive's own list and every store with SQLite.

    Refuses to write over anything. Raises Error `file_invalid` for an archive that is not whole; what was unpacked by then is left for a look.
    """
    said: dict[str, Any] = {}
    found: dict[str, str] = {}
    octets = 0
    plain = cast(IO[bytes], Reader(source, key))
    try:
        with tarfile.open(fileobj=plain, mode="r|") as tar:
            for member in tar:
                seen(member.name)
                body = tar.extractfile(member)
                if body is None or said:
                    raise Error("file_invalid", f"{member.name} does not belong in a backup", "take another backup")
                if member.name == MANIFEST:
                    said = json.loads(body.read(MANIFEST_OCTETS_MAX))
                    continue
                found[member.name] = _written(body, _place(into, member.name))
                octets += member.size
    except (tarfile.TarError, ValueError) as e:
        raise Error("file_invalid", f"the backup cannot be unpacked: {e}", "take another copy of it") from None
    if said.get("format") != FORMAT or not isinstance(said.get("files"), dict):
        raise Error("file_invalid", "the backup has no list of its files: it was cut off", "take another copy of it")
    listed: dict[str, str] = said["files"]
    wrong = [
        f"{name}: not as it was packed"
        for name in sorted(listed.keys() | found.keys())
        if listed.get(name) != found.get(name)
    ]
    stores = [name for name in sorted(found) if name.endswith(".db")]
    wrong += [f"{name}: {why}" for name in stores if (why := sound(into / name))]
    if not wrong:
        for name in stores:
            _begin_outbox_anew(into / name)
    return Restored(str(said["kind"]), str(said["at"]), len(found), octets, len(stores), tuple(wrong))


def _begin_outbox_anew(path: Path) -> None:
    """What the store told the auditor after the copy was made is in the log: its numbers are not used again."""
    conn = open_store(path)
    try:
        Outbox.begin_anew(conn)
    finally:
        conn.close()


def _place(into: Path, name: str) -> Path:
    """Where a member goes; never outside `into`, never over something."""
    parts = Path(name).parts
    if not parts or name.startswith("/") or ".." in parts or parts[0] in LEFT_OUT:
        raise Error("file_invalid", f"{name} does not belong in a backup", "take another backup")
    path = into.joinpath(*parts)
    if path.exists():
        raise Error("file_invalid", f"{name} is already there", "a backup is restored into an empty state folder")
    path.parent.mkdir(mode=0o770, parents=True, exist_ok=True)
    return path


def _written(body: IO[bytes], path: Path) -> str:
    digest = hashlib.sha256()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o660)
    with os.fdopen(handle, "wb") as file:
        while chunk := body.read(1 << 20):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def drill(
    sources: list[Path], key: X25519PrivateKey, into: Path, seen: Callable[[str], None] = lambda _: None
) -> list[Restored]:
    """Restores archives into a folder of their own and says what came out; nothing of the box is touched."""
    out = []
    for path in sources:
        with path.open("rb") as file:
            out.append(restore(file, key, into, seen))
    return out

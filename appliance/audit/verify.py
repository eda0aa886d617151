"""Checks an exported Casemate audit log, alone: python verify.py PATH [--key VKEY|FILE] [--old CHECKPOINT]

Written to be read by an auditor in one sitting. It imports nothing of the appliance: only Python's own library and the
`cryptography` package for Ed25519. It opens no network connection and writes no file.
PATH is a folder with `checkpoint`, `tile/...` and `verifier.vkey`, or one `.tlog-proof` file. What is checked:
 1. `checkpoint` is a signed note (C2SP signed-note, tlog-checkpoint) and its Ed25519 signature is the key's.
 2. Every entry of every bundle (C2SP tlog-tiles, `tile/entries/...`) is hashed as RFC 6962 says, up to the root that was signed.
 3. Every stored hash tile (`tile/0/...`, `tile/1/...`) holds exactly those hashes.
 4. Every entry is canonical JSON (RFC 8785) with the fields at, who, what, on, outcome, detail.
 5. With --old: a checkpoint kept from earlier is signed by the same key and is a beginning of this log.
 A `.tlog-proof` file proves one entry: its hash leads up to the root of the signed checkpoint that the file carries.
Exit code: 0 verifies, 1 does not, 2 the command was wrong or there is nothing at PATH.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WIDTH = 256  # entries or hashes in a full tile
HASH = 32  # octets of SHA-256
CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class Broken(Exception):
    """Something that cannot be read as what it should be."""


@dataclass
class Problem:
    """One thing that is wrong: a word for programs, where, and a sentence."""

    code: str
    place: str
    text: str


@dataclass
class Report:
    """What was found. `ok` is the verdict; remarks never change it."""

    origin: str = ""
    size: int = 0
    root: str = ""
    key: str = ""
    first_at: str = ""
    last_at: str = ""
    problems: list[Problem] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems

    def add(self, code: str, place: str, text: str) -> None:
        if len(self.problems) < 1_000:  # a log with more is not worth listing further
            self.problems.append(Problem(code, place, text))

    def as_dict(self) -> dict[str, object]:
        return {"ok": self.ok, **asdict(self)}


def unbase64(text: str) -> bytes:
    """Standard base64, and only the one spelling of it."""
    try:
        octets = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        octets = b""
    if base64.b64encode(octets).decode() != text:
        raise Broken("a part of it is not base64 in its usual spelling")
    return octets


def read_key(vkey: str) -> tuple[str, bytes, bytes]:
    """Name, key id and Ed25519 key of a line `name+keyid+base64(01 key)`."""
    match = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+(\S+)", vkey)
    raw = unbase64(match[3]) if match else b""
    if not match or len(raw) != 33 or raw[0] != 1:
        raise Broken("the verifier key is not NAME+ID+KEY of type Ed25519")
    key_id = sha256(match[1].encode(), b"\n", raw)[:4]
    if key_id.hex() != match[2]:
        raise Broken("the verifier key does not match the key id written in it")
    return match[1], key_id, raw[1:]


def read_checkpoint(note: str, vkey: str) -> tuple[str, int, bytes]:
    """Origin, size and root of a checkpoint whose signature by `vkey` was checked."""
    name, key_id, key = read_key(vkey)
    body, blank, lines = note.rpartition("\n\n")
    said = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]{0,17})\n(\S+)(\n[^\n]+)*", body, re.ASCII)
    if not blank or not said or not lines.endswith("\n"):
        raise Broken("it is not a signed note of origin, size and root")
    genuine = False
    for line in lines[:-1].split("\n"):
        match = re.fullmatch("\u2014 ([^ +]+) ([^ ]+)", line)
        if not match:
            raise Broken("a signature line is malformed")
        raw = unbase64(match[2])
        if match[1] == name and raw[:4] == key_id:
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(raw[4:], f"{body}\n".encode())
            except (InvalidSignature, ValueError):
                raise Broken(f"its text is not what the key {name} signed") from None
            genuine = True
    if not genuine:
        raise Broken(f"it carries no signature of the key {name}+{key_id.hex()}")
    return said[1], int(said[2]), unbase64(said[3])


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def above(row: list[bytes]) -> list[bytes]:
    return [sha256(b"\x01", row[i], row[i + 1]) for i in range(0, len(row), 2)]


class Tree:
    """Grows by leaf hashes; keeps per level the hashes of the tile that is being filled, and says when one is full."""

    def __init__(self) -> None:
        self.size = 0
        self.rows: list[list[bytes]] = [[]]

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Adds a leaf; returns (level, number, content) of the tiles that are now full."""
        self.size += 1
        full, level = list[tuple[int, int, bytes]](), 0
        while True:
            self.rows[level].append(leaf)
            if len(self.rows[level]) < WIDTH:
                return full
            row, self.rows[level] = self.rows[level], []
            full.append((level, (self.size >> 8 * (level + 1)) - 1, b"".join(row)))
            while len(row) > 1:
                row = above(row)
            leaf, level = row[0], level + 1
            if level == len(self.rows):
                self.rows.append([])

    def partial(self) -> list[tuple[int, int, bytes]]:
        """The tiles begun and not full."""
        return [(level, self.size >> 8 * (level + 1), b"".join(row)) for level, row in enumerate(self.rows) if row]

    def root(self) -> bytes:
        """The Merkle Tree Hash: complete subtrees joined from the right."""
        root = None
        for row in map(list, self.rows):
            while row:
                span = len(row) & -len(row)  # the rightmost complete subtree
                part = row[-span:]
                del row[-span:]
                while len(part) > 1:
                    part = above(part)
                root = part[0] if root is None else sha256(b"\x01", part[0], root)
        return sha256() if root is None else root


def tile_name(level: str, number: int, width: int) -> str:
    """`tile/0/x001/x234/067.p/8`."""
    text = f"{number % 1000:03d}"
    while number := number // 1000:
        text = f"x{number % 1000:03d}/{text}"
    return f"tile/{level}/{text}" + (f".p/{width}" if width < WIDTH else "")


def read_tile(folder: Path, level: str, number: int, width: int) -> tuple[str, bytes, bool]:
    """Name, content and whether it is exactly that wide: the full tile may stand in for a partial one and begins the same."""
    for name in (tile_name(level, number, width), tile_name(level, number, WIDTH)):
        if (folder / name).is_file():
            return name, (folder / name).read_bytes(), name == tile_name(level, number, width)
    raise Broken(f"{tile_name(level, number, width)}: is missing")


def entries_of(folder: Path, number: int, width: int) -> list[bytes]:
    """The `width` entries of a bundle, each preceded by its length in two octets."""
    name, data, exact = read_tile(folder, "entries", number, width)
    entries, at = list[bytes](), 0
    while at < len(data) and (exact or len(entries) < width):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data):
            raise Broken(f"{name}: entry {number * WIDTH + len(entries)} would end beyond the end of the file")
        entries.append(data[at + 2 : end])
        at = end
    if len(entries) != width:
        raise Broken(f"{name}: holds {len(entries)} entries instead of {width}")
    return entries


def hashes_of(folder: Path, level: int, number: int, width: int) -> list[bytes]:
    """The `width` hashes of a tile."""
    name, data, exact = read_tile(folder, str(level), number, width)
    if (exact and len(data) != width * HASH) or len(data) < width * HASH:
        raise Broken(f"{name}: is {len(data)} octets long instead of {width * HASH}")
    return [data[i : i + HASH] for i in range(0, width * HASH, HASH)]


def verify(folder: Path, key: str | None = None, old: str | None = None, checkpoint: str | None = None) -> Report:
    """Checks the log in `folder`. `key`: a vkey, else that of the folder; `old`, `checkpoint`: texts of checkpoints."""
    report = Report()
    try:
        own = read_text(folder / "verifier.vkey").removesuffix("\n")
        read_key(own)
        if key is not None and key != own:
            report.add("key", "verifier.vkey", "is not the key you gave: this log was signed by somebody else")
    except Broken as e:
        report.add("key", "verifier.vkey", str(e))
        own = ""
    report.key = key or own
    if key is None:
        report.remarks.append("the key was taken from the export itself; compare it with the one you were given")
    if not report.key:
        return report
    try:
        note = checkpoint if checkpoint is not None else read_text(folder / "checkpoint")
        report.origin, report.size, root = read_checkpoint(note, report.key)
    except Broken as e:
        report.add("checkpoint", "checkpoint", str(e))
        return report
    report.root = base64.b64encode(root).decode()
    walk = Walk(report, folder, root)
    if old is not None:
        walk.expect(old)
    walk.run()
    return report


class Walk:
    """One pass over all entries, holding one bundle at a time."""

    def __init__(self, report: Report, folder: Path, root: bytes) -> None:
        self.report, self.folder, self.root = report, folder, root
        self.tree = Tree()
        self.old_size, self.old_root = -1, b""
        self.found: list[
            Problem
        ] = []  # entries that do not hash to what is stored beside them, and the other way round
        self.backwards: list[int] = []

    def expect(self, older: str) -> None:
        """Takes note of an earlier checkpoint, which the log must pass on its way."""
        try:
            origin, self.old_size, self.old_root = read_checkpoint(older, self.report.key)
            if origin != self.report.origin:
                raise Broken(f"is of another log, {origin}")
            if self.old_size > self.report.size:
                raise Broken(f"says {self.old_size} entries; this log has {self.report.size}: its end was cut off")
        except Broken as e:
            self.report.add("old", "older checkpoint", str(e))

    def run(self) -> None:
        for number in range(-(-self.report.size // WIDTH)):
            width = min(WIDTH, self.report.size - number * WIDTH)
            try:
                entries = entries_of(self.folder, number, width)
            except Broken as e:  # nothing after this can be hashed up to the root
                self.report.add("tile", f"entries {number * WIDTH} to {number * WIDTH + width - 1}", str(e))
                return
            self.bundle(number, entries)
        for tile in self.tree.partial():
            self.hash_tile(*tile)
        if self.backwards:
            late = f"{len(self.backwards)} entries are older than one before them (first: entry {self.backwards[0]})"
            self.report.remarks.append(late)  # they waited to be sent, or the clock was set
        true = self.tree.root() == self.root  # then the entries are what was signed, and the stored hashes are to blame
        if not true:
            self.report.add("root", "checkpoint", "the entries do not lead to the root that was signed")
        for problem in self.found:
            if problem.code == "tile" if true else not problem.place.startswith("tile/0/"):
                self.report.add(problem.code, problem.place, problem.text)

    def bundle(self, number: int, entries: list[bytes]) -> None:
        try:
            stored = hashes_of(self.folder, 0, number, len(entries))
        except Broken:
            stored = []  # hash_tile() reports it
        for offset, entry in enumerate(entries):
            index = number * WIDTH + offset
            leaf = sha256(b"\x00", entry)
            if stored and stored[offset] != leaf:
                moved = f"; it is the one of place {number * WIDTH + stored.index(leaf)}" if leaf in stored else ""
                text = f"{tile_name('entries', number, len(entries))} holds another entry than was signed{moved}"
                self.found.append(Problem("entry", f"entry {index}", text))
            self.look(index, entry)
            for tile in self.tree.append(leaf):
                self.hash_tile(*tile)
            if self.tree.size == self.old_size and self.tree.root() != self.old_root:
                self.report.add("old", "older checkpoint", f"its {self.old_size} entries do not begin this log")

    def hash_tile(self, level: int, number: int, wanted: bytes) -> None:
        """Compares a stored hash tile with what the entries hash to."""
        width = len(wanted) // HASH
        name = tile_name(str(level), number, width)
        try:
            found = hashes_of(self.folder, level, number, width)
        except Broken as e:
            self.report.add("tile", name, str(e).removeprefix(f"{name}: "))
            return
        for i, h in enumerate(found):
            if h != wanted[i * HASH : (i + 1) * HASH]:
                self.found.append(Problem("tile", name, f"hash {i} is not that of the entries below it"))

    def look(self, index: int, entry: bytes) -> None:
        """The form of one entry, and its time."""
        try:
            read = json.loads(entry)
            if (
                CANONICAL.encode(read).encode() != entry
                or not isinstance(read, dict)
                or sorted(read) != ["at", "detail", "on", "outcome", "what", "who"]
            ):
                raise ValueError
            at = str(read["at"])
        except (ValueError, RecursionError):
            self.report.add("form", f"entry {index}", "is not canonical JSON of at, who, what, on, outcome, detail")
            return
        if at < self.report.last_at:
            self.backwards.append(index)
        self.report.first_at = min(self.report.first_at or at, at)
        self.report.last_at = max(self.report.last_at, at)


def read_proof(text: str, key: str) -> tuple[int, str]:
    """Index and text of the entry in a `.tlog-proof` whose checkpoint, and way up to its root, were checked."""
    head, blank, note = text.partition("\n\n")
    form = r"c2sp\.org/tlog-proof@v1\nextra (\S+)\nindex (0|[1-9][0-9]{0,17})((?:\n\S+)*)"
    match = re.fullmatch(form, head, re.ASCII)
    if not blank or not match:
        raise Broken("it is not a tlog-proof with its entry")
    index, entry = int(match[2]), unbase64(match[1])
    _, size, root = read_checkpoint(note, key)
    found, at, last = sha256(b"\x00", entry), index, size - 1  # RFC 9162 section 2.1.3.2
    for p in map(unbase64, match[3].split()):
        if at & 1 or at == last:
            found = sha256(b"\x01", p, found)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            found = sha256(b"\x01", found, p)
        at, last = at >> 1, last >> 1
    if index >= size or last != 0 or found != root:
        raise Broken(f"its entry does not stand at {index} under the root that was signed")
    return index, entry.decode("utf-8", "replace")


def read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise Broken("is missing" if isinstance(e, FileNotFoundError) else "cannot be read as text") from None


def lines_of(report: Report) -> Iterator[str]:
    """The report for a person."""
    yield f"log      {report.origin or 'unknown'}, {report.size} entries, {report.first_at} to {report.last_at}"
    yield f"root     {report.root or 'unknown'}, signed by {report.key or 'nobody'}"
    yield from (f"remark   {remark}" for remark in report.remarks)
    yield from (f"PROBLEM  [{problem.code}] {problem.place}: {problem.text}" for problem in report.problems)
    yield "VERIFIES" if report.ok else f"DOES NOT VERIFY: {len(report.problems)} problem(s)"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Checks an exported Casemate audit log, offline.")
    parser.add_argument("path", type=Path, help="exported folder, or one .tlog-proof file (then --key is needed)")
    parser.add_argument("--key", help="the verifier key you were given, or a file that holds it")
    parser.add_argument("--old", type=Path, help="a checkpoint kept from earlier, which this log must continue")
    parser.add_argument("--json", action="store_true", help="as JSON")
    given = parser.parse_args(arguments)
    try:
        key = read_text(Path(given.key)).strip() if given.key and Path(given.key).is_file() else given.key
        if key:
            read_key(key)
        old = read_text(given.old) if given.old else None
        if not given.path.is_dir() and not (given.path.is_file() and key):
            raise Broken(f"{given.path} is no folder, and no .tlog-proof file given together with --key")
    except Broken as e:
        print(f"cannot check: {e}", file=sys.stderr)
        return 2
    if given.path.is_file():
        try:
            print("entry {}  {}\nVERIFIES".format(*read_proof(read_text(given.path), key)))
            return 0
        except Broken as e:
            print(f"DOES NOT VERIFY: {e}")
            return 1
    report = verify(given.path, key, old)
    print(json.dumps(report.as_dict(), indent=2) if given.json else "\n".join(lines_of(report)))
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())

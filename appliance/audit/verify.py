"""Checks an exported Casemate audit log, alone: python verify.py PATH [--key VKEY] [--old CHECKPOINT] [--witness VKEY]

Written to be read by an auditor in one sitting. Of the appliance it imports nothing: only Python's own library, and the
`cryptography` package for signatures. It opens no network connection and writes no file.
PATH is a folder with `checkpoint`, `tile/...` and `verifier.vkey`, or one `.tlog-proof` file. What is checked:
 1. `checkpoint` is a signed note (C2SP signed-note, tlog-checkpoint) and its Ed25519 signature is the key's.
 2. Every entry of every bundle (C2SP tlog-tiles, `tile/entries/...`) is hashed as RFC 6962 says, up to the signed root.
 3. Every stored hash tile (`tile/0/...`, `tile/1/...`) holds exactly those hashes.
 4. Every entry is canonical JSON (RFC 8785) with the fields at, who, what, on, outcome, detail.
 5. Checkpoints kept from earlier (--old, and those in `cosigned/`) are signed by the same key and begin this log.
 6. With --witness: which of them that key cosigned (C2SP tlog-cosignature), and what is "unwitnessed since".
 A pruned log begins at the entry that `minimum` says. A `.tlog-proof` proves one entry up to the root of its checkpoint.
Exit code: 0 verifies, 1 does not, 2 the command was wrong or there is nothing at PATH.
"""

import argparse
import base64
import contextlib
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WIDTH, HASH = 256, 32  # entries or hashes in a full tile; octets of SHA-256
LOG, WITNESS, ML_DSA = 1, 4, 6  # key types of C2SP signed-note: Ed25519; cosignatures by Ed25519 and by ML-DSA-44
FIELDS = {"at", "who", "what", "on", "outcome", "detail"}
CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
PARSE = json.JSONDecoder().raw_decode


class Broken(ValueError):
    """Something that cannot be read as what it should be."""


@dataclass
class Problem:
    code: str  # a word for programs
    place: str
    text: str


@dataclass
class Report:
    """What was found. `ok` is the verdict; remarks never change it. `witnessed`: (size, time, witness) of cosignatures."""

    ok: bool = True
    origin: str = ""
    size: int = 0
    root: str = ""
    key: str = ""
    first_at: str = ""
    last_at: str = ""
    witnessed: list[tuple[int, str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, code: str, place: str, text: str) -> None:
        self.ok = False
        if len(self.problems) < 1_000:  # a log with more is not worth listing further
            self.problems.append(Problem(code, place, text))


def unbase64(text: str) -> bytes:
    """Standard base64, and only the one spelling of it."""
    with contextlib.suppress(ValueError):
        octets = base64.b64decode(text.encode("ascii"), validate=True)
        if base64.b64encode(octets).decode() == text:
            return octets
    raise Broken("a part of it is not base64 in its usual spelling")


def read_key(vkey: str, *kinds: int) -> tuple[str, bytes, bytes]:
    """Name, key id, and type octet with key, of a line `name+keyid+base64(type key)`."""
    name, number, coded = [*vkey.split("+", 2), "", ""][:3]
    raw = unbase64(coded)
    key_id = sha256(name.encode(), b"\n", raw)[:4]
    if (raw[:1], len(raw)) not in [(bytes([k]), 1313 if k == ML_DSA else 33) for k in kinds] or key_id.hex() != number:
        raise Broken(f"the key is not NAME+ID+KEY of signed-note's type {' or '.join(map(str, kinds))} under its id")
    return name, key_id, raw


def open_note(note: str, vkey: str, *kinds: int) -> tuple[str, str, bytes, list[bytes]]:
    """The text of a signed note, name and key of `vkey`, and the signatures that bear its name and id."""
    name, key_id, key = read_key(vkey, *kinds)
    body, blank, lines = note.rpartition("\n\n")
    matches = [re.fullmatch("\u2014 ([^ +]+) ([^ ]+)", line) for line in lines[:-1].split("\n")]
    if not blank or not lines.endswith("\n") or not all(matches):
        raise Broken("it is not a signed note: a signature line is malformed or missing")
    raws = [(m[1], unbase64(m[2])) for m in matches if m]
    return f"{body}\n", name, key, [raw[4:] for who, raw in raws if who == name and raw[:4] == key_id]


def read_checkpoint(note: str, vkey: str) -> tuple[str, int, bytes]:
    """Origin, size and root of a checkpoint whose signature by `vkey` was checked."""
    body, name, key, signatures = open_note(note, vkey, LOG)
    said = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]{0,17})\n(\S+)\n([^\n]+\n)*", body, re.ASCII)
    if not said or not signatures:
        raise Broken(f"it is not origin, size and root, or carries no signature of the key {name}")
    if not all(genuine(key, signature, body.encode()) for signature in signatures):
        raise Broken(f"its text is not what the key {name} signed")
    return said[1], int(said[2]), unbase64(said[3])


def cosigned(note: str, vkey: str) -> str | None:
    """When the witness `vkey` cosigned a checkpoint that was read before; None when it did not. Broken if it is forged."""
    body, name, key, signatures = open_note(note, vkey, WITNESS, ML_DSA)
    for signature in signatures:
        at = int.from_bytes(signature[:8], "big")
        message = f"cosignature/v1\ntime {at}\n{body}".encode()
        if key[0] == ML_DSA:  # `cosigned_message` of the whole tree
            origin, size, root = body.split("\n")[:3]
            pairs = ((name.encode(), signature[:8]), (origin.encode(), bytes(8)))
            message = b"subtree/v1\n\0" + b"".join(bytes([len(text)]) + text + number for text, number in pairs)
            message += int(size).to_bytes(8, "big") + unbase64(root)
        if not 0 < at < 2**37 or not genuine(key, signature[8:], message):
            raise Broken(f"the cosignature on it is not one of {name}")
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return None


def genuine(key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether a signature is the key's on the message: RFC 8032, or FIPS 204."""
    try:
        if key[0] == ML_DSA:
            from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

            MLDSA44PublicKey.from_public_bytes(key[1:]).verify(signature, message)
        else:
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature, message)
    except (ImportError, UnsupportedAlgorithm):
        raise Broken("an ML-DSA-44 cosignature needs a newer `cryptography` package to be checked") from None
    except (InvalidSignature, ValueError):
        return False
    return True


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def fold(row: list[bytes]) -> bytes:
    """Root of a complete subtree over 1, 2, 4 ... hashes."""
    new = hashlib.sha256
    while len(row) > 1:
        row = [new(b"\x01" + row[i] + row[i + 1]).digest() for i in range(0, len(row), 2)]
    return row[0]


def mth(row: list[bytes], tail: list[bytes]) -> bytes:
    """Merkle Tree Hash over the tops of complete tiles and the hashes after them: complete subtrees joined from the right."""
    root = b""
    for hashes in (tail, row):
        end = len(hashes)
        while end:
            span = end & -end  # the rightmost complete subtree
            part = fold(hashes[end - span : end])
            root = sha256(b"\x01", part, root) if root else part
            end -= span
    return root or sha256()


def tile_name(level: str, number: int, width: int) -> str:
    text = f"{number % 1000:03d}"  # and so tile/0/x001/x234/067.p/8
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


def verify(
    path: Path, key: str | None = None, old: Sequence[str] = (), note: str | None = None, witnesses: Sequence[str] = ()
) -> Report:
    """Checks the log in the folder `path`. `key`: a vkey, else the folder's; `old`, `note`: texts of checkpoints."""
    report, place = Report(key=key or ""), "verifier.vkey"
    try:
        if path.is_file():
            place = path.name
            read_proof(report, path.read_text("utf-8"), witnesses)
            return report
        own = (path / place).read_text("utf-8").removesuffix("\n")
        read_key(own, LOG)
        if key is None:
            report.key = own
            report.remarks.append("the key was taken from the export itself; compare it with the one you were given")
        elif key != own:
            report.add("key", place, "is not the key you gave: this log was signed by somebody else")
        place = "checkpoint"
        note = (path / place).read_text("utf-8") if note is None else note
        report.origin, report.size, root = read_checkpoint(note, report.key)
        report.root = base64.b64encode(root).decode()
        walk = Walk(report, path, root)
    except (OSError, ValueError) as e:
        report.add("key" if place == "verifier.vkey" else "checkpoint", place, str(e))
        return report
    kept = [(f"cosigned/{p.name}", p.read_text("utf-8", "replace")) for p in sorted((path / "cosigned").glob("[0-9]*"))]
    for place, text in [*(("old", text) for text in old), *kept, ("checkpoint", note)]:
        walk.expect(place, text, witnesses)
    walk.run()
    return report


class Walk:
    """One pass over all entries, holding one bundle at a time, and of full ones the top. Begins where a pruned log begins."""

    def __init__(self, report: Report, folder: Path, root: bytes) -> None:
        self.report, self.folder, self.root = report, folder, root
        self.met: dict[int, list[tuple[str, bytes]]] = {}  # size -> earlier checkpoints: place and root
        self.found: list[Problem] = []  # entries that do not hash to what is stored beside them, and the reverse
        self.backwards = 0
        minimum = (folder / "minimum").read_text("utf-8").strip() if (folder / "minimum").exists() else "0"
        if not re.fullmatch("0|[1-9][0-9]{0,17}", minimum, re.ASCII) or int(minimum) > report.size:
            raise Broken("the file `minimum` beside it is not the number of an entry")
        self.first = int(minimum) // WIDTH * WIDTH

    def expect(self, place: str, note: str, witnesses: Sequence[str]) -> None:
        """Takes note of a checkpoint, which the log must pass on its way, and of who cosigned it."""
        try:
            origin, size, root = read_checkpoint(note, self.report.key)
            if origin != self.report.origin:
                raise Broken(f"is of another log, {origin}")
            if size > self.report.size:
                raise Broken(f"says {size} entries; this log has {self.report.size}: its end was cut off")
            if place != "checkpoint":  # which is compared last
                self.met.setdefault(size, []).append((place, root))
            if size <= self.first and size:
                self.report.remarks.append(f"{place}: its {size} entries were pruned, so it was not compared")
            for vkey in witnesses:
                at = cosigned(note, vkey)
                self.report.witnessed += [(size, at, vkey.partition("+")[0])] if at else []
        except Broken as e:
            self.report.add(place.partition("/")[0], place, str(e))

    def run(self) -> None:
        row, leaves, end = list[bytes](), list[bytes](), self.report.size
        try:
            if self.first:  # the tops before it, which the signed root covers with all others
                self.report.remarks.append(f"entries 0 to {self.first - 1} were pruned: only their hashes are checked")
                for number in range(-(-self.first // WIDTH // WIDTH)):
                    row += hashes_of(self.folder, 1, number, min(WIDTH, end // WIDTH - number * WIDTH))
                del row[self.first // WIDTH :]
            for first in range(self.first, end, WIDTH):
                entries = entries_of(self.folder, first // WIDTH, min(WIDTH, end - first))
                self.look(first, entries)
                leaves = [hashlib.sha256(b"\x00" + entry).digest() for entry in entries]
                for size in [size for size in self.met if first < size <= first + len(leaves)]:
                    for place, root in self.met[size]:
                        if mth(row, leaves[: size - first]) != root:
                            self.report.add(place.split("/")[0], place, f"its {size} entries do not begin this log")
                self.hash_tile(0, first // WIDTH, leaves)
                if len(leaves) == WIDTH:
                    row.append(fold(leaves))
                    leaves = []
        except Broken as e:  # nothing after this can be hashed up to the root
            self.report.add("tile", str(e).partition(": ")[0], str(e))
            return
        true = mth(row, leaves) == self.root  # then the entries are what was signed, and stored hashes are to blame
        for level in range(1, 8):
            for first in range(0, len(row), WIDTH):
                self.hash_tile(level, first // WIDTH, row[first : first + WIDTH])
            row = [fold(row[i : i + WIDTH]) for i in range(0, len(row) // WIDTH * WIDTH, WIDTH)]
        if self.backwards:
            self.report.remarks.append(f"{self.backwards} entries are older than the one before")  # they were sent late
        if not true:
            self.report.add("root", "checkpoint", "the entries do not lead to the root that was signed")
        for problem in self.found:
            if problem.code == "tile" if true else not problem.place.startswith("tile/0/"):
                self.report.add(problem.code, problem.place, problem.text)

    def hash_tile(self, level: int, number: int, true: list[bytes]) -> None:
        """Compares a stored hash tile with what the entries hash to."""
        width, name = len(true), tile_name(str(level), number, len(true))
        try:
            stored = hashes_of(self.folder, level, number, width)
        except Broken as e:
            self.report.add("tile", name, str(e).removeprefix(f"{name}: "))
            return
        for i in [i for i in range(width) if stored[i] != true[i]] if stored != true else []:
            self.found.append(Problem("tile", name, f"hash {i} is not that of the entries below it"))
            if level == 0:
                moved = f" (it is that of {number * WIDTH + stored.index(true[i])})" if true[i] in stored else ""
                text = f"{tile_name('entries', number, width)} holds another entry than was signed{moved}"
                self.found.append(Problem("entry", f"entry {number * WIDTH + i}", text))

    def look(self, first: int, entries: list[bytes]) -> None:
        """The form of entries, and their times: of a bundle at once, and one by one when that is not well."""
        try:
            read = [PARSE(entry.decode())[0] for entry in entries]
            well = CANONICAL.encode(read).encode() == b"[" + b",".join(entries) + b"]"
            times = [entry["at"] for entry in read if entry.keys() == FIELDS and isinstance(entry["at"], str)]
        except (ValueError, AttributeError, RecursionError):
            well, times = False, []
        if well and len(times) == len(entries):
            self.report.first_at = min([self.report.first_at or times[0], *times])
            for at in times:
                self.backwards += at < self.report.last_at
                self.report.last_at = max(self.report.last_at, at)
        elif len(entries) == 1:
            self.report.add("form", f"entry {first}", "is not canonical JSON of at, who, what, on, outcome, detail")
        else:
            for i in range(len(entries)):
                self.look(first + i, entries[i : i + 1])


def read_proof(report: Report, text: str, witnesses: Sequence[str]) -> None:
    """Checks a `.tlog-proof`: the signature on its checkpoint, and the way from its entry up to the root."""
    head, blank, note = text.partition("\n\n")
    form = r"c2sp\.org/tlog-proof@v1\nextra (\S+)\nindex (0|[1-9][0-9]{0,17})((?:\n\S+)*)"
    match = re.fullmatch(form, head, re.ASCII)
    if not blank or not match:
        raise Broken("it is not a tlog-proof with its entry")
    index, entry = int(match[2]), unbase64(match[1])
    report.origin, size, root = read_checkpoint(note, report.key)
    found, at, last = sha256(b"\x00", entry), index, size - 1  # RFC 9162 section 2.1.3.2
    for p in map(unbase64, match[3].split()):
        left = at & 1 or at == last
        found = sha256(b"\x01", p, found) if left else sha256(b"\x01", found, p)
        while left and at and not at & 1:
            at, last = at >> 1, last >> 1
        at, last = at >> 1, last >> 1
    if index >= size or last != 0 or found != root:
        raise Broken(f"its entry does not stand at {index} under the root that was signed")
    report.size, report.root = size, base64.b64encode(root).decode()
    report.remarks.append(f"entry {index}  {entry.decode('utf-8', 'replace')}")
    report.witnessed = [(size, t, w.partition("+")[0]) for w in witnesses if (t := cosigned(note, w))]


def lines_of(report: Report) -> Iterator[str]:
    yield f"log      {report.origin or 'unknown'}, {report.size} entries, {report.first_at} to {report.last_at}"
    yield f"root     {report.root or 'unknown'}, signed by {report.key or 'nobody'}"
    yield from (f"witness  {name} cosigned {size} entries at {at}" for size, at, name in report.witnessed[-8:])
    size, at, _ = max(report.witnessed, default=(0, "its beginning", ""))
    if size < report.size:
        yield f"witness  {report.size - size} entries, from {size} on, are unwitnessed since {at}"
    yield from (f"remark   {remark}" for remark in report.remarks)
    yield from (f"PROBLEM  [{problem.code}] {problem.place}: {problem.text}" for problem in report.problems)
    yield "VERIFIES" if report.ok else f"DOES NOT VERIFY: {len(report.problems)} problem(s)"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Checks an exported Casemate audit log, offline.")
    parser.add_argument("path", type=Path, help="exported folder, or one .tlog-proof file (then --key is needed)")
    parser.add_argument("--key", help="the verifier key you were given, or a file that holds it")
    parser.add_argument("--old", type=Path, action="append", default=[], help="a checkpoint kept from earlier")
    parser.add_argument("--witness", action="append", default=[], help="the key of a witness, or a file that holds it")
    parser.add_argument("--json", action="store_true", help="as JSON")
    given = parser.parse_args(arguments)
    try:
        named = [given.key or "", *given.witness]
        key, *witnesses = [Path(k).read_text("utf-8").strip() if Path(k[:200]).is_file() else k for k in named]
        for vkey in [key] * bool(key) + witnesses:
            read_key(vkey, *((LOG,) if vkey is key else (WITNESS, ML_DSA)))
        if not given.path.is_dir() and not (given.path.is_file() and key):
            raise Broken(f"{given.path} is no folder, and no .tlog-proof file given together with --key")
        report = verify(given.path, key or None, [p.read_text("utf-8") for p in given.old], None, witnesses)
    except (OSError, ValueError) as e:
        print(f"cannot check: {e}", file=sys.stderr)
        return 2
    print(json.dumps(asdict(report), indent=2) if given.json else "\n".join(lines_of(report)))
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())

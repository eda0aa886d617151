"""Checks an exported Casemate audit log, alone: python verify.py PATH [--key VKEY] [--old CHECKPOINT] [--witness VKEY]

Written to be read by an auditor in one sitting. Of the appliance it imports nothing: only Python's own library, and the
`cryptography` package for signatures. It opens no network connection and writes no file.
PATH: a folder with `checkpoint`, `tile/...` and `verifier.vkey`, an archive (.tar) of one, or a `.tlog-proof`. Checked is:
 1. `checkpoint` is a signed note (C2SP signed-note, tlog-checkpoint) and its Ed25519 signature is the key's.
 2. Every entry of every bundle (C2SP tlog-tiles, `tile/entries/...`) is hashed as RFC 6962 says, up to the signed root.
 3. Every stored hash tile (`tile/0/...`) holds exactly those hashes, and every entry is canonical JSON (RFC 8785).
 4. Checkpoints kept from earlier (--old, and those in `cosigned/`) are signed by the same key and begin this log.
 5. With --witness: which of them that key cosigned (C2SP tlog-cosignature), and what is "unwitnessed since".
 6. An archive holds the files of its manifest, octet for octet and no others, and `manifest.note` signs the manifest.
 7. A `.tlog-proof`, also each in `proofs/`, leads from its entry to the root of its checkpoint (RFC 9162).
A pruned log begins where `minimum` says. Exit code: 0 verifies, 1 does not, 2 the command was wrong or nothing is there.
"""

import argparse
import base64
import hashlib
import json
import mmap
import re
import sys
import tarfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

WIDTH, HASH = 256, 32  # entries or hashes in a full tile; octets of SHA-256
LOG, WITNESS, ML_DSA = 1, 4, 6  # key types of C2SP signed-note: Ed25519; cosignatures by Ed25519 and by ML-DSA-44
KINDS = {LOG: "ed25519.Ed25519PublicKey", WITNESS: "ed25519.Ed25519PublicKey", ML_DSA: "mldsa.MLDSA44PublicKey"}
MANIFEST, SIGNED = "manifest.sha256", "manifest.note"
FIELDS = {"at", "who", "what", "on", "outcome", "detail"}
CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
PARSE = json.JSONDecoder().raw_decode


class Report:
    """`ok` is the verdict; `problems` have code, place, text; remarks change nothing. `witnessed`: size, time, witness."""

    def __init__(self, key: str = "") -> None:
        self.ok, self.origin, self.size, self.root, self.key, self.first_at, self.last_at = True, "", 0, "", key, "", ""
        self.witnessed, self.problems, self.remarks = list[tuple[int, str, str]](), list[SimpleNamespace](), list[str]()

    def add(self, code: str, place: str, text: str) -> None:
        self.ok = False
        self.problems += [SimpleNamespace(code=code, place=place, text=text)] * (len(self.problems) < 1_000)


def unbase64(text: str) -> bytes:
    """Standard base64, and only the one spelling of it."""
    octets = base64.b64decode(f"{text}==")  # which overlooks much
    if base64.b64encode(octets).decode() != text:
        raise ValueError("a part of it is not base64 in its usual spelling")
    return octets


def read_key(vkey: str, *kinds: int) -> tuple[str, bytes, bytes]:
    """Name, key id, and type octet with key, of a line `name+keyid+base64(type key)`."""
    name, number, coded = [*vkey.split("+", 2), "", ""][:3]
    raw = unbase64(coded)
    key_id = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    if (raw[:1], len(raw)) not in [(bytes([k]), 1313 if k == ML_DSA else 33) for k in kinds] or key_id.hex() != number:
        raise ValueError(
            f"the key is not NAME+ID+KEY of signed-note's type {' or '.join(map(str, kinds))}, or its id differs"
        )
    return name, key_id, raw


def open_note(note: str, vkey: str, *kinds: int) -> tuple[str, list[int]]:
    """The text of a signed note, and the times of the signatures by `vkey` on it, which were checked; a log's have none: 0."""
    name, key_id, key = read_key(vkey, *kinds)
    head, blank, lines = note.rpartition("\n\n")
    matches = [re.fullmatch("\u2014 ([^ +]+) ([^ ]+)", line) for line in lines[:-1].split("\n")]
    if not blank or not lines.endswith("\n") or not all(matches):
        raise ValueError("it is not a signed note: a signature line is malformed or missing")
    raws, times = [unbase64(m[2]) for m in matches if m and (unbase64(m[2])[:4], m[1]) == (key_id, name)], list[int]()
    for raw in raws:
        stamp, signature = (b"", raw[4:]) if key[0] == LOG else (raw[4:12], raw[12:])
        times.append(int.from_bytes(stamp, "big"))
        message = (f"cosignature/v1\ntime {times[-1]}\n" * (key[0] == WITNESS) + f"{head}\n").encode()
        try:
            if key[0] == ML_DSA:  # `cosigned_message` of the whole tree
                origin, size, root = head.split("\n")[:3]
                pairs = ((name.encode(), stamp), (origin.encode(), bytes(8)))
                message = b"subtree/v1\n\0" + b"".join(bytes([len(text)]) + text + number for text, number in pairs)
                message += int(size).to_bytes(8, "big") + unbase64(root)
            module, _, kind = KINDS[key[0]].partition(".")
            public = getattr(import_module(f"cryptography.hazmat.primitives.asymmetric.{module}"), kind)
            public.from_public_bytes(key[1:]).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise ValueError(f"its text is not what the key {name} signed") from None
        except (ImportError, UnsupportedAlgorithm):
            raise ValueError("an ML-DSA-44 cosignature needs a newer `cryptography` package to be checked") from None
    return f"{head}\n", times


def read_checkpoint(note: str, vkey: str) -> tuple[str, int, bytes]:
    """Origin, size and root of a checkpoint whose signature by `vkey` was checked."""
    body, signatures = open_note(note, vkey, LOG)
    said = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]{0,17})\n(\S+)\n([^\n]+\n)*", body, re.ASCII)
    if not said or not signatures:
        raise ValueError("it is not origin, size and root, or carries no signature of the log's key")
    return said[1], int(said[2]), unbase64(said[3])


def cosigned(note: str, vkey: str) -> str | None:
    """When the witness `vkey` cosigned a checkpoint that was read before; None when it did not. Broken if it is forged."""
    at = max(open_note(note, vkey, WITNESS, ML_DSA)[1], default=0)
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if 0 < at < 2**37 else None


def mth(row: list[bytes]) -> bytes:
    """Merkle Tree Hash of RFC 6962: hashes joined pair by pair, level by level; the odd one at the end goes up as it is."""
    new = hashlib.sha256
    while len(row) > 1:
        row = [new(b"\x01" + row[i] + row[i + 1]).digest() for i in range(0, len(row) - 1, 2)] + row[len(row) & ~1 :]
    return row[0] if row else new().digest()


def tile_name(level: str, number: int, width: int) -> str:
    text = f"{number % 1000:03d}"  # and so tile/0/x001/x234/067.p/8
    while number := number // 1000:
        text = f"x{number % 1000:03d}/{text}"
    return f"tile/{level}/{text}" + (f".p/{width}" if width < WIDTH else "")


class Export:
    """The files of an exported folder, or of an archive, which is read where it lies and has one possible spelling."""

    def __init__(self, path: Path) -> None:
        self.path, self.spans, at, well = path, dict[str, slice](), 0, True
        if path.is_dir():
            return
        with path.open("rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        members = tarfile.open(fileobj=self.data, mode="r:").getmembers()  # noqa: SIM115
        for member in members:  # each header and all the padding as the appliance writes them
            name, pad, end = member.name.partition("/")[2], bytes(-member.size % 512), at + 512 + member.size
            plain = tarfile.TarInfo(f"casemate-audit/{name}")
            plain.size, found = member.size, self.data[at : at + 512] + self.data[end : end + len(pad)]
            well &= found == plain.tobuf(tarfile.USTAR_FORMAT) + pad
            self.spans[name], at = slice(at + 512, end), end + len(pad)
        if not well or len(self.spans) < len(members) or self.data[at:] != bytes(1024 + -(at + 1024) % 10240):
            raise ValueError(f"it is not an archive as the appliance writes it: altered, cut short or added to ({at})")

    def names(self, below: str = "") -> list[str]:
        found = (p.relative_to(self.path).as_posix() for p in (self.path / below).rglob("*") if p.is_file())
        return sorted(name for name in self.spans or found if name.startswith(below))

    def has(self, name: str) -> bool:
        return name in self.spans or (self.path / name).is_file()

    def read(self, name: str) -> bytes:
        if not self.has(name):
            raise ValueError(f"{name}: is missing")
        return self.data[self.spans[name]] if self.spans else (self.path / name).read_bytes()

    def entries(self, number: int, width: int) -> list[bytes]:
        """The `width` entries of a bundle, each preceded by its length in two octets."""
        data, entries, at = self.read(name := tile_name("entries", number, width)), list[bytes](), 0
        while at < len(data):
            end = at + 2 + int.from_bytes(data[at : at + 2], "big")
            entries.append(data[at + 2 : end])
            at = end
        if len(entries) != width or at != len(data):
            raise ValueError(f"{name}: holds {len(entries)} entries instead of {width}, or the last one is cut short")
        return entries

    def hashes(self, level: int, number: int, width: int) -> list[bytes]:
        data = self.read(name := tile_name(str(level), number, width))
        if len(data) != width * HASH:
            raise ValueError(f"{name}: is {len(data)} octets long instead of {width * HASH}")
        return [data[i : i + HASH] for i in range(0, width * HASH, HASH)]


def verify(path: Path | Export, key: str = "", old: Sequence[str] = (), witnesses: Sequence[str] = ()) -> Report:
    """Checks the log at `path`. `key`: a vkey, else its own; `old`: texts of checkpoints."""
    report, code, place = Report(key), "archive", str(path)
    try:
        if isinstance(path, Path) and path.suffix == ".tlog-proof":
            index, entry, note = read_proof(path.read_text("utf-8"), key)
            report.remarks.append(f"entry {index}  {entry.decode('utf-8', 'replace')}")
            report.origin, report.size, root = read_checkpoint(note, key)
            report.root = base64.b64encode(root).decode()
            report.witnessed = [(report.size, t, w.partition("+")[0]) for w in witnesses if (t := cosigned(note, w))]
            return report
        export = path if isinstance(path, Export) else Export(path)
        code, place = "key", "verifier.vkey"
        read_key(own := export.read(place).decode().removesuffix("\n"), LOG)
        report.key = key or own
        report.remarks += ["the key is the export's own: compare it with the one you were given"] * (not key)
        if report.key != own:
            report.add("key", place, "is not the key you gave: this log was signed by somebody else")
        code = place = "checkpoint"
        note = export.read(place).decode()
        report.origin, report.size, root = read_checkpoint(note, report.key)
        report.root, walk = base64.b64encode(root).decode(), Walk(report, export, root)
        code, place = "manifest", SIGNED
        if export.spans or export.has(place):
            walk.hold_to_manifest()
    except (OSError, ValueError, tarfile.TarError) as e:
        report.add(code, place, str(e))
        return report
    walk.check_proofs(note)
    kept = [(name, export.read(name).decode("utf-8", "replace")) for name in export.names("cosigned/")]
    for place, text in [*(("old", text) for text in old), *kept, ("checkpoint", note)]:
        walk.expect(place, text, witnesses)
    if not walk.chosen:
        walk.run()
    return report


class Walk:
    """One pass over all entries, holding one bundle at a time, and of full ones the top. Begins where a pruned log begins."""

    def __init__(self, report: Report, export: Export, root: bytes) -> None:
        self.report, self.export, self.root = report, export, root
        self.met = list[tuple[int, str, bytes]]()  # earlier checkpoints: size, place and root
        self.found, self.backwards = list[tuple[str, str, str]](), 0  # entries and stored hashes that differ
        minimum = export.read("minimum").decode().strip() if export.has("minimum") else "0"
        if not re.fullmatch("0|[1-9][0-9]{0,17}", minimum, re.ASCII) or int(minimum) > report.size:
            raise ValueError("the file `minimum` beside it is not the number of an entry")
        self.first, self.chosen = int(minimum) // WIDTH * WIDTH, False

    def hold_to_manifest(self) -> None:
        """An archive's files are those of its manifest, which the log's key signed. One of chosen entries has no tiles."""
        listed = self.export.read(MANIFEST)
        body, signatures = open_note(self.export.read(SIGNED).decode(), self.report.key, LOG)
        said = f"casemate audit export v1\n{self.report.origin}\n{self.report.size}\n{hashlib.sha256(listed).hexdigest()}\n"
        if not signatures or body != said:
            raise ValueError("was signed for another manifest or checkpoint, or by another key")
        rows = {name: digest for digest, name in re.findall(r"([0-9a-f]{64})  (\S+)\n", listed.decode())}
        names = {*self.export.names()} - {MANIFEST, SIGNED}
        for name in sorted(rows.keys() | names):
            if name not in names or name not in rows:
                self.report.add("manifest", name, f"is not in the {'archive' if name in rows else 'manifest'}")
            elif hashlib.sha256(self.export.read(name)).hexdigest() != rows[name]:
                self.report.add("manifest", name, "is not the file that was signed")
        if not any(name.startswith("tile/") for name in rows):
            self.chosen, self.first = True, self.report.size

    def check_proofs(self, note: str) -> None:
        for name in (names := self.export.names("proofs/")):
            try:
                index, _, its = read_proof(self.export.read(name).decode(), self.report.key)
                if its != note or name != f"proofs/{index}.tlog-proof":
                    raise ValueError("is of another checkpoint than the one beside it, or of another entry")
            except ValueError as e:
                self.report.add("proof", name, str(e))
        self.report.remarks += [f"{len(names)} entries are proven one by one, in proofs/"] * bool(names)

    def expect(self, place: str, note: str, witnesses: Sequence[str]) -> None:
        """Takes note of a checkpoint, which the log must pass on its way, and of who cosigned it."""
        try:
            origin, size, root = read_checkpoint(note, self.report.key)
            if origin != self.report.origin:
                raise ValueError(f"is of another log, {origin}")
            if size > self.report.size:
                raise ValueError(f"says {size} entries; this log has {self.report.size}: its end was cut off")
            if size == self.report.size and root != self.root:
                raise ValueError(f"its {size} entries do not begin this log")
            self.met += [(size, place, root)] * (size < self.report.size)
            if 0 < size <= self.first and size < self.report.size:
                self.report.remarks.append(f"{place}: its {size} entries are not in here, so it was not compared")
            for vkey in witnesses:
                self.report.witnessed += [(size, at, vkey.partition("+")[0])] if (at := cosigned(note, vkey)) else []
        except ValueError as e:
            self.report.add(place.partition("/")[0], place, str(e))

    def run(self) -> None:
        row, leaves, end = list[bytes](), list[bytes](), self.report.size
        try:
            if self.first:  # the tops before it, which the signed root covers with all others
                self.report.remarks.append(f"entries 0 to {self.first - 1} were pruned: only their hashes are checked")
                for number in range(-(-self.first // WIDTH // WIDTH)):
                    row += self.export.hashes(1, number, min(WIDTH, end // WIDTH - number * WIDTH))
                del row[self.first // WIDTH :]
            for first in range(self.first, end, WIDTH):
                entries = self.export.entries(first // WIDTH, min(WIDTH, end - first))
                self.look(first, entries)
                leaves = [hashlib.sha256(b"\x00" + entry).digest() for entry in entries]
                for size, place, root in [m for m in self.met if first < m[0] <= first + len(leaves)]:
                    if mth([*row, mth(leaves[: size - first])]) != root:
                        self.report.add(place.split("/")[0], place, f"its {size} entries do not begin this log")
                self.hash_tile(0, first // WIDTH, leaves)
                if len(leaves) == WIDTH:
                    row.append(mth(leaves))
                    leaves = []
        except ValueError as e:  # nothing after this can be hashed up to the root
            self.report.add("tile", str(e).partition(": ")[0], str(e))
            return
        tops = row + [mth(leaves)] * bool(leaves)
        true = mth(tops) == self.root  # then the entries are what was signed, and stored hashes are to blame
        for level in range(1, 8):
            for first in range(0, len(row), WIDTH):
                self.hash_tile(level, first // WIDTH, row[first : first + WIDTH])
            row = [mth(row[i : i + WIDTH]) for i in range(0, len(row) // WIDTH * WIDTH, WIDTH)]
        self.report.remarks += [f"{self.backwards} entries are older than the one before"] * bool(self.backwards)
        if not true:
            self.report.add("root", "checkpoint", "the entries do not lead to the root that was signed")
        for code, place, text in self.found:
            if code == "tile" if true else not place.startswith("tile/0/"):
                self.report.add(code, place, text)

    def hash_tile(self, level: int, number: int, true: list[bytes]) -> None:
        """Compares a stored hash tile with what the entries hash to."""
        width, (name, bundle) = len(true), [tile_name(of, number, len(true)) for of in (str(level), "entries")]
        try:
            stored = self.export.hashes(level, number, width)
        except ValueError as e:
            self.report.add("tile", name, str(e).removeprefix(f"{name}: "))
            stored = true
        for i in [i for i in range(width) if stored[i] != true[i]] if stored != true else []:
            self.found.append(("tile", name, f"hash {i} is not that of the entries below it"))
            if level == 0:
                moved = f" (it is that of {number * WIDTH + stored.index(true[i])})" if true[i] in stored else ""
                self.found.append(
                    ("entry", f"entry {number * WIDTH + i}", f"{bundle} holds another entry than was signed{moved}")
                )

    def look(self, first: int, entries: list[bytes]) -> None:
        """The form of entries, and their times: of a bundle at once, and one by one when that is not well."""
        try:
            read = [PARSE(entry.decode())[0] for entry in entries]
            times = [entry["at"] for entry in read if entry.keys() == FIELDS and isinstance(entry["at"], str)]
            well = CANONICAL.encode(read).encode() == b"[" + b",".join(entries) + b"]" and len(times) == len(entries)
        except (ValueError, AttributeError, RecursionError):
            well = False
        if well:
            self.report.first_at = min([self.report.first_at or times[0], *times])
            for at in times:
                self.backwards += at < self.report.last_at
                self.report.last_at = max(self.report.last_at, at)
        elif len(entries) == 1:
            self.report.add("form", f"entry {first}", "is not canonical JSON of at, who, what, on, outcome, detail")
        else:
            for i in range(len(entries)):
                self.look(first + i, entries[i : i + 1])


def read_proof(text: str, vkey: str) -> tuple[int, bytes, str]:
    """Index, entry and checkpoint of a `.tlog-proof`, whose way up to the signed root was checked."""
    head, blank, note = text.partition("\n\n")
    match = re.fullmatch(r"c2sp\.org/tlog-proof@v1\nextra (\S+)\nindex (0|[1-9]\d{0,17})((?:\n\S+)*)", head, re.ASCII)
    if not blank or not match:
        raise ValueError("it is not a tlog-proof with its entry")
    index, entry, size, root = int(match[2]), unbase64(match[1]), *read_checkpoint(note, vkey)[1:]
    found, at, last = hashlib.sha256(b"\0" + entry).digest(), index, size - 1  # RFC 9162 section 2.1.3.2
    for p in map(unbase64, match[3].split()):
        left = at & 1 or at == last
        found = mth([p, found] if left else [found, p])
        while left and at and not at & 1:
            at, last = at >> 1, last >> 1
        at, last = at >> 1, last >> 1
    if index >= size or last != 0 or found != root:
        raise ValueError(f"its entry does not stand at {index} under the root that was signed")
    return index, entry, note


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
    parser.add_argument("path", type=Path, help="exported folder or archive, or one .tlog-proof file with --key")
    parser.add_argument("--key", help="the verifier key you were given, or a file that holds it")
    parser.add_argument("--old", type=Path, action="append", default=[], help="a checkpoint kept from earlier")
    parser.add_argument("--witness", action="append", default=[], help="the key of a witness, or a file that holds it")
    parser.add_argument("--json", action="store_true", help="as JSON")
    given = parser.parse_args(arguments)
    try:
        given_keys = (given.key or "", *given.witness)
        key, *witnesses = [Path(k).read_text("utf-8").strip() if Path(k[:200]).is_file() else k for k in given_keys]
        for vkey in [key] * bool(key) + witnesses:
            read_key(vkey, *((LOG,) if vkey is key else (WITNESS, ML_DSA)))
        if not given.path.exists() or (given.path.suffix == ".tlog-proof" and not key):
            raise ValueError(f"{given.path} is not there, or is a .tlog-proof without --key")
        report = verify(given.path, key, [p.read_text("utf-8") for p in given.old], witnesses)
    except (OSError, ValueError) as e:
        print(f"cannot check: {e}", file=sys.stderr)
        return 2
    print(json.dumps(vars(report), indent=2, default=vars) if given.json else "\n".join(lines_of(report)))
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())

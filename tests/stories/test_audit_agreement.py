"""Random logs, proofs and tamperings, judged by `verify.py` and by Go's golang.org/x/mod/sumdb: the two agree on every one.

A sample of 40 logs; CASEMATE_AUDIT_LOGS=1000 is the whole.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.audit.entry import canonical
from appliance.audit.note import Checkpoint, Verifier, proof_text, signed
from appliance.audit.shelf import Bundles, Shelf
from appliance.audit.tree import WIDTH, Edge, bundle, inclusion_proof, leaf_hash, nodes
from appliance.audit.verify import Export, tile_name, verify
from tests.support import go
from tests.support.auditlog import ORIGIN, Log, sample

LOGS = int(os.environ.get("CASEMATE_AUDIT_LOGS", "40"))
SEED = 20_261_126


@pytest.fixture(scope="module")
def gonote(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if go.missing():
        pytest.skip(go.missing())
    return go.build(tmp_path_factory.mktemp("gonote"))


class Maker:
    """Logs as files, without a store: the same tiles, checkpoints and proofs from the same parts."""

    def __init__(self, home: Path) -> None:
        log = Log(home / "key-of")
        self.private, self.verifier = log.private, log.verifier
        log.close()

    def note(self, size: int, root: bytes) -> str:
        checkpoint = Checkpoint(ORIGIN, size, root)
        return signed(checkpoint, self.verifier, self.private.sign(checkpoint.body()))

    def make(self, folder: Path, entries: list[bytes], stop: int) -> str:
        """Writes the log; returns the checkpoint of its first `stop` entries."""
        shelf, edge, bundles, old = Shelf(folder), Edge(), Bundles(), ""
        for place, entry in enumerate(entries):
            if place == stop:
                old = self.note(place, edge.root())
            for full in [bundles.add(entry, place)]:
                if full:
                    shelf.put(*full)
            for tile in edge.append(leaf_hash(entry)):
                shelf.put(*tile)
        for tile in [*edge.partial(), bundles.partial(len(entries))]:
            if tile:
                shelf.put(*tile)
        shelf.sync()
        (folder / "checkpoint").write_text(self.note(len(entries), edge.root()))
        (folder / "verifier.vkey").write_text(f"{self.verifier.vkey()}\n")
        return old or self.note(len(entries), edge.root())


def flip(rolls: random.Random, out: Path, size: int) -> None:
    """One bit, anywhere in what was exported."""
    path = rolls.choice(sorted(p for p in out.rglob("*") if p.is_file() and p.name not in ("old", "verifier.vkey")))
    octets = bytearray(path.read_bytes())
    at = rolls.randrange(len(octets) * 8)
    octets[at // 8] ^= 1 << at % 8
    path.write_bytes(bytes(octets))


def rewrite(out: Path, size: int, number: int, entries: list[bytes], hashes: bool) -> None:
    width = min(WIDTH, size - number * WIDTH)
    (out / tile_name("entries", number, width)).write_bytes(bundle(entries))
    if hashes:
        (out / tile_name("0", number, width)).write_bytes(b"".join(map(leaf_hash, entries)))


def swap(rolls: random.Random, out: Path, size: int) -> None:
    """Two entries change places, with or without the hashes beside them."""
    number = rolls.randrange(-(-size // WIDTH))
    entries = Export(out).entries(number, min(WIDTH, size - number * WIDTH))
    if len(entries) < 2:
        return flip(rolls, out, size)
    one, two = rolls.sample(range(len(entries)), 2)
    entries[one], entries[two] = entries[two], entries[one]
    return rewrite(out, size, number, entries, rolls.random() < 0.5)


def change(rolls: random.Random, out: Path, size: int) -> None:
    """Another outcome in one entry, with or without the hash beside it."""
    number = rolls.randrange(-(-size // WIDTH))
    entries = Export(out).entries(number, min(WIDTH, size - number * WIDTH))
    one = rolls.randrange(len(entries))
    entries[one] = entries[one].replace(b'"ok"', b'"failed"')
    rewrite(out, size, number, entries, rolls.random() < 0.5)


def cut(rolls: random.Random, out: Path, size: int) -> None:
    """The last entry goes, and the checkpoint says so under the old signature."""
    note = (out / "checkpoint").read_text()
    (out / "checkpoint").write_text(note.replace(f"\n{size}\n", f"\n{size - 1}\n"))


def lose(rolls: random.Random, out: Path, size: int) -> None:
    rolls.choice(sorted(p for p in (out / "tile").rglob("*") if p.is_file())).unlink()


TAMPERINGS: list[Callable[[random.Random, Path, int], None]] = [flip, flip, flip, swap, change, cut, lose]


@pytest.mark.timeout(300 + 2 * LOGS)
def test_both_judge_alike_whatever_was_done_to_a_log(gonote: Path, tmp_path: Path) -> None:
    rolls, maker = random.Random(SEED), Maker(tmp_path)
    vkey = maker.verifier.vkey()
    foreign = Verifier(ORIGIN, b"\x01" * 32).vkey()
    cases: list[tuple[Path | str, ...]] = []
    wanted: list[tuple[bool, str]] = []

    def case(ours: bool, right: bool, why: str, *asked: Path | str) -> None:
        assert ours == right, (SEED, why, asked)
        cases.append(asked)
        wanted.append((right, why))

    for n in range(LOGS):
        size = rolls.choice([rolls.randint(1, 20), rolls.randint(1, 700), rolls.randint(250, 260), 256, 512])
        entries = [canonical(sample(i, log=n)) for i in range(size)]
        stop = rolls.randint(1, size)
        home = tmp_path / str(n)
        out, old = home / "out", home / "old"
        note = maker.make(out, entries, stop)
        old.write_text(note)
        case(verify(out, vkey, [note]).ok, True, "good", out, vkey, old)
        case(verify(out, foreign).ok, False, "foreign key", out, foreign)

        index = rolls.randrange(size)
        node = nodes(size, Shelf(out).read)
        text = proof_text(index, inclusion_proof(index, size, node), (out / "checkpoint").read_text(), entries[index])
        proof = home / "good.tlog-proof"
        proof.write_text(text)
        case(verify(proof, vkey).ok, True, "proof", proof, vkey)
        octets = bytearray(text.encode())
        octets[rolls.randrange(len(octets))] ^= 1 << rolls.randrange(7)
        bent = home / "bent.tlog-proof"
        bent.write_bytes(bytes(octets))
        case(verify(bent, vkey).ok, False, "bent proof", bent, vkey)

        tamper = rolls.choice(TAMPERINGS)
        bad = Path(shutil.copytree(out, home / "bad"))
        tamper(rolls, bad, size)
        case(verify(bad, vkey, [note]).ok, False, tamper.__name__, bad, vkey, old)

        # What the owner of the key can do: go back, or tell another story. Only what was kept outside shows it.
        forked = list(entries)
        forked[rolls.randrange(stop)] = canonical(sample(size + 1, log=n, forked=True))
        fork = home / "fork"
        maker.make(fork, forked, stop)
        case(verify(fork, vkey).ok, True, "fork, nothing kept", fork, vkey)
        case(verify(fork, vkey, [note]).ok, False, "fork", fork, vkey, old)
        if stop > 1:
            short = home / "short"
            maker.make(short, entries[: stop - 1], stop)
            report = verify(short, vkey)
            case(report.ok, True, "replay, nothing kept", short, vkey)
            assert report.witnessed == []
            case(verify(short, vkey, [note]).ok, False, "replay of an old checkpoint", short, vkey, old)
        if (n + 1) % 100 == 0 or n + 1 == LOGS:
            answers = go.run_many(gonote, cases)
            assert len(answers) == len(cases)
            for said, asked, (right, why) in zip(answers, cases, wanted, strict=True):
                assert said.startswith("VERIFIES ") == right, (SEED, why, asked, said)
            cases.clear()
            wanted.clear()
            for folder in tmp_path.iterdir():
                if folder.name.isdigit():
                    shutil.rmtree(folder)


def test_every_single_bit_matters(tmp_path: Path) -> None:
    """A log of two entries: each bit of its entries, hashes, checkpoint and key is flipped once, and each time it is found."""
    maker, out = Maker(tmp_path), tmp_path / "out"
    maker.make(out, [canonical(sample(n)) for n in range(2)], 1)
    vkey, bits = maker.verifier.vkey(), 0
    for path in sorted(p for p in out.rglob("*") if p.is_file()):
        octets = path.read_bytes()
        for bit in range(len(octets) * 8):
            flipped = bytearray(octets)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(bytes(flipped))
            assert not verify(out, vkey).ok, (path, bit)
            bits += 1
        path.write_bytes(octets)
    assert verify(out, vkey).ok
    assert bits > 4_000

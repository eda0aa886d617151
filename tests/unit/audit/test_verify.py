"""The stand-alone verifier: a good export passes, and every way of tampering with one is found and named with its place."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.audit import commands
from appliance.audit import verify as verify_file
from appliance.audit.entry import canonical
from appliance.audit.journal import Call
from appliance.audit.note import Checkpoint, Verifier, proof_text, signed
from appliance.audit.reading import Live
from appliance.audit.shelf import Shelf
from appliance.audit.tree import ENTRIES, WIDTH, Edge, Tile, bundle, inclusion_proof, leaf_hash, nodes, tiles
from appliance.audit.verify import Export, main, verify
from tests.support.auditlog import Log, sample

SIZE = 700
FOREIGN = Verifier("bank.example/audit", b"\x01" * 32).vkey()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of 700 entries; beside it an older checkpoint, a proof and the files of a log that forked."""
    home = tmp_path_factory.mktemp("log")
    log = Log(home)
    log.add(300)
    (home / "old").write_text(log.publish())
    log.add(SIZE - 300)
    log.publish()
    node = nodes(SIZE, log.shelf.read)
    for index in (0, 299, SIZE - 1):
        entry = next(log.journal.entries(index, index + 1))
        text = proof_text(index, inclusion_proof(index, SIZE, node), log.publisher.note, entry)
        (home / f"{index}.tlog-proof").write_text(text)
    log.export(home / "out")
    log.close()
    return home


@pytest.fixture
def out(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original / "out", tmp_path / "out"))


def key_of(original: Path) -> str:
    return (original / "out" / "verifier.vkey").read_text().strip()


def found(folder: Path, **given: Any) -> set[tuple[str, str]]:
    return {(p.code, p.place) for p in verify(folder, **given).problems}


def rewrite(out: Path, number: int, change: Any, hashes: bool = False) -> None:
    """Changes the entries of one bundle, and if asked the hashes beside it."""
    width = min(WIDTH, SIZE - number * WIDTH)
    entries = Export(out).entries(number, width)
    change(entries)
    suffix = f"{number:03d}" + (f".p/{width}" if width < WIDTH else "")
    (out / f"tile/entries/{suffix}").write_bytes(bundle(entries))
    if hashes:
        (out / f"tile/0/{suffix}").write_bytes(b"".join(leaf_hash(e) for e in entries))


# --- good logs ------------------------------------------------------------------------------------------------


def test_a_good_export(original: Path) -> None:
    old = (original / "old").read_text()
    report = verify(original / "out", key_of(original), [old])
    assert report.ok, report
    assert (report.origin, report.size, report.remarks) == ("bank.example/audit", SIZE, [])
    assert report.first_at < report.last_at
    assert verify(original / "out").remarks  # without a key of one's own that is said


def test_it_holds_what_the_contract_says(original: Path) -> None:
    files = {str(p.relative_to(original / "out")) for p in (original / "out").rglob("*") if p.is_file()}
    assert files == {t.path() for t in tiles(SIZE)} | {
        "checkpoint",
        "verifier.vkey",
        "verify.py",
        "cosign.py",
        "README.txt",
    }


def test_its_copy_of_the_verifier_runs_alone(original: Path, tmp_path: Path) -> None:
    """Outside this repo, with nothing of it on the path."""
    command = [
        sys.executable,
        "-I",
        str(original / "out" / "verify.py"),
        str(original / "out"),
        "--key",
        key_of(original),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("VERIFIES\n")


def test_it_imports_nothing_of_the_house() -> None:
    tree = ast.parse(Path(verify_file.__file__).read_text(encoding="utf-8"))
    names = {n.module or "." for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    names |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert {n.split(".")[0] for n in names} <= {*sys.stdlib_module_names, "cryptography"}


def test_small_logs(tmp_path: Path) -> None:
    for size in (1, 2, 255, 256, 257):
        log = Log(tmp_path / str(size))
        log.add(size)
        log.publish()
        assert verify(log.export(tmp_path / f"{size}-out"), log.verifier.vkey()).ok
        log.close()


# --- tampering ------------------------------------------------------------------------------------------------


def test_a_changed_entry(out: Path) -> None:
    rewrite(out, 1, lambda e: e.__setitem__(7, e[7].replace(b'"ok"', b'"no"')))
    assert ("entry", "entry 263") in found(out)
    assert "does not lead" not in str(found(out))


def test_a_changed_entry_with_its_hash(out: Path) -> None:
    """Whoever changes the hash beside it too is caught one level up, within 256 entries of the place."""
    rewrite(out, 1, lambda e: e.__setitem__(7, e[7].replace(b'"ok"', b'"no"')), hashes=True)
    assert found(out) == {("root", "checkpoint"), ("tile", "tile/1/000.p/2")}
    assert any("hash 1 is not" in p.text for p in verify(out).problems)


def test_swapped_entries(out: Path) -> None:
    def swap(entries: list[bytes]) -> None:
        entries[3], entries[200] = entries[200], entries[3]

    rewrite(out, 0, swap)
    problems = {p.place: p.text for p in verify(out).problems}
    assert "it is that of 200" in problems["entry 3"]
    assert "it is that of 3" in problems["entry 200"]


def test_a_removed_entry(out: Path) -> None:
    rewrite(out, 0, lambda e: e.pop(9) and e.append(b"{}"))
    assert ("entry", "entry 9") in found(out)


def test_a_bundle_cut_short(out: Path) -> None:
    path = out / "tile/entries/001"
    path.write_bytes(path.read_bytes()[:-1])
    assert found(out) == {("tile", "tile/entries/001")}
    rewrite_all = b"".join(len(e).to_bytes(2, "big") + e for e in Export(out).entries(0, WIDTH)[:-1])
    (out / "tile/entries/000").write_bytes(rewrite_all)
    assert any("holds 255 entries instead of 256" in p.text for p in verify(out).problems)


@pytest.mark.parametrize(
    "tile", ["tile/entries/000", "tile/0/001", "tile/1/000.p/2", "tile/entries/002.p/188", "tile/0/002.p/188"]
)
def test_a_missing_tile(out: Path, tile: str) -> None:
    (out / tile).unlink()
    assert any(tile in f"{p.place} {p.text}" and "missing" in p.text for p in verify(out).problems)


def test_in_a_log_that_grows_a_full_tile_stands_for_the_partial_one(out: Path) -> None:
    for level in ("0", "entries"):
        partial = out / f"tile/{level}/002.p/188"
        more = bytes(32 * 68) if level == "0" else b"\0\1x" * 68
        (out / f"tile/{level}/002").write_bytes(partial.read_bytes() + more)
        partial.unlink()
    assert verify(Live(out, (out / "checkpoint").read_text())).ok  # as on the box, whose log grows under the check
    assert {place for _, place in found(out)} >= {"tile/entries/002.p/188"}  # in an export each is there


def test_a_damaged_hash_tile_is_told_from_a_changed_entry(out: Path) -> None:
    path = out / "tile/0/001"
    data = bytearray(path.read_bytes())
    data[32 * 5] ^= 1
    path.write_bytes(bytes(data))
    (problem,) = verify(out).problems
    assert (problem.code, problem.place) == ("tile", "tile/0/001")
    assert problem.text.startswith("hash 5 ")


def test_another_key(out: Path, original: Path) -> None:
    assert ("key", "verifier.vkey") in found(out, key=FOREIGN)
    (out / "verifier.vkey").write_text(FOREIGN + "\n")
    assert ("checkpoint", "checkpoint") in found(out)
    assert ("key", "verifier.vkey") in found(out, key=key_of(original))


def test_everything_rewritten_under_another_key(tmp_path: Path, original: Path) -> None:
    log = Log(tmp_path, seed=b"\x09" * 32)
    log.add(SIZE)
    log.publish()
    forged = log.export(tmp_path / "out")
    log.close()
    assert verify(forged).ok  # true to itself
    assert {c for c, _ in found(forged, key=key_of(original))} == {"key", "checkpoint"}


def test_a_log_rewritten_by_the_owner_of_the_key_fails_against_an_older_checkpoint(
    tmp_path: Path, original: Path
) -> None:
    log = Log(tmp_path)
    other = Export(original / "out").entries(0, WIDTH)[0].replace(b'"ok"', b'"failed"')
    log.size = log.journal.commit(0, [Call("", 0, [other])])[-1].size
    log.add(SIZE - 1)
    log.publish()
    forged = log.export(tmp_path / "out")
    log.close()
    old = (original / "old").read_text()
    assert verify(forged, key_of(original)).ok
    assert found(forged, key=key_of(original), old=[old]) == {("old", "old")}


def test_a_log_cut_off_at_its_end_fails_against_a_newer_checkpoint(tmp_path: Path, original: Path) -> None:
    log = Log(tmp_path)
    log.add(200)
    log.publish()
    short = log.export(tmp_path / "out")
    log.close()
    (problem,) = verify(short, key_of(original), [(original / "old").read_text()]).problems
    assert "cut off" in problem.text


def test_a_missing_checkpoint_or_key(out: Path) -> None:
    (out / "checkpoint").unlink()
    assert found(out) == {("checkpoint", "checkpoint")}
    (out / "verifier.vkey").unlink()
    assert found(out) == {("key", "verifier.vkey")}


def test_entries_of_the_wrong_form(tmp_path: Path) -> None:
    """A log that was signed and whose hashes are right, of entries that no auditor process would have taken."""
    odd = ['{"b":1, "a":2}', '{"a":1,"a":2}', "[]", '{"at":"x"}', "\u2028", "nonsense", "[" * 10_000, '{"a":NaN}']
    shelf, edge, log = Shelf(tmp_path), Edge(), Log(tmp_path / "unused")
    for text in odd:
        edge.append(leaf_hash(text.encode()))
    for tile, data in [*edge.partial(), (Tile(ENTRIES, 0, len(odd)), bundle(t.encode() for t in odd))]:
        shelf.put(tile, data)
    checkpoint = Checkpoint("bank.example/audit", len(odd), edge.root())
    shelf.write(tmp_path / "checkpoint", signed(checkpoint, log.verifier, log.private.sign(checkpoint.body())).encode())
    shelf.write(tmp_path / "verifier.vkey", f"{log.verifier.vkey()}\n".encode())
    assert found(tmp_path) == {("form", f"entry {i}") for i in range(len(odd))}
    log.close()


def test_times_that_go_back_are_a_remark(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.size = log.journal.commit(0, [Call("", 0, [canonical(sample(n)) for n in (5, 3, 9)])])[-1].size
    log.publish()
    report = verify(log.folder, log.verifier.vkey())
    assert report.ok
    assert report.remarks == ["1 entries are older than the one before"]
    log.close()


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_bit_flipped_anywhere(original: Path, data: st.DataObject) -> None:
    """A sample; the stories flip every bit of a small log."""
    out = original / "out"
    files = sorted(p for p in out.rglob("*") if p.is_file() and p.name not in ("verify.py", "cosign.py", "README.txt"))
    path = data.draw(st.sampled_from(files))
    before = path.read_bytes()
    bit = data.draw(st.integers(0, len(before) * 8 - 1))
    flipped = bytearray(before)
    flipped[bit // 8] ^= 1 << bit % 8
    path.write_bytes(bytes(flipped))
    try:
        report = verify(out)
    finally:
        path.write_bytes(before)
    assert not report.ok
    name = str(path.relative_to(out))
    assert name in " ".join(f"{p.place} {p.text}" for p in report.problems), (name, report.problems[:3])


@given(st.binary(max_size=3_000))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_octets_in_any_file(original: Path, junk: bytes) -> None:
    out = original / "out"
    for name in ("checkpoint", "verifier.vkey", "tile/0/001", "tile/entries/001", "tile/1/000.p/2"):
        path = out / name
        before = path.read_bytes()
        path.write_bytes(junk)
        try:
            assert not verify(out).ok
        finally:
            path.write_bytes(before)


# --- proofs and the command -----------------------------------------------------------------------------------


def test_a_proof_of_another_key(original: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(original / "0.tlog-proof"), "--key", FOREIGN]) == 1
    assert "no signature" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [("index 299", "index 298"), ("extra ", "extra AAAA"), ("c2sp", "c3sp"), ("\n\n", "\n"), ("\n700\n", "\n701\n")],
)
def test_a_changed_proof(original: Path, tmp_path: Path, change: tuple[str, str]) -> None:
    text = (original / "299.tlog-proof").read_text()
    path = tmp_path / "x.tlog-proof"
    path.write_text(text.replace(*change, 1))
    assert main([str(path), "--key", key_of(original)]) == 1


def test_exit_codes(original: Path, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "key"
    key.write_text(key_of(original) + "\n")
    assert main([str(out), "--key", str(key), "--old", str(original / "old")]) == 0
    assert capsys.readouterr().out.endswith("VERIFIES\n")
    for index in (0, 299, SIZE - 1):
        assert main([str(original / f"{index}.tlog-proof"), "--key", key_of(original)]) == 0
    assert "entry 299  {" in capsys.readouterr().out
    assert main([str(out), "--json"]) == 0
    assert '"ok": true' in capsys.readouterr().out
    (out / "tile/0/000").unlink()
    assert main([str(out)]) == 1
    assert "PROBLEM  [tile] tile/0/000: is missing" in capsys.readouterr().out
    assert main([str(tmp_path / "nowhere")]) == 2
    assert main([str(out), "--key", "nonsense"]) == 2
    assert main([str(out), "--old", str(tmp_path / "nowhere")]) == 2
    assert main([str(original / "299.tlog-proof")]) == 2
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2


def test_the_command_line_uses_the_same(original: Path) -> None:
    printed = commands.verify(original / "out", key_of(original), [original / "old"])
    assert printed.ok
    assert printed.lines[-1] == "VERIFIES"
    assert printed.result["size"] == SIZE


def test_the_root_in_it_is_the_root_of_the_log() -> None:
    edge, row, leaves = Edge(), list[bytes](), list[bytes]()
    for i in range(1, 70_000):
        leaves.append(leaf_hash(b"%d" % i))
        edge.append(leaves[-1])
        if len(leaves) == WIDTH:
            row.append(verify_file.mth(leaves))
            leaves = []
        if i < 600 or i % 997 == 0 or i in (65_535, 65_536, 65_537):
            assert verify_file.mth(row + [verify_file.mth(leaves)] * bool(leaves)) == edge.root(), i

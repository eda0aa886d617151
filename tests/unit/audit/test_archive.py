"""The export as one file: what it holds, that it is the same each time, and that every way of tampering with it is named."""

from __future__ import annotations

import csv
import hashlib
import io
import random
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.audit.archive import FOLDER, Archive
from appliance.audit.journal import Sought
from appliance.audit.note import Verifier, signature_line
from appliance.audit.tree import tiles
from appliance.audit.verify import MANIFEST, SIGNED, main, verify
from appliance.errors import Error
from tests.support.auditlog import ORIGIN, Log

SIZE = 530


class Made:
    """Two archives of one log, of its first 300 entries and of all, one of chosen entries, and one of a log that forked."""

    def __init__(self, home: Path) -> None:
        log = Log(home / "log")
        log.add(300)
        self.note = log.publish()
        self.old = log.archive(home / "old.tar")
        log.add(SIZE - 300)
        log.publish()
        self.whole = log.archive(home / "whole.tar")
        self.chosen = log.archive(home / "chosen.tar", Sought(on="batch:2a"))
        self.key, self.private, self.verifier = log.verifier.vkey(), log.private, log.verifier
        self.log = log
        other = Log(home / "other", seed=b"\x08" * 32)
        other.add(SIZE)
        other.publish()
        self.foreign = other.archive(home / "foreign.tar")
        self.foreign_key = other.verifier
        self.foreign_private = other.private
        other.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("archives"))


def members(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        return {m.name.removeprefix(f"{FOLDER}/"): tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]


def packed(file: Path, content: dict[str, bytes]) -> Path:
    with tarfile.open(file, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, octets in content.items():
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size = len(octets)
            tar.addfile(member, io.BytesIO(octets))
    return file


def manifest_of(content: dict[str, bytes]) -> bytes:
    listed = (n for n in content if n not in (MANIFEST, SIGNED))
    return "".join(f"{hashlib.sha256(content[n]).hexdigest()}  {n}\n" for n in listed).encode()


def test_it_verifies_alone_and_offline(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = verify(made.whole, made.key, [made.note])
    assert report.ok, report.problems
    assert (report.size, report.remarks) == (SIZE, [])
    held = members(made.whole)
    assert held.keys() >= {t.path() for t in tiles(SIZE)} | {"checkpoint", "verifier.vkey", "verify.py", "README.txt"}
    (tmp_path / "verify.py").write_bytes(held["verify.py"])
    command = [sys.executable, "-I", "verify.py", str(made.whole), "--key", made.key]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.endswith("VERIFIES\n"), done.stdout + done.stderr


def test_other_peoples_tools_read_it(made: Made, tmp_path: Path) -> None:
    subprocess.run(["tar", "xf", str(made.whole)], cwd=tmp_path, check=True, timeout=60)
    folder = tmp_path / FOLDER
    subprocess.run(["sha256sum", "--quiet", "--strict", "-c", MANIFEST], cwd=folder, check=True, timeout=60)
    assert verify(folder, made.key).ok
    (folder / "README.txt").write_text("another")
    assert [(p.code, p.place) for p in verify(folder, made.key).problems] == [("manifest", "README.txt")]


def test_the_same_log_gives_the_same_octets(made: Made, tmp_path: Path) -> None:
    assert made.log.archive(tmp_path / "again.tar").read_bytes() == made.whole.read_bytes()


def test_chosen_entries_come_with_their_proofs(made: Made) -> None:
    report = verify(made.chosen, made.key, [made.note, made.log.publisher.note])
    assert report.ok, report.problems
    assert "1 entries are proven one by one, in proofs/" in report.remarks
    assert any("300 entries are not in here" in r for r in report.remarks)
    held = members(made.chosen)
    assert not any(name.startswith("tile/") for name in held)
    (row,) = csv.DictReader(io.StringIO(held["entries.csv"].decode()))
    assert (row["entry"], row["on"], row["event"]) == ("42", "batch:2a", "batch.committed")
    assert held["proofs/42.tlog-proof"].startswith(b"c2sp.org/tlog-proof@v1\nextra ")
    with pytest.raises(Error) as caught:
        made.log.archive(made.chosen.parent / "none.tar", Sought(who="console:nobody"))
    assert caught.value.code == "not_found"
    assert not list(made.chosen.parent.glob(".none*"))


def test_nothing_is_written_over_and_nothing_half_is_left(made: Made, tmp_path: Path) -> None:
    (tmp_path / "there.tar").write_text("")
    for name in ("there.tar", "no/folder.tar"):
        with pytest.raises(Error) as caught:
            made.log.archive(tmp_path / name)
        assert caught.value.code == "file_invalid"
    left = Archive(tmp_path / "dropped.tar")
    left.add("checkpoint", b"x")
    left.drop()
    assert {p.name for p in tmp_path.iterdir()} == {"there.tar"}


# --- tampering ------------------------------------------------------------------------------------------------


def resigned(made: Made, held: dict[str, bytes], verifier: Verifier | None = None) -> dict[str, bytes]:
    """With a manifest that fits, signed by somebody who is not the log."""
    held = {**held, MANIFEST: manifest_of(held)}
    digest = hashlib.sha256(held[MANIFEST]).hexdigest()
    statement = f"casemate audit export v1\n{ORIGIN}\n{SIZE}\n{digest}\n".encode()
    line = signature_line(verifier or made.verifier, made.foreign_private.sign(statement))
    return {**held, SIGNED: statement + b"\n" + line.encode()}


def changed(held: dict[str, bytes]) -> dict[str, bytes]:
    name = "tile/entries/000"
    return {**held, name: held[name].replace(b'"ok"', b'"no"', 1)}


def without(held: dict[str, bytes], name: str) -> dict[str, bytes]:
    return {n: c for n, c in held.items() if n != name}


def swapped(held: dict[str, bytes]) -> dict[str, bytes]:
    return {**held, "tile/entries/000": held["tile/entries/001"], "tile/entries/001": held["tile/entries/000"]}


def renamed(held: dict[str, bytes]) -> dict[str, bytes]:
    return {("tile/0/009" if n == "tile/0/001" else n): c for n, c in held.items()}


#: What somebody does to the files of an archive -> what is said of it.
TAMPERINGS: dict[str, tuple[Callable[[Made, dict[str, bytes]], dict[str, bytes]], str]] = {
    "an entry changed": (lambda m, h: changed(h), "tile/entries/000: is not the file that was signed"),
    "a file left out": (lambda m, h: without(h, "tile/0/001"), "tile/0/001: is not in the archive"),
    "a file put in": (lambda m, h: {**h, "more.txt": b"x"}, "more.txt: is not in the manifest"),
    "two files swapped": (lambda m, h: swapped(h), "tile/entries/001: is not the file that was signed"),
    "a file renamed": (lambda m, h: renamed(h), "tile/0/009: is not in the manifest"),
    "a manifest that fits": (
        lambda m, h: {**changed(h), MANIFEST: manifest_of(changed(h))},
        "was signed for another manifest",
    ),
    "signed by another": (lambda m, h: resigned(m, changed(h)), "is not what the key bank.example/audit signed"),
    "signed under another name": (lambda m, h: resigned(m, changed(h), m.foreign_key), "by another key"),
    "no signature": (lambda m, h: without(h, SIGNED), "manifest.note: is missing"),
    "no manifest": (lambda m, h: without(h, MANIFEST), "manifest.sha256: is missing"),
    "an older checkpoint": (lambda m, h: {**h, "checkpoint": m.note.encode()}, "was signed for another manifest"),
    "an older archive's manifest": (
        lambda m, h: {**h, **{n: members(m.old)[n] for n in (MANIFEST, SIGNED)}},
        "was signed for another manifest",
    ),
    "another log's files": (lambda m, h: members(m.foreign), "is not the key you gave"),
    "the verifier replaced": (lambda m, h: {**h, "verify.py": b"print('VERIFIES')"}, "verify.py: is not the file"),
    "chosen: a proof left out": (lambda m, h: without(members(m.chosen), "proofs/42.tlog-proof"), "is not in the arch"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_refused_with_the_reason(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    tamper, said = TAMPERINGS[name]
    file = packed(tmp_path / "bad.tar", tamper(made, members(made.whole)))
    assert main([str(file), "--key", made.key]) == 1
    assert said in capsys.readouterr().out


def link(tar: tarfile.TarFile) -> None:
    member = tarfile.TarInfo(f"{FOLDER}/link")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    tar.addfile(member)


def twice(tar: tarfile.TarFile) -> None:
    member = tarfile.TarInfo(f"{FOLDER}/checkpoint")
    tar.addfile(member, io.BytesIO())


def outside(tar: tarfile.TarFile) -> None:
    tar.addfile(tarfile.TarInfo("../checkpoint"), io.BytesIO())


def owned(tar: tarfile.TarFile) -> None:
    member = tarfile.TarInfo(f"{FOLDER}/extra")
    member.uid, member.mtime = 1000, 1
    tar.addfile(member, io.BytesIO())


@pytest.mark.parametrize("add", [link, twice, outside, owned])
def test_members_that_the_appliance_never_writes(made: Made, tmp_path: Path, add: Callable[..., None]) -> None:
    file = Path(shutil.copy(made.whole, tmp_path / "bad.tar"))
    with tarfile.open(file, "a", format=tarfile.USTAR_FORMAT) as tar:
        add(tar)
    problems = [(p.code, p.text) for p in verify(file, made.key).problems]
    assert problems and "it is not an archive as the appliance writes it" in str(problems), problems


def test_cut_short_or_added_to(made: Made, tmp_path: Path) -> None:
    octets = made.whole.read_bytes()
    for n, bad in enumerate(
        (octets[:-1], octets[: len(octets) // 2], octets + bytes(512), octets + b"x", b"", b"x" * 99)
    ):
        file = tmp_path / f"{n}.tar"
        file.write_bytes(bad)
        report = verify(file, made.key)
        assert not report.ok and report.problems[0].code in ("archive", "manifest", "key"), (n, report.problems)


def test_a_bit_flipped_anywhere_is_found(made: Made, tmp_path: Path) -> None:
    """Headers, padding and end of the file as well as what it holds: a sample of each."""
    octets, rolls, file = made.chosen.read_bytes(), random.Random(20_261_126), tmp_path / "bad.tar"
    places = {rolls.randrange(len(octets) * 8) for _ in range(40)} | {8 * at + at % 8 for at in range(0, 512, 5)}
    for place in places:
        bad = bytearray(octets)
        bad[place // 8] ^= 1 << place % 8
        file.write_bytes(bad)
        assert not verify(file, made.key).ok, place


def test_the_signature_is_no_checkpoint(made: Made) -> None:
    """Whoever has the one can never pass it off as the other."""
    from appliance.audit.note import open_checkpoint

    with pytest.raises(Error):
        open_checkpoint(members(made.whole)[SIGNED].decode(), made.verifier)

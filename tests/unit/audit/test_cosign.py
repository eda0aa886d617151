"""The witness: cosigns what only grew, refuses what was rewritten; the box takes back, exports and checks what came of it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.audit import cosign
from appliance.audit.cosign import ML_DSA, Refused, Wrong, check, extends, line_of, new_key, read_checkpoint, vkey
from appliance.audit.entry import canonical
from appliance.audit.journal import Call
from appliance.audit.reading import Reading
from appliance.audit.tree import Edge, consistency_proof, leaf_hash
from appliance.audit.tree import extends as house_extends
from appliance.audit.verify import lines_of, main, verify
from appliance.audit.witness import Witnesses, check_witnesses
from appliance.errors import Error
from tests.support.auditlog import Log, sample

NAME = "officer.bank.example"


class Officer:
    """Somebody with a PC: a key file, a passphrase file, a folder of their own."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "pin").write_text("correct horse\n")
        self.words = ["--name", NAME, "--key", str(folder / "key"), "--pin-file", str(folder / "pin")]
        assert cosign.main(["new", *self.words, *more]) == 0

    def sign(self, request: str, log_key: str) -> int:
        (self.folder / "request").write_text(request)
        state = ["--state", str(self.folder / "state"), "--log-key", log_key]
        return cosign.main(["sign", str(self.folder / "request"), *state, *self.words])

    @property
    def cosigned(self) -> str:
        return (self.folder / "request.cosigned").read_text()


@pytest.fixture(params=["--ed25519", "--ml-dsa"])
def officer(tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> tuple[Officer, str]:
    officer = Officer(tmp_path / "officer", *([request.param] if request.param == "--ml-dsa" else []))
    return officer, capsys.readouterr().out.strip().split("\n")[-1]


def request_of(log: Log, witnesses: Witnesses, old: int | None = None) -> str:
    assert log.publisher.checkpoint is not None
    return witnesses.request(old, log.publisher.checkpoint, log.publisher.note)


def taken(log: Log, witnesses: Witnesses, note: str) -> int:
    assert log.publisher.checkpoint is not None
    return witnesses.take(note, log.verifier, log.publisher.checkpoint).size


def test_a_log_that_grows_is_cosigned_again_and_again(
    tmp_path: Path, officer: tuple[Officer, str], capsys: pytest.CaptureFixture[str]
) -> None:
    who, key = officer
    log = Log(tmp_path / "box")
    witnesses = Witnesses(log.shelf.folder, check_witnesses([key]))
    for count in (1, 299, 400):
        log.add(count)
        log.publish()
        assert who.sign(request_of(log, witnesses), log.verifier.vkey()) == 0, capsys.readouterr().err
        assert taken(log, witnesses, who.cosigned) == log.size
    vouched = witnesses.vouched()
    assert vouched is not None and (vouched.size, vouched.name) == (700, NAME)
    log.add(50)
    log.publish()
    assert log.publisher.checkpoint is not None
    reading = Reading(log.publisher.journal, log.shelf, witnesses)
    reading.export(str(tmp_path / "out"), log.publisher.checkpoint, log.publisher.note)
    report = verify(tmp_path / "out", log.verifier.vkey(), [], [key])
    assert report.ok, report
    assert [size for size, _, _ in report.witnessed] == [1, 300, 700]
    assert any(f"50 entries, from 700 on, are unwitnessed since {vouched.at}" in line for line in lines_of(report))
    assert (
        main(
            [
                str(tmp_path / "out"),
                "--key",
                log.verifier.vkey(),
                "--witness",
                key,
                "--old",
                str(who.folder / "request.cosigned"),
            ]
        )
        == 0
    )
    assert "officer.bank.example cosigned 700 entries at " in capsys.readouterr().out
    forged = tmp_path / "out/cosigned/00000000000000000700"
    text = forged.read_text()
    forged.write_text(text[:-12] + ("A" if text[-12] != "A" else "B") + text[-11:])
    assert {p.code for p in verify(tmp_path / "out", log.verifier.vkey(), [], [key]).problems} == {"cosigned"}
    log.close()


def test_a_rewritten_log_is_not_cosigned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    who = Officer(tmp_path / "officer")
    key = capsys.readouterr().out.strip().split("\n")[-1]
    log, other = Log(tmp_path / "box"), Log(tmp_path / "other")
    log.add(300)
    log.publish()
    assert who.sign(request_of(log, Witnesses(log.shelf.folder, [key])), log.verifier.vkey()) == 0
    changed = canonical({**sample(0), "outcome": "failed"})
    other.size = other.journal.commit(0, [Call("", 0, [changed])])[-1].size
    other.add(399)
    other.publish()
    theirs = Witnesses(other.shelf.folder, [key])
    assert who.sign(request_of(other, theirs, 300), other.verifier.vkey()) == 1
    assert "it was rewritten" in capsys.readouterr().err
    assert who.sign(request_of(other, theirs, 0), other.verifier.vkey()) == 2
    assert "casemate audit request --old 300" in capsys.readouterr().err
    with pytest.raises(Error) as caught:  # and the box says so when it is brought back
        taken(other, theirs, who.cosigned)
    assert caught.value.code == "audit_invalid"
    report = verify(other.folder, other.verifier.vkey(), [who.cosigned], [key])
    assert [(p.code, p.text) for p in report.problems] == [("old", "its 300 entries do not begin this log")]
    log.close()
    other.close()


def test_a_log_that_shrank_is_not_cosigned(tmp_path: Path) -> None:
    log, short = Log(tmp_path / "box"), Log(tmp_path / "short")
    log.add(300)
    log.publish()
    short.add(200)
    short.publish()
    last = read_checkpoint(log.publisher.note, log.verifier.vkey())
    with pytest.raises(Refused, match="entries are gone"):
        check(request_of(short, Witnesses(short.shelf.folder, []), 200), short.verifier.vkey(), last)
    log.close()
    short.close()


@pytest.mark.parametrize(
    "change",
    [("old ", "older "), ("\n\n", "\n"), ("\n300\n", "\n301\n"), ("bank.example", "bank.sample"), ("\u2014 ", "- ")],
)
def test_what_is_no_request_is_refused(tmp_path: Path, change: tuple[str, str]) -> None:
    log = Log(tmp_path / "box")
    log.add(300)
    log.publish()
    with pytest.raises(Refused):
        check(request_of(log, Witnesses(log.shelf.folder, [])).replace(*change, 1), log.verifier.vkey(), None)
    with pytest.raises(Wrong):
        check(request_of(log, Witnesses(log.shelf.folder, [])), "nonsense", None)
    log.close()


def test_what_comes_back_without_a_known_witness_is_refused(tmp_path: Path) -> None:
    log = Log(tmp_path / "box")
    log.add(3)
    log.publish()
    key = new_key(tmp_path / "key", b"x", False)
    checkpoint = read_checkpoint(log.publisher.note, log.verifier.vkey())
    note = log.publisher.note + line_of(checkpoint, NAME, key, 1_763_836_207)
    for vkeys, text in (
        ([], note),
        ([vkey(NAME, 4, key.public)], log.publisher.note),
        ([], "nonsense"),
        ([], "x" * 70_000),
    ):
        with pytest.raises(Error) as caught:
            taken(log, Witnesses(log.shelf.folder, vkeys), text)
        assert caught.value.code in ("invalid", "too_large")
    with pytest.raises(Error) as caught:
        check_witnesses([log.verifier.vkey()])
    assert caught.value.code == "settings_invalid"
    assert taken(log, Witnesses(log.shelf.folder, [vkey(NAME, 4, key.public)]), note) == 3
    log.close()


def test_two_witnesses_of_one_checkpoint_stand_in_one_note(tmp_path: Path) -> None:
    log = Log(tmp_path / "box")
    log.add(3)
    log.publish()
    checkpoint = read_checkpoint(log.publisher.note, log.verifier.vkey())
    one, two = new_key(tmp_path / "1", b"x", False), new_key(tmp_path / "2", b"x", True)
    keys = [vkey("one", 4, one.public), vkey("two", ML_DSA, two.public)]
    witnesses = Witnesses(log.shelf.folder, keys)
    taken(log, witnesses, log.publisher.note + line_of(checkpoint, "one", one, 1_763_836_207))
    taken(log, witnesses, log.publisher.note + line_of(checkpoint, "two", two, 1_763_836_300))
    (path,) = witnesses.notes()
    assert path.read_text().count("\u2014") == 3
    report = verify(log.folder, log.verifier.vkey(), [], keys)
    assert sorted(name for _, _, name in report.witnessed) == ["one", "two"]
    log.close()


def test_what_is_kept_of_a_witness_leaves_what_the_publisher_has_begun(tmp_path: Path) -> None:
    """Each in a thread of its own: drafts of one that the other settles appear half, or are given up with its."""
    log = Log(tmp_path / "box")
    log.add(3)
    log.publish()
    one = new_key(tmp_path / "1", b"x", False)
    witnesses = Witnesses(log.shelf.folder, [vkey(NAME, 4, one.public)])
    begun = log.shelf.folder / "begun"
    log.shelf.put_file(begun, b"tile")
    checkpoint = read_checkpoint(log.publisher.note, log.verifier.vkey())
    assert taken(log, witnesses, log.publisher.note + line_of(checkpoint, NAME, one, 1_763_836_207)) == 3
    assert not begun.exists()
    log.shelf.sync()
    assert begun.read_bytes() == b"tile"
    log.close()


def test_its_consistency_check_is_that_of_the_log() -> None:
    edge, roots = Edge(), []
    hashes = [leaf_hash(b"%d" % i) for i in range(40)]
    for h in hashes:
        edge.append(h)
        roots.append(edge.root())

    def node(height: int, index: int) -> bytes:
        sub = Edge()
        for h in hashes[index << height : (index + 1) << height]:
            sub.append(h)
        return sub.root()

    for size in range(1, 40):
        for old in range(1, size + 1):
            proof = consistency_proof(old, size, node)
            assert extends(old, roots[old - 1], size, roots[size - 1], proof)
            assert house_extends(old, roots[old - 1], size, roots[size - 1], proof)
            assert not extends(old, roots[old], size, roots[size - 1], proof)
            if proof:
                assert not extends(old, roots[old - 1], size, roots[size - 1], proof[:-1])


def test_it_runs_alone(tmp_path: Path) -> None:
    source = Path(cosign.__file__)
    tree = ast.parse(source.read_text(encoding="utf-8"))
    names = {n.module or "." for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    names |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert {n.split(".")[0] for n in names} <= {*sys.stdlib_module_names, "cryptography", "pkcs11"}
    alone = subprocess.run(
        [sys.executable, "-I", str(source), "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert alone.returncode == 0 and "check and cosign" in alone.stdout


def test_a_verifier_report_is_plain_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(tmp_path)
    log.add(1)
    log.publish()
    main([str(log.folder), "--json"])
    assert json.loads(capsys.readouterr().out)["ok"] is True
    log.close()

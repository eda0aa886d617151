"""What goes into a backup and what comes out: everything that matters, nothing that has no business there, nothing unnoticed."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path

import pytest

from appliance.backup import Bucket, age, archive, bucket_of, create, place_of, restore, target_of
from appliance.backup.bucket import credentials
from appliance.backup.carry import Target, carry
from appliance.errors import Error
from appliance.store import open_store, snapshot, sound

SECRET, PUBLIC = age.generate()
AT = 1_770_000_000_000


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state folder with a store that somebody has open, and what lies about."""
    home = tmp_path / "home"
    for name in (
        "run/keys.sock",
        "log/keys.log",
        "hsm/pin",
        "recovery/key.json",
        "backup/old.age",
        "settings/casemate.toml",
    ):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(name)
    (home / "audit/log/tile/0").mkdir(parents=True)
    (home / "audit/log/checkpoint").write_text("x")
    (home / "audit/log/tile/0/000").write_text("x")
    (home / "demo.env").write_text("x")
    (home / "link").symlink_to(home / "hsm/pin")
    for name in ("audit/audit.db", "store/messages-2026-11-26.db", "keys/keys.db", "access.db"):
        conn = open_store(home / name)
        conn.execute("CREATE TABLE t (v)")
        conn.execute("INSERT INTO t VALUES (1)")
    return home


def test_what_is_chosen_and_in_which_order(home: Path) -> None:
    names = [path.as_posix() for path in archive.chosen(home, archive.STATE)]
    assert names[0] == "audit/log/checkpoint"
    assert names[-1] == "audit/audit.db"
    assert set(names) == {
        *("audit/log/checkpoint", "audit/log/tile/0/000", "audit/audit.db", "store/messages-2026-11-26.db"),
        *("access.db", "settings/casemate.toml"),
    }
    assert [path.as_posix() for path in archive.chosen(home, archive.KEYS)] == ["keys/keys.db"]


def test_it_comes_back_and_says_so(home: Path, tmp_path: Path) -> None:
    writer = open_store(home / "access.db")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO t VALUES (2)")  # not committed: not in the copy
    made = create(home, tmp_path / "out", archive.STATE, [PUBLIC], AT)
    writer.execute("ROLLBACK")
    assert (made.files, made.path.name) == (6, "casemate-20260202T024000Z.state.age")
    assert made.octets == made.path.stat().st_size
    assert [p.name for p in (tmp_path / "out").iterdir()] == [made.path.name]
    with made.path.open("rb") as file:
        out = restore(file, age.identity(SECRET), tmp_path / "new")
    assert (out.kind, out.files, out.stores, out.wrong) == ("state", 6, 3, ())
    conn = open_store(tmp_path / "new/access.db", read_only=True)
    assert conn.execute("SELECT count(*) FROM t").fetchone() == (1,)
    with made.path.open("rb") as file, pytest.raises(Error, match="already there"):
        restore(file, age.identity(SECRET), tmp_path / "new")


def test_without_recipients_there_is_none(home: Path, tmp_path: Path) -> None:
    with pytest.raises(Error, match=r"backup\.recipients"):
        create(home, tmp_path, archive.STATE, [], AT)
    with pytest.raises(Error, match="recipient"):
        create(home, tmp_path, archive.STATE, ["age1nobody"], AT)


def test_a_store_that_is_damaged_leaves_no_half_a_backup(home: Path, tmp_path: Path) -> None:
    (home / "bad.db").write_text("not a database at all, and long enough to be read as one " * 99)
    with pytest.raises(Error) as e:
        create(home, tmp_path / "out", archive.STATE, [PUBLIC], AT)
    assert e.value.code == "store_damaged"
    assert list((tmp_path / "out").iterdir()) == []


def packed(members: dict[str, bytes], listed: dict[str, str] | None) -> io.BytesIO:
    """An archive somebody else made."""
    out = io.BytesIO()
    with age.Writer(out, [age.recipient(PUBLIC)]) as sealed, tarfile.open(fileobj=sealed, mode="w|") as tar:  # type: ignore[call-overload]
        texts = dict(members)
        if listed is not None:
            texts["manifest.json"] = json.dumps({"format": 1, "kind": "state", "at": "", "files": listed}).encode()
        for name, text in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
    out.seek(0)
    return out


@pytest.mark.parametrize("name", ["../escape", "/etc/passwd", "hsm/pin", "run/keys.sock", "a/../../b"])
def test_nothing_is_written_where_it_does_not_belong(tmp_path: Path, name: str) -> None:
    with pytest.raises(Error, match="does not belong"):
        restore(packed({name: b"x"}, {}), age.identity(SECRET), tmp_path / "new")


def test_what_differs_from_the_list_is_said(tmp_path: Path) -> None:
    out = restore(
        packed({"a": b"x", "b.db": b"x" * 5000}, {"a": "00", "c": "00"}), age.identity(SECRET), tmp_path / "new"
    )
    assert [line.split(":")[0] for line in out.wrong] == ["a", "b.db", "c", "b.db"]
    with pytest.raises(Error, match="no list"):
        restore(packed({"a": b"x"}, None), age.identity(SECRET), tmp_path / "other")


def test_a_copy_is_one_file_and_sound(home: Path, tmp_path: Path) -> None:
    snapshot(home / "access.db", tmp_path / "copy.db")
    assert sound(tmp_path / "copy.db") == ""
    assert not (tmp_path / "copy.db-wal").exists()
    octets = bytearray((tmp_path / "copy.db").read_bytes())
    octets[4096:4200] = bytes(104)
    (tmp_path / "copy.db").write_bytes(octets)
    assert sound(tmp_path / "copy.db") != ""


def test_targets() -> None:
    assert target_of("sftp://casemate@vault.example/in/backups") == Target(
        "casemate", "vault.example", 22, "/in/backups"
    )
    assert target_of("sftp://a@[2001:db8::1]:2222/").port == 2222
    for wrong in (
        "",
        "ftp://a@b/",
        "sftp://b/",
        "sftp://a@b",
        "sftp://a@b:0/",
        "sftp://a@b/../x",
        "sftp://-o@b/",
        'sftp://a@b/"',
    ):
        with pytest.raises(Error, match=r"backup\.target"):
            target_of(wrong)


def test_buckets() -> None:
    assert place_of("s3://store.bank.example/vault/boxes/SN-1/") == Bucket(
        "store.bank.example", 443, "vault", "/boxes/SN-1"
    )
    assert bucket_of("s3://[2001:db8::1]:9000/vault") == Bucket("2001:db8::1", 9000, "vault", "")
    assert place_of("sftp://a@b/c") == target_of("sftp://a@b/c") and place_of("s3://a/bcd").place == "a/bcd"
    for wrong in (
        "s3://a",
        "s3://a/",
        "s3://a/AB",
        "s3://a:0/bcd",
        "s3://a/bcd/../e",
        "s3://u@a/bcd",
        "s3://a/bcd?x",
        "s3://a/b",
    ):
        with pytest.raises(Error, match=r"backup\.target"):
            place_of(wrong)


@pytest.mark.parametrize("text", ["", "one\n", "one\ntwo\nthree\n", None])
def test_a_key_of_a_store_is_two_lines(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "key"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Error, match="two lines"):
        credentials(path)
    path.write_text("access\n\nsecret\n")
    assert credentials(path) == ("access", "secret")


def test_what_the_client_says_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "x.age").touch()
    target = target_of("sftp://a@b/c")
    with pytest.raises(Error, match="host_key"):
        carry([tmp_path / "x.age"], target, tmp_path / "key", "nonsense")
    program = (sys.executable, "-c", "import sys; print('Permission denied', file=sys.stderr); sys.exit(255)")
    with pytest.raises(Error, match="Permission denied"):
        carry([tmp_path / "x.age"], target, tmp_path / "key", "ssh-ed25519 AAAA", program)
    assert [p.name for p in tmp_path.iterdir()] == ["x.age"]

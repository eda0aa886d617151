"""A backup of a box that works, read by other people's tools, tried by a drill, and restored on a second box that has the keys."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.backup import Target, carry, generate
from tests.support.appliance import ROOT, Appliance

pytestmark = pytest.mark.stories
SECRET, PUBLIC = generate()
CONFIG = f'[backup]\nrecipients = ["{PUBLIC}"]\n'


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("safe") / "identity.txt"
    path.write_text(f"# public key: {PUBLIC}\n{SECRET}\n")
    return path


@pytest.fixture(scope="module")
def first() -> Iterator[Appliance]:
    with Appliance(CONFIG) as box:
        box.env["CASEMATE_CONFIG"] = str(box.config)
        yield box


@pytest.fixture(scope="module")
def archives(first: Appliance, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Path]]:
    """The id of a delivered message, and the two archives of the box that sent it."""
    sent = first.send(to="+393331234567", text="Prima del guasto", **{"class": "alert"})
    first.until(sent["id"], "delivered", seconds=60)
    folder = tmp_path_factory.mktemp("backups")
    done = first.casemate("backup", "create", "--into", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    return sent["id"], sorted(folder.glob("*.age"), reverse=True)


def test_nothing_in_it_is_in_clear_and_the_log_vouches_for_it(
    first: Appliance, archives: tuple[str, list[Path]]
) -> None:
    for path in archives[1]:
        octets = path.read_bytes()
        assert octets.startswith(b"age-encryption.org/v1\n")
        assert b"SQLite format" not in octets
        assert path.stat().st_mode & 0o007 == 0
        proof = path.with_suffix(".tlog-proof")
        words = [sys.executable, str(ROOT / "appliance/audit/verify.py"), str(proof)]
        words += ["--key", (first.home / "audit/log/verifier.vkey").read_text().strip()]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "backup.made" in proof.read_text() or "backup.made" in done.stdout


def test_the_age_tool_reads_it(archives: tuple[str, list[Path]], identity: Path) -> None:
    if shutil.which("age") is None:
        pytest.fail("the package age is not installed; `make .venv/.test` installs it")
    for path in archives[1]:
        plain = subprocess.run(["age", "-d", "-i", identity, path], capture_output=True, check=True).stdout
        listed = (
            subprocess.run(["tar", "-t"], input=plain, capture_output=True, check=True).stdout.decode().splitlines()
        )
        assert ("keys/keys.db" in listed) == (".keys." in path.name)
        assert not [name for name in listed if name.startswith(("hsm", "run", "log/"))]
        assert listed[-1] == "manifest.json"


def test_the_drill_tells_a_good_one_from_a_damaged_one(
    first: Appliance, archives: tuple[str, list[Path]], identity: Path, tmp_path: Path
) -> None:
    paths = [str(path) for path in archives[1]]
    done = first.casemate("backup", "drill", *paths, "--identity", str(identity))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "VERIFIES" in done.stdout
    assert "the drill went well" in done.stdout
    cut = tmp_path / "cut.age"
    cut.write_bytes(archives[1][0].read_bytes()[:-100])
    done = first.casemate("backup", "drill", str(cut), "--identity", str(identity))
    assert done.returncode != 0
    assert "file_invalid" in done.stderr


def test_a_second_box_with_the_keys_goes_on(first: Appliance, archives: tuple[str, list[Path]], identity: Path) -> None:
    base = Path(tempfile.mkdtemp(prefix="cm-"))
    try:
        home = base / "home"
        home.mkdir(mode=0o700)
        second = Appliance(CONFIG, home)
        done = second.casemate("backup", "restore", *map(str, archives[1]), "--identity", str(identity))
        assert done.returncode == 0, done.stdout + done.stderr
        again = second.casemate("backup", "restore", str(archives[1][0]), "--identity", str(identity))
        assert again.returncode != 0
        assert "already there" in again.stderr
        shutil.copytree(first.home / "hsm", home / "hsm")
        conf = home / "hsm/softhsm2.conf"
        conf.write_text(conf.read_text().replace(str(first.home), str(home)))
        with second:
            assert second.env["CASEMATE_API"] != first.env["CASEMATE_API"]
            found = second.api.get(f"/v1/messages/{archives[0]}").json()
            assert found["status"] == "delivered"
            sent = second.send(to="+393331234567", text="Dopo il guasto", **{"class": "alert"})
            second.until(sent["id"], "delivered", seconds=60)
            verified = second.casemate("audit", "verify")
            assert verified.returncode == 0, verified.stdout
            assert "VERIFIES" in verified.stdout
    finally:
        shutil.rmtree(base, ignore_errors=True)


def test_openssh_carries_it_whole(archives: tuple[str, list[Path]], tmp_path: Path) -> None:
    """OpenSSH's own client and file server, without the network between them."""
    into = tmp_path / "vault"
    into.mkdir()
    server = ("sftp", "-D", "/usr/lib/openssh/sftp-server")
    carry(archives[1], Target("casemate", "vault.example", 22, str(into)), tmp_path / "key", "ssh-ed25519 AAAA", server)
    assert {p.name: p.read_bytes() for p in into.iterdir()} == {p.name: p.read_bytes() for p in archives[1]}

"""A restored state takes its place at a start, whatever moment power fails at; what is not right, or not wanted yet, takes none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from appliance.backup import KEYS, STATE, age, create, staged
from appliance.errors import Error
from appliance.store import open_store

SECRET, PUBLIC = age.generate()
AT = 1_770_000_000_000


class Cut(Exception):
    """The machine is off."""


def filled(home: Path, word: str) -> Path:
    for name in ("access.db", "keys/keys.db", "store/messages.db", "updates/updates.db"):
        conn = open_store(home / name)
        conn.execute("CREATE TABLE t (v)")
        conn.execute("INSERT INTO t VALUES (?)", (word,))
        conn.close()
    for name in ("settings/casemate.toml", "hsm/pin", "log/keys.log"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(word)
    return home


def held(home: Path) -> dict[str, str]:
    out = {}
    for path in sorted(home.rglob("*")):
        at = path.relative_to(home).as_posix()
        if path.suffix == ".db":
            conn = open_store(path, read_only=True)
            out[at] = conn.execute("SELECT v FROM t").fetchone()[0]
            conn.close()
        elif path.is_file() and path.suffix not in (".db-wal", ".db-shm"):
            out[at] = path.read_text()
    return out


@pytest.fixture
def archives(tmp_path: Path) -> list[Path]:
    old = filled(tmp_path / "old", "old")
    return [create(old, tmp_path / "stick", kind, [PUBLIC], AT).path for kind in (STATE, KEYS)]


def staged_in(home: Path, archives: list[Path]) -> Path:
    staged.stage(home, archives, age.identity(SECRET), lambda _: None)
    return home


RESTORED = {"access.db", "keys/keys.db", "store/messages.db", "settings/casemate.toml"}


def test_it_takes_its_place_once_and_what_is_the_machines_stays(tmp_path: Path, archives: list[Path]) -> None:
    home = staged_in(filled(tmp_path / "new", "new"), archives)
    (home / "store").chmod(0o2770)
    (home / "store/messages.db").chmod(0o600)
    staged_in(home, archives)
    assert staged.take(home, lambda _: None) is None, "not wanted yet: gone"
    assert set(held(home).values()) == {"new"} and not (home / staged.FOLDER).exists()
    staged.mark(staged_in(home, archives), "field:ann", {STATE: "a", KEYS: "b"})
    destroyed: list[set[str]] = []
    taken = staged.take(
        home, lambda folder: destroyed.append({p.relative_to(folder).as_posix() for p in folder.rglob("*.db")})
    )
    assert taken == ("field:ann", {STATE: "a", KEYS: "b"})
    assert destroyed == [{"access.db", "keys/keys.db", "store/messages.db"}]
    assert {name for name, word in held(home).items() if word == "old"} == RESTORED
    assert (home / "store").stat().st_mode & 0o7777 == 0o2770 and (
        home / "store/messages.db"
    ).stat().st_mode & 0o777 == 0o600
    assert staged.take(home, lambda _: None) is None and not (home / staged.FOLDER).exists()


def test_power_may_fail_at_any_of_its_steps(
    tmp_path: Path, archives: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cut before each change of a name, and each removal: the next start goes on, to the same end."""
    whole = 0
    staged.mark(staged_in(filled(tmp_path / "new", "new"), archives), "field:ann", {STATE: "a", KEYS: "b"})
    for cut in range(60):
        home = shutil.copytree(tmp_path / "new", tmp_path / f"new-{cut}")
        left = [cut]

        def counted(real, *given, left=left, **more):  # type: ignore[no-untyped-def]
            if left[0] == 0:
                raise Cut
            left[0] -= 1
            return real(*given, **more)

        with monkeypatch.context() as patch:
            for name in ("rename", "unlink", "rmdir"):
                real = getattr(os, name)
                patch.setattr(os, name, lambda *given, real=real, **more: counted(real, *given, **more))
            try:
                staged.take(home, lambda _: None)
            except Cut:
                pass
        staged.take(home, lambda _: None)
        assert {name for name, word in held(home).items() if word == "old"} == RESTORED, cut
        assert not (home / staged.FOLDER).exists(), cut
        if left[0]:
            whole += 1
            break
    assert whole, "the last one was not cut"


def test_what_is_not_whole_is_not_kept(tmp_path: Path, archives: list[Path]) -> None:
    home = filled(tmp_path / "new", "new")
    octets = archives[0].read_bytes()
    short = tmp_path / "short.age"
    short.write_bytes(octets[:-300])
    for wrong in ([short, archives[1]], archives[:1], [archives[0], archives[0]]):
        with pytest.raises(Error):
            staged.stage(home, wrong, age.identity(SECRET), lambda _: None)
        assert not (home / staged.FOLDER).exists()
    with pytest.raises(Error):
        staged.stage(home, archives, age.identity(age.generate()[0]), lambda _: None)
    assert not staged.waiting(home) and set(held(home).values()) == {"new"}

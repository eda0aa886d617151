"""An export carried out of the state folder: what the auditor wrote is at its place, or nothing is; who may not write there hears it before the auditor is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.audit.carried import carried
from appliance.errors import Error


def written(place: Path) -> None:
    """As the auditor: folders of its own, in the group's hands."""
    (place / "tile/0").mkdir(parents=True)
    (place / "tile/0/000").write_bytes(b"tile")
    (place / "checkpoint").write_bytes(b"note")


def left(home: Path) -> list[Path]:
    return list((home / "export").glob("*"))


def test_a_folder_and_a_file_arrive_and_nothing_stays_behind(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with carried(home, tmp_path / "out", folder=True) as place:
        assert place.is_relative_to(home)
        written(place)
    assert (tmp_path / "out/tile/0/000").read_bytes() == b"tile"
    assert (tmp_path / "out/tile").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "out/checkpoint").stat().st_mode & 0o777 == 0o644
    with carried(home, tmp_path / "out.tar", folder=False) as place:
        place.write_bytes(b"tar")
    assert (tmp_path / "out.tar").read_bytes() == b"tar"
    assert left(home) == []


@pytest.mark.parametrize("folder", [True, False])
def test_nothing_is_left_where_the_auditor_refused(tmp_path: Path, folder: bool) -> None:
    target = tmp_path / "out"
    with pytest.raises(Error, match="no"), carried(tmp_path / "home", target, folder) as place:
        if folder:
            written(place)
        else:
            place.write_bytes(b"half")
        raise Error("forbidden", "no")
    assert not target.exists()
    assert left(tmp_path / "home") == []


def test_an_empty_folder_that_was_there_stays_there_empty(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(Error, match="cannot be written"), carried(tmp_path / "home", target, True) as place:
        written(place)
        (place / "checkpoint").unlink()
        (place / "checkpoint").symlink_to("nowhere")  # what a disk that fails would say, in the middle of it
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("case", ["a file is there", "the folder is not empty", "the folder of the file is not there"])
def test_a_place_that_does_not_do_is_found_before_the_auditor_is_asked(tmp_path: Path, case: str) -> None:
    target, folder = tmp_path / "out", case == "the folder is not empty"
    if case == "a file is there":
        target.write_bytes(b"kept")
    elif folder:
        target.mkdir()
        (target / "kept").touch()
    else:
        target = tmp_path / "nowhere/out.tar"
    with pytest.raises(Error) as caught, carried(tmp_path / "home", target, folder):
        pytest.fail("the auditor was asked")
    assert caught.value.code == "file_invalid" and caught.value.hint
    assert not (tmp_path / "home").exists()

"""What differs between two trees is named."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from image.twice import PIECE, beside, census, differences


def test_a_difference_is_named_by_path_and_kind(tmp_path: Path) -> None:
    for name in ("a", "b"):
        place = tmp_path / name
        (place / "etc").mkdir(parents=True)
        (place / "etc/same").write_text("x")
        (place / "etc/link").symlink_to("same")
    assert differences(census(tmp_path / "a"), census(tmp_path / "b")) == []
    (tmp_path / "b/etc/same").write_text("y")
    (tmp_path / "b/etc/more").touch()
    (tmp_path / "a/etc/link").unlink()
    said = differences(census(tmp_path / "a"), census(tmp_path / "b"))
    assert [line.split(":")[0] for line in said] == ["etc/link", "etc/more", "etc/same"]
    assert "not there" in said[0]


@pytest.mark.parametrize(
    ("begin", "end"), [(0, 0), (0, 3), (PIECE, PIECE + 1), (5, 2 * PIECE), (PIECE - 1, 2 * PIECE + 7)]
)
def test_a_part_of_a_file_is_left_out(tmp_path: Path, begin: int, end: int) -> None:
    octets = bytes(range(251)) * (3 * PIECE // 251) + b"the end of it"
    (tmp_path / "disk").write_bytes(octets)
    assert beside(tmp_path / "disk", begin, end) == hashlib.sha256(octets[:begin] + octets[end:]).hexdigest()

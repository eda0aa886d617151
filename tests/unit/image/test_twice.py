"""What differs between two trees is named."""

from __future__ import annotations

from pathlib import Path

from image.twice import census, differences


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

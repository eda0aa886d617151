"""The recipe and the lock are read strictly: what is wrong is named before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from image import debian, recipe, wheels

CHECKOUT = Path(__file__).resolve().parents[3]


def test_the_recipe_is_whole() -> None:
    said = recipe.read()
    assert said.id == "casemate"
    assert "?essential" in said.packages["root"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace("[kernel]", "[kernels]"), "table"),
        (lambda text: text.replace("suite =", "suit ="), "image.suit"),
        (lambda text: text.replace("disk = 3584", "disk = 100"), "both slots need"),
        (lambda text: text.replace("esp = 512", 'esp = "512"'), "partitions.esp"),
        (lambda text: text + "\n[", "cannot be read"),
    ],
)
def test_what_is_wrong_with_it_is_named(tmp_path: Path, change: object, says: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(change((recipe.HERE / "recipe.toml").read_text(encoding="utf-8")), encoding="utf-8")  # type: ignore[operator]
    with pytest.raises(recipe.Fault, match=says):
        recipe.read(path)


def test_the_lock_names_every_package_of_the_recipe() -> None:
    locked = debian.read_lock()
    said = recipe.read()
    for tree in recipe.TREES:
        names = {p.name for p in locked if p.tree == tree}
        assert set(said.packages[tree]) - {"?essential"} <= names


@pytest.mark.parametrize(
    "line",
    [
        "root x 1 abc x.deb",
        "cellar x 1 " + "0" * 64 + " x.deb",
        "root x 1 " + "0" * 64,
        "root x 1 " + "0" * 64 + " ../x.deb",
    ],
)
def test_a_line_of_the_lock_that_is_none_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "debian.lock"
    path.write_text(f"# head\n{line}\n", encoding="ascii")
    with pytest.raises(recipe.Fault, match="line 2"):
        debian.read_lock(path)


def test_differences_are_told_for_people() -> None:
    def lock(*rows: tuple[str, str, str]) -> list[debian.Locked]:
        return [debian.Locked("root", name, version, sha, f"{name}.deb") for name, version, sha in rows]

    before = lock(("a", "1", "x"), ("b", "1", "x"), ("c", "1", "x"))
    after = lock(("a", "2", "y"), ("c", "1", "z"), ("d", "1", "x"))
    assert debian.differences(before, after) == [
        "root: a 1 -> 2",
        "root: b gone, was 1",
        "root: c 1 has another hash under the same version",
        "root: d added, 1",
    ]


def test_archives_are_found_in_either_form_of_apt_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = tmp_path / "sources.list", tmp_path / "parts"
    new.mkdir()
    monkeypatch.setattr(debian, "SOURCES", (old, new))
    with pytest.raises(recipe.Fault, match="no Debian archive"):
        debian.mirrors()
    old.write_text("deb [signed-by=/k] http://one.example/debian trixie main\n", encoding="ascii")
    assert debian.mirrors() == ("http://one.example/debian", "http://one.example/debian-security")
    (new / "x.sources").write_text(
        "Types: deb\nURIs: http://two.example/sec\nSuites: trixie-security\n", encoding="ascii"
    )
    assert debian.mirrors() == ("http://one.example/debian", "http://two.example/sec")


def test_only_what_runs_goes_in() -> None:
    wanted = wheels.run_part(CHECKOUT / "requirements.lock")
    names = {name.split("==")[0] for name in wanted}
    assert {"flask", "sqlcipher3", "cryptography"} <= names
    assert not {"pytest", "ansible", "mypy"} & names


def test_two_wheels_of_one_package_are_fetched_anew(tmp_path: Path) -> None:
    for name in ("one-1-py3-none-any.whl", "two-1-cp313-a.whl", "two-1-cp313-b.whl"):
        (tmp_path / name).touch()
    wheels._drop_doubles(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["one-1-py3-none-any.whl"]

"""The faces agree with the tables: error codes, settings, the packages named, the commands that the README shows."""

from __future__ import annotations

import ast
import re
import tomllib
from dataclasses import fields
from pathlib import Path

from appliance.api import problems
from appliance.cli.exits import EXITS
from appliance.cli.program import COMMANDS
from appliance.errors import CODES
from appliance.message import STATUSES
from appliance.settings import LINK_SETTINGS, SETTINGS, Link
from tests.tidy.house import sources

ROOT = Path(__file__).resolve().parents[2]


def codes_used() -> dict[str, str]:
    """Code -> one place that raises it."""
    found = {}
    for file in sources(ROOT, "appliance"):
        for call in file.calls():
            name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
            if name == "Error" and call.args and isinstance(call.args[0], ast.Constant):
                found[str(call.args[0].value)] = f"{file.name}:{call.lineno}"
    return found


def test_every_code_raised_is_in_the_table() -> None:
    assert {code: place for code, place in codes_used().items() if code not in CODES} == {}


def test_every_face_covers_every_code() -> None:
    assert set(EXITS) == set(CODES)
    for code in CODES:
        seen = problems.outward(problems.Error(code, "said"))
        assert 400 <= problems.STATUS[seen.code] <= 599, code


#: Settings that nothing reads yet. This list may only shrink.
UNREAD_SETTINGS: set[str] = set()


def test_every_setting_has_help_and_is_read() -> None:
    text = "".join(f.text for f in sources(ROOT, "appliance") if not f.name.startswith("appliance/settings/"))
    assert [row.name for row in SETTINGS if len(row.help) <= 10] == []
    built = {
        f"{section}.{name}" for section in ("api", "console") for name in re.findall(r"\[f\"{\w+}\.(\w+)\"\]", text)
    }
    assert {row.name for row in SETTINGS if row.name not in text and row.name not in built} == UNREAD_SETTINGS


#: Settings of a link that nothing does anything with yet. This list may only shrink.
UNREAD_LINK_SETTINGS: set[str] = set()
#: Those that are read under another name: the addresses of a link as a whole, its password, the profile while it is read.
READ_OTHERWISE = {"more_hosts", "password_file", "profile"}
#: Who shows or tries settings, which is not yet to act on them in traffic.
SHOWS_LINKS = ("appliance/settings/", "appliance/console/", "appliance/cli/")
TRIES_LINKS = {"appliance/engine/link_test.py", "appliance/engine/hints.py"}


def test_every_setting_of_a_link_is_acted_on() -> None:
    files = [f for f in sources(ROOT, "appliance") if not f.name.startswith(SHOWS_LINKS) and f.name not in TRIES_LINKS]
    read = {
        name
        for f in files
        for name in re.findall(r"\b(?:s|link|settings|_link|_settings|each)\.(?=([a-z_0-9]+)\b)", f.text)
    }
    assert {row.name for row in LINK_SETTINGS} - read - READ_OTHERWISE == UNREAD_LINK_SETTINGS


def test_the_help_and_the_fields_of_a_link_agree() -> None:
    derived = {"password", "tlv_names", "doubts"}
    assert {row.name for row in LINK_SETTINGS} - {"password_file"} == {f.name for f in fields(Link)} - derived


def test_packages_named_are_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for package in project["tool"]["setuptools"]["package-data"]:
        assert package == "*" or (ROOT / package.replace(".", "/")).is_dir(), package
    wanted = [
        *project["project"]["dependencies"],
        *(r for e in project["project"]["optional-dependencies"].values() for r in e),
    ]
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for requirement in wanted:
        name = re.split(r"[><=]", requirement)[0]
        assert re.search(rf"^{re.escape(name)}==", locked, re.M), name


def test_every_dependency_is_imported() -> None:
    """A package that nothing imports is one more thing for a bank to review."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    by_name = {"httptools", "tzdata"}  # uvicorn's parser, and time zones for zoneinfo where Debian's are not installed
    called = {
        "argon2-cffi": "argon2",
        "dnspython": "dns",
        "pillow": "PIL",
        "pycryptodome": "Crypto",
        "prometheus-client": "prometheus_client",
    }
    imported = {top for file in sources(ROOT, "appliance", "hsm") for top in file.top_imports}
    names = [re.split(r"[><=]", requirement)[0] for requirement in project["project"]["dependencies"]]
    assert [n for n in names if called.get(n, n.replace("-", "_")) not in imported | by_name] == []


def test_the_readme_tells_of_commands_that_exist() -> None:
    for page in ("README.md", "appliance/README.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert set(re.findall(r"`(?:\.venv/bin/)?casemate ([a-z]+)", text)) <= set(COMMANDS)
        links = re.findall(r"\]\(([\w./-]+)\)", text)
        assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


def test_the_words_of_the_readme_are_those_of_the_code() -> None:
    text = (ROOT / "appliance/README.md").read_text(encoding="utf-8")
    (drawn,) = re.findall(r"^Statuses: `([a-z ]+)`", text, re.M)
    assert tuple(drawn.split()) == STATUSES


def test_a_test_that_a_page_names_is_there() -> None:
    """What is promised beside its proof (the articles of a regulation, a standard's sections) keeps that proof."""
    there = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    for path in (ROOT / "tests").rglob("*.py"):
        there |= set(re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.M))
    pages = [*(ROOT / "appliance").glob("*/README.md"), *ROOT.glob("*/README.md"), ROOT / "README.md"]
    named = {
        (page.parent.name, name) for page in pages for name in re.findall(r"`(test_\w+)`", page.read_text("utf-8"))
    }
    assert len(named) > 15 and sorted(each for each in named if each[1] not in there) == []

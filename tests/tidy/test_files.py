"""Is every file in order: what it opens with, what it may touch, how long it is, what it is called."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from tests.tidy.house import Source, sources

ROOT = Path(__file__).resolve().parents[2]
CODE = sources(ROOT, "appliance", "firmware", "hsm")

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

#: Files over the limit, with the reason. This list may only shrink.
LONG_FILES: dict[str, str] = {
    "appliance/client/calls.py": "generated: two methods a call of the API",
    "appliance/client/types.py": "generated: a type a schema of the API",
}
#: `file:function` over the limit, with the reason. This list may only shrink.
LONG_FUNCTIONS: dict[str, str] = {}

#: Who may touch what. Hands are few: these lists may only shrink, and a file that has stopped must be taken off.
HANDS: dict[str, set[str]] = {
    "socket": {
        "appliance/api/process.py",
        "appliance/field/capture.py",  # headers of packets, at the serial console
        "appliance/console/wire.py",  # deadlines and counts of what gunicorn accepts
        "appliance/intercom/client.py",
        "appliance/intercom/server.py",
        "appliance/network/render.py",  # asks the name servers for the addresses that the firewall lets through
        "appliance/supervisor/ports.py",
        "hsm/seat.py",
        "hsm/worker.py",
    },
    "sqlite3": set(),
    "sqlcipher3": {"appliance/store/opening.py"},
    "subprocess": {
        "appliance/backup/carry.py",
        "appliance/bench/started.py",
        "appliance/field/programs.py",  # ping and its like, from a closed table
        "appliance/supervisor/body.py",
        "appliance/updates/installer.py",  # quiets the boot partition, registers the new disk with the firmware
        "appliance/updates/fwupd.py",  # fwupd, where it is installed
        "appliance/updates/machine.py",  # restarts the machine
        "appliance/volume/programs.py",
        "firmware/building.py",  # rauc, on a vendor's desk
        "firmware/openssl.py",
        "hsm/seat.py",
    },
    "time": {
        "appliance/clock.py",
        "appliance/audit/cosign.py",  # runs alone, on the witness's PC
        "appliance/client/clients.py",  # installed by itself, in a bank's own systems
        "appliance/client/examples/flows.py",  # likewise
        "firmware/__main__.py",  # runs alone, on a vendor's or an officer's desk
    },
    "datetime.now": set(),
}

FORBIDDEN_NAMES = {
    "utils",
    "helpers",
    "common",
    "misc",
    "base",
    "core",
    "manager",
    "handler",
    "service",
    "data",
    "info",
}
HOT_NEVER_IMPORTS = {"logging", "json", "datetime", "re", "uuid", "flask", "sqlite_utils"}
TOP_LEVEL = {
    *("README.md", "pyproject.toml", "appliance", "playbooks", "image", "firmware", "hsm", "tests"),
    *("Makefile", "requirements.lock", "LICENSE", "CHANGELOG.md", ".ci"),
}


def kept() -> list[str]:
    """Every file of the repository, as git sees it; without git, every file that is not plainly a by-product."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        ).stdout.decode()
        names = [n for n in listed.split("\0") if n and (ROOT / n).is_file()]
    except (OSError, subprocess.CalledProcessError):
        names = []
    if names:
        return names
    byproducts = {".venv", "var", "__pycache__", "build", "dist", "node_modules"}
    return [
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*")
        if path.is_file() and not byproducts & set(path.relative_to(ROOT).parts) and ".egg-info" not in str(path)
    ]


def test_the_top_level_holds_nothing_else() -> None:
    extra = {name.split("/")[0] for name in kept()} - TOP_LEVEL
    assert {name for name in extra if not (name.startswith(".") and (ROOT / name).is_file())} == set()


def is_sentence(docstring: str) -> bool:
    first = docstring.strip().split("\n\n")[0]
    return len(first) > 20 and len(first.split()) > 3 and first.rstrip()[-1] in ".:)]"


def test_every_file_opens_with_a_sentence() -> None:
    files = CODE + sources(ROOT, "tests")
    assert [f.name for f in files if f.text.strip() and not is_sentence(ast.get_docstring(f.tree) or "")] == []
    assert [f.name for f in CODE if not f.text.strip()] == []


def touches(file: Source) -> set[str]:
    found = file.top_imports & {"socket", "sqlite3", "sqlcipher3", "subprocess", "time"}
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Attribute):
            if node.attr in ("create_subprocess_exec", "create_subprocess_shell", "posix_spawn", "fork", "system"):
                found |= (
                    {"subprocess"}
                    if node.attr != "system" or (isinstance(node.value, ast.Name) and node.value.id == "os")
                    else set()
                )
            if node.attr in ("now", "utcnow", "today") and isinstance(node.value, ast.Name | ast.Attribute):
                owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
                found |= {"datetime.now"} if owner in ("datetime", "date") else set()
    return found


@pytest.mark.parametrize("what", HANDS)
def test_only_hands_touch(what: str) -> None:
    assert {f.name for f in CODE if what in touches(f)} == HANDS[what]


def test_hot_files_import_nothing_slow() -> None:
    hot = [f for f in CODE if re.search(r"^HOT:", ast.get_docstring(f.tree) or "", re.M)]
    assert hot
    assert {f.name: sorted(slow) for f in hot if (slow := f.top_imports & HOT_NEVER_IMPORTS)} == {}


def test_names_say_something() -> None:
    names = {part for name in kept() if name.endswith(".py") for part in name.removesuffix(".py").split("/")}
    assert names & FORBIDDEN_NAMES == set()


def test_files_are_short() -> None:
    long = {f.name for f in CODE if len(f.text.splitlines()) > FILE_LINES_MAX}
    assert long == set(LONG_FILES)


def test_functions_are_short() -> None:
    long = {
        f"{f.name}:{node.name}"
        for f in CODE
        for node in ast.walk(f.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES_MAX
    }
    assert long == set(LONG_FUNCTIONS)


#: What only one machine or one network knows: home folders, working folders, addresses of package mirrors.
MACHINE = re.compile(
    r"(?<![\w.])/(?:work|workspace)/|/home/[a-z]+/|/root/|/Users/\w"
    r"|files\.pythonhosted\.org|pypi\.org/simple|registry\.npmjs\.org|--(?:extra-)?index-url|--find-links"
)


def test_no_path_of_a_machine_and_no_registry() -> None:
    faults = []
    for name in kept():
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if name == "tests/tidy/test_files.py":
            continue
        faults += [f"{name}:{n}: {m[0]}" for n, line in enumerate(text.splitlines(), 1) if (m := MACHINE.search(line))]
    assert faults == []


def test_the_lock_file_is_whole() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    entries = [n for n, line in enumerate(lines) if re.match(r"[a-z0-9]", line)]
    assert len(entries) > 30
    assert [lines[n] for n in entries if "==" not in lines[n] or "--hash=sha256:" not in lines[n + 1]] == []
    assert [line for line in lines if line.startswith("# --- ")] == ["# --- run", "# --- test", "# --- image"]


def test_help_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"^\.PHONY: (.*)$", text, re.M)[1].split())  # type: ignore[index]
    assert set(re.findall(r"^([a-z]+):.*##  *\S", text, re.M)) == phony
    assert phony >= {"run", "test", "check", "image", "help"}

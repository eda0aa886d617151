"""The image under test: built once, its root mounted as it is shipped."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import testinfra.host

from image.trees import Tree
from tests.hosts.container import booted

CHECKOUT = Path(__file__).resolve().parents[2]
OUT = CHECKOUT / "image/out"
CACHE = CHECKOUT / "image/cache"
BUILD_S_MAX = 1800
BOOT_S_MAX = 600
CONNECT_S_MAX = 120
ENDED = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--box", default="", help="check a box that runs instead: ssh://root@HOST")
    parser.addoption(
        "--machines", default="", help="folder that keeps the virtual machines, for another run of later steps"
    )
    parser.addoption("--image", default="", help="an image signed with image/keys, instead of the one in image/out")
    parser.addoption(
        "--kept", default="", help="test_serial.py: a folder where its machine stays, for the next run to go on"
    )
    parser.addoption("--cuts", type=int, default=2, help="test_serial.py: how many power cuts of a write to the disk")
    parser.addoption(
        "--overlay", action="store_true", help="test_serial.py: with this checkout's packages in place of the root's"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """How a step ended is known to the fixture that ends it."""
    report = yield
    if report.when == "call":
        item.stash[ENDED] = report.outcome
    return report


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest) -> Path:
    """image/out/casemate-VERSION.raw, built here when there is none; or the file named by --image."""
    if os.geteuid() != 0:
        pytest.skip("an image is built, mounted and booted as root")
    if named := request.config.getoption("--image"):
        return Path(named)
    found = sorted(OUT.glob("casemate-*.raw"))
    if not found:
        subprocess.run(
            [sys.executable, "-m", "image", "build", "--no-compress"], cwd=CHECKOUT, check=True, timeout=BUILD_S_MAX
        )
        found = sorted(OUT.glob("casemate-*.raw"))
    return found[-1]


@pytest.fixture(scope="session")
def tools(image: Path) -> Tree:
    return Tree(CACHE / "tools.kept")


@pytest.fixture(scope="session")
def root(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The shipped erofs, mounted read-only from the disk image's own partition."""
    place = tmp_path_factory.mktemp("root")
    listed = subprocess.run(
        ["partx", "--raw", "--noheadings", "--output", "START,SECTORS,NAME", image],
        check=True,
        capture_output=True,
        text=True,
    )
    start, sectors = next(
        line.split()[:2]
        for line in listed.stdout.splitlines()
        if line.split()[2:] and line.split()[2].startswith("casemate_")
    )
    options = f"loop,ro,offset={int(start) * 512},sizelimit={int(sectors) * 512}"
    subprocess.run(["mount", "-t", "erofs", "-o", options, image, place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.fixture(scope="session")
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[testinfra.host.Host]:
    """The shipped root, booted in a container; or the box named by --box."""
    if box := request.config.getoption("--box"):
        given = request.config.getoption("--ssh-config")
        # One connection for all claims: each one is an entry of the box's audit log, written before there is a shell.
        with tempfile.TemporaryDirectory(prefix="box-") as folder:
            more = {"ssh_config": given} if given else {}
            yield testinfra.host.get_host(box, controlpath=f"{folder}/ssh", timeout=CONNECT_S_MAX, **more)
            words = ["ssh", "-o", f"ControlPath={folder}/ssh", "-O", "exit", box.removeprefix("ssh://")]
            subprocess.run(words, check=False, capture_output=True)
        return
    log = tmp_path_factory.mktemp("container") / "console.log"
    tools = request.getfixturevalue("tools").path
    lynis = {tools / place: f"/{place}" for place in ("usr/share/lynis", "etc/lynis", "usr/sbin/lynis")}
    with booted(request.getfixturevalue("root"), log, BOOT_S_MAX, lynis) as running:
        yield running


@pytest.fixture(scope="session")
def room(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for disks of virtual machines, removed afterwards: they are large. The one named by --machines stays."""
    if kept := request.config.getoption("--machines"):
        Path(kept).mkdir(parents=True, exist_ok=True)
        yield Path(kept)
        return
    place = tmp_path_factory.mktemp("machines")
    yield place
    shutil.rmtree(place, ignore_errors=True)

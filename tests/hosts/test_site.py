"""The play for an existing host, on plain Debian 13 with the packages of the image: in check mode it foresees what it does and does nothing, then it
configures the host, and a second time it changes nothing. The host is a container, reached by SSH as any host is.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from image import wheels
from tests.hosts.conftest import CACHE, CHECKOUT
from tests.hosts.container import booted

pytestmark = pytest.mark.timeout(3_600)
WHEELS = "/run/casemate-wheels"
READY_S_MAX = 600
UNITS = "systemctl list-unit-files --no-legend --plain 'casemate*' | wc -l"


@pytest.fixture(scope="module")
def debian(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A host with the wheels of the release at their place and a key of ours for root."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "wheels").mkdir()
    allowed = set().union(*wheels.run_part(CHECKOUT / "requirements.lock").values())
    for path in (*wheels.good(CACHE / "wheels", allowed), *(CACHE / "work/own").glob("*.whl")):
        shutil.copyfile(path, folder / "wheels" / path.name)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)
    more = {folder / "wheels": WHEELS, folder / "key.pub": "/etc/ssh/keys-of-root"}
    with booted(CACHE / "root.kept", folder / "console.log", READY_S_MAX, more, ready="multi-user.target") as host:
        host.check_output(
            "systemctl is-system-running --wait || true; install -d -m 0700 ~root/.ssh; "
            "install -m 0600 /etc/ssh/keys-of-root ~root/.ssh/authorized_keys; systemctl start ssh"
        )
        host.folder = folder
        yield host


def played(host: Any, play: str, *more: str, failed: int = 0) -> tuple[dict[str, int], str]:
    """The recap of a play over SSH, and everything said."""
    folder: Path = host.folder
    inventory = folder / "hosts.yml"
    inventory.write_text(
        "all: {children: {appliance: {hosts: {box: {ansible_host: 127.0.0.1, ansible_user: root, base_version: 0.1.0}}}}}\n",
        encoding="ascii",
    )
    options = (
        f"-i {folder}/key -o UserKnownHostsFile={folder}/known -o StrictHostKeyChecking=accept-new -o BatchMode=yes"
    )
    words = ["nsenter", "-t", host.backend.leader, "-n", str(Path(sys.executable).with_name("ansible-playbook"))]
    words += ["-i", str(inventory), f"--ssh-common-args={options}", play, *more]
    env = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1", "HOME": str(folder)}
    done = subprocess.run(
        words, cwd=CHECKOUT / "playbooks", env=env, capture_output=True, text=True, check=False, timeout=1800
    )
    recap = dict(re.findall(r"(\w+)=(\d+)", done.stdout.rpartition("PLAY RECAP")[2]))
    assert recap, done.stdout[-3000:] + done.stderr[-2000:]
    assert (recap["failed"], recap["unreachable"]) == (str(failed), "0"), done.stdout[-5000:]
    return {name: int(count) for name, count in recap.items()}, done.stdout


def test_a_host_that_lacks_packages_is_refused_before_anything_is_changed(debian: Any) -> None:
    debian.check_output("mv /usr/sbin/nft /usr/sbin/nft.away")
    try:
        recap, said = played(debian, "site.yml", failed=1)
    finally:
        debian.check_output("mv /usr/sbin/nft.away /usr/sbin/nft")
    assert recap["changed"] == 0 and "--no-install-recommends nftables" in said


def test_check_mode_foresees_it_and_changes_nothing(debian: Any) -> None:
    before = debian.check_output("find /etc /usr/lib/systemd /usr/lib/sysusers.d -newer /etc/ssh/keys-of-root | sort")
    recap, _ = played(debian, "site.yml", "--check")
    assert recap["changed"] > 20
    assert debian.check_output(UNITS) == "0"
    assert not debian.user("casemate-keys").exists
    after = debian.check_output("find /etc /usr/lib/systemd /usr/lib/sysusers.d -newer /etc/ssh/keys-of-root | sort")
    assert after == before


def test_it_configures_the_host(debian: Any) -> None:
    recap, _ = played(debian, "site.yml")
    assert recap["changed"] > 20
    assert int(debian.check_output(UNITS)) > 10


@pytest.mark.parametrize("more", [(), ("--check",)], ids=["", "check"])
def test_it_changes_nothing_afterwards(debian: Any, more: tuple[str, ...]) -> None:
    recap, said = played(debian, "site.yml", *more)
    assert recap["changed"] == 0, re.findall(r"TASK \[.*\]|changed: .*", said)


def test_a_newer_release_s_wheels_replace_what_is_there(debian: Any) -> None:
    """As `casemate firmware` tells a host's people: the same play, with the wheels of the next release. Here the one that is there is made older."""
    own = "/usr/lib/casemate/lib/python3.13/site-packages"
    there = debian.check_output(f"cat {own}/appliance/__init__.py")
    debian.check_output(f"sed -i 's/^__version__ = .*/__version__ = \"0.0.9\"/' {own}/appliance/__init__.py")
    debian.check_output(f"mv {own}/casemate-*.dist-info {own}/casemate-0.0.9.dist-info")
    debian.check_output(
        f"cd {own}/casemate-0.0.9.dist-info; sed -i 's/^Version: .*/Version: 0.0.9/' METADATA; "
        "sed -i 's/^casemate-[0-9.]*.dist-info/casemate-0.0.9.dist-info/' RECORD"
    )
    debian.check_output(f"rm {own}/appliance/__pycache__/__init__.*")
    recap, _ = played(debian, "site.yml")
    assert recap["changed"] == 2, "installed, compiled"
    assert debian.check_output(f"cat {own}/appliance/__init__.py") == there
    assert debian.check_output(f"ls -d {own}/casemate-*.dist-info | wc -l") == "1"


def test_the_appliance_starts_on_it(debian: Any) -> None:
    """What a restart does."""
    debian.check_output(
        "systemd-tmpfiles --create; systemctl daemon-reload; systemctl start casemate-first casemate.target"
    )
    until = time.monotonic() + READY_S_MAX
    while "HSM           ready" not in debian.run("casemate status").stdout:
        assert time.monotonic() < until, debian.run("journalctl -b --no-pager -n 50").stdout
        time.sleep(1)


def test_hardening_it_twice_changes_it_once(debian: Any) -> None:
    """Last: it closes what installing needed."""
    recap, _ = played(debian, "harden.yml", "--check")
    assert recap["changed"] > 5
    recap, _ = played(debian, "harden.yml")
    assert recap["changed"] > 5
    recap, said = played(debian, "harden.yml")
    assert recap["changed"] == 0, re.findall(r"TASK \[.*\]|changed: .*", said)

"""The people of a story over the serial line: the field engineer at the cable, the bank's IT at its web console and API, its officer at a desk; and what
they know, kept in a file, so that a run goes on where the last one ended.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import httpx

from appliance.field import codes
from appliance.field.console import LATE_S
from tests.hosts.lan import THERE
from tests.hosts.laptop import Bare, Cable
from tests.hosts.releases import Releases
from tests.hosts.test_booted import NUMBER, READY_S_MAX, RECOVERY, TOKEN, form_token, wait_for

CHECKOUT = Path(__file__).resolve().parents[2]
PASSWORD = "four words are enough here"
STATE = "casemate-state"  # label of the partition


class Story:
    """The machine, the cable while it is on, and what its people know; kept in a file, so that a run goes on where the last one ended."""

    def __init__(self, machine: Bare, releases: Releases, image: Path) -> None:
        self.machine, self.releases, self.image = machine, releases, image
        self.cable: Cable | None = None
        self.other: Cable | None = None  # at the machine's other port
        self.left: tuple[float, str] | None = None  # when a challenge was shown there, and its nonce
        self.file = machine.folder / "story.json"
        self.known: dict[str, Any] = json.loads(self.file.read_text()) if self.file.exists() else {"passed": []}
        self.traffic: Traffic | None = None
        self.ended_at = ""  # the step that failed: none is told after it

    def keep(self, **known: Any) -> None:
        self.known |= known
        self.file.write_text(json.dumps(self.known, indent=1))

    @property
    def secret(self) -> bytes:
        return base64.b32decode(self.known["secret"])

    def on(self) -> Cable:
        """The cable of a box that runs from its disk and is ready."""
        if self.cable is None or self.machine.off():
            self.started()
        assert self.cable is not None
        return self.cable

    def started(self) -> str:
        """Starts it from its disk; what was said until it was ready."""
        self.gone()
        self.cable = self.machine.switch_on()
        self.machine.wait("Casemate is ready", READY_S_MAX)
        said = self.machine.wait("self-test:", 300)
        if found := re.search(r"user admin, password (\S+)", said):
            self.keep(admin=found[1])
        if keys := re.findall(RECOVERY, said):
            self.keep(recovery=keys[-1])
        return said

    def gone(self) -> None:
        if self.cable is not None:
            self.cable.unplugged()
            self.cable = None
        if self.other is not None:
            self.other.unplugged()
            self.other = self.left = None
        if not self.machine.off():
            self.machine.power_off()
        self.machine.pull()

    def in_menu(self) -> Cable:
        """Signed in as the first account of the box."""
        cable = self.on()
        cable.signed_in("eve", PASSWORD, self.secret)
        return cable

    def left_unanswered(self) -> tuple[Cable, tuple[float, str]]:
        """The other line, where a challenge waits; when it was shown, and its nonce."""
        self.on()
        if self.other is None:
            self.other = self.machine.other_line()
        if self.left is None or time.monotonic() > self.left[0] + codes.LIFE_S + LATE_S / 2:
            self.left = time.monotonic(), challenge(self.other)
        return self.other, self.left

    def restarted(self, cable: Cable) -> None:
        """By menu 16; the machine ends there."""
        cable.page("restart")
        cable.asked("to leave): ", "restart")
        cable.asked("to do it: ", "yes")
        self.machine.ended(900)

    def panicked(self, starts_max: int) -> int:
        """Switched on again and again until it is ready; how many starts ended in a panic of the kernel."""
        panics = 0
        for _ in range(starts_max):
            self.gone()
            self.cable = self.machine.switch_on()
            until = time.monotonic() + READY_S_MAX
            while not self.machine.off() and "Casemate is ready" not in self.machine.said():
                assert time.monotonic() < until, self.machine.said()[-2000:]
                time.sleep(1)
            if not self.machine.off():
                return panics
            panics += "Kernel panic" in self.machine.said()
        raise AssertionError(f"not ready after {starts_max} starts, {panics} of them panics")

    def status(self, cable: Cable) -> str:
        cable.page("status")
        return cable.back()

    def shows(self, cable: Cable, pattern: str) -> str:
        """The status once it has this: a machine that was just started, and is slow, is not all ready at once."""
        until = time.monotonic() + 1800
        while not re.search(pattern, said := self.status(cable)):
            assert time.monotonic() < until, f"{pattern} did not come:\n{said}"
            time.sleep(20)
        return said

    def blessed(self, cable: Cable, version: str) -> str:
        """The status once the release on trial is good."""
        return self.shows(cable, rf"{re.escape(version)}\s+good\s+\(runs\)")

    def ssh_key(self) -> Path:
        """The bank's IT's, which stays with the machine."""
        return self.machine.ssh_key("bank-it")

    def shell(self, command: str) -> str:
        """What root is answered by SSH, while it is open. Raises CalledProcessError."""
        words = ["ssh", "-i", str(self.ssh_key()), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
        words += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=120"]
        done = subprocess.run(
            [*words, f"root@{THERE}", command],
            capture_output=True,
            text=True,
            check=True,
            timeout=900,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout

    def api(self) -> httpx.Client:
        head = {"Authorization": f"Bearer {self.known['token']}"}
        return httpx.Client(base_url=f"https://{THERE}", verify=False, timeout=60, headers=head)


class Traffic:
    """The bank's system: a message every second or so, each tried again under its key until it was accepted."""

    def __init__(self, story: Story) -> None:
        self.story, self.accepted = story, dict[str, str]()
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        while not self.ends.is_set():
            key = str(uuid.uuid4())
            while not self.ends.is_set():
                try:
                    with self.story.api() as api:
                        body = {"to": NUMBER, "text": f"Payment {key}", "class": "alert"}
                        answer = api.post("/v1/messages", json=body, headers={"Idempotency-Key": key})
                    if answer.status_code == 202:
                        self.accepted[key] = answer.json()["id"]
                        break
                except (httpx.HTTPError, OSError):
                    pass
                self.ends.wait(2)
            self.ends.wait(1)

    def ended(self) -> None:
        self.ends.set()
        self.thread.join(120)


def api_key(password: str) -> str:
    """By the bank's IT, at the web console."""
    address = f"https://{THERE}:8443"
    with httpx.Client(base_url=address, verify=False, timeout=120, follow_redirects=True) as client:
        page = wait_for(lambda: (r := client.get("/sign-in")).status_code == 200 and r)
        fields = {"name": "admin", "password": password, "csrf": form_token(page.text)}
        assert client.post("/sign-in", data=fields).status_code == 200
        page = client.get("/api-keys")
        page = client.post("/api-keys", data={"name": "bank", "rate": "", "csrf": form_token(page.text)})
        found = re.search(TOKEN, page.text)
        assert found is not None
        return found[0]


def offered(cable: Cable, name: str) -> None:
    """The page of releases, once the stick that was put in shows this one there."""
    until = time.monotonic() + 300
    while True:
        cable.page("release")
        said = cable.read("number or name, empty to leave)", "Enter: menu: ")
        if name in said or time.monotonic() > until:
            break
        cable.type("")
        cable.menu()
        time.sleep(5)


def begun(story: Story, cable: Cable, stick: Path, version: str) -> None:
    """A release from a stick, looked at and said yes to, by menu 7: from now on it is written into the other slot."""
    story.machine.plug(stick)
    offered(cable, f"casemate-{version}.raucb")
    cable.type("1")
    said = cable.read("to do it: ", seconds=1800)
    assert version in said and "signer" in said.casefold()
    cable.type("yes")


def installed(story: Story, cable: Cable, stick: Path, version: str) -> None:
    """A release from a stick into the other slot, to its end."""
    begun(story, cable, stick, version)
    cable.until("writing ")  # it was read once more before
    began = time.monotonic()
    said = cable.back(seconds=3600)
    story.keep(write_s=time.monotonic() - began)
    assert f"Release {version} is started next" in said and "writing root: 100 %" in said
    story.machine.unplug(stick)


def officer(*words: str | os.PathLike[str]) -> str:
    """At the bank's desk."""
    *rest, key = map(str, words)
    more = ["--yes"] if rest[0] == "answer" else []
    command = [sys.executable, "-P", "-m", "appliance.cli", "breakglass", *rest, "--key", key, *more]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=120).stdout


def challenge(cable: Cable) -> str:
    cable.name_asked()
    cable.type("glass")
    cable.asked("to leave): ", "sign-in")
    (nonce,) = re.findall(r"nonce +([0-9A-Z-]+)", cable.until("answer: "))
    return str(nonce)


def partitions(disk: Path, label: str) -> list[int]:
    """Where the partitions with this label begin, octets: root, hash tree and signature of a release have the same one."""
    words = ["partx", "--raw", "--noheadings", "--output", "START,NAME", str(disk)]
    listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return [int(line.split()[0]) * 512 for line in listed.splitlines() if line.split()[1:] == [label]]


def state_begins(disk: Path) -> int:
    """Where the state volume begins, octets; 0 for none."""
    return next(iter(partitions(disk, STATE)), 0)


def damaged(disk: Path, label: str) -> None:
    """A bit of a root's superblock turned: nothing but the hash tree misses it (EROFS on-disk format, offset 1024 + 48)."""
    place = min(partitions(disk, label)) + 1024 + 48
    with disk.open("r+b") as file:
        file.seek(place)
        octet = file.read(1)[0]
        file.seek(place)
        file.write(bytes([octet ^ 1]))

"""The image on a machine of its own, Secure Boot and TPM on: it boots, a message goes out and comes back delivered, a restart keeps everything,
and what was tampered with does not start. The tests tell one story, in order."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from image.trees import Tree
from tests.hosts.lan import HERE, THERE, segment
from tests.hosts.machine import Machine

CHECKOUT = Path(__file__).resolve().parents[2]
READY_S_MAX = 3600  # software emulation on a busy machine; real hardware takes seconds
TOKEN = r"cm_[1-9][0-9]*_[A-Za-z0-9_-]{43}"
RECOVERY = r"(?:[cbdefghijklnrtuv]{8}-){7}[cbdefghijklnrtuv]{8}"
SMPP, CONTROL = 2775, 8090
NUMBER, TEXT = "+393331234567", "Buongiorno"
SETTINGS = f"""\
[network]
address = "{THERE}/24"

[door]
listen = "0.0.0.0:2776"
tls_certificate = "/var/lib/casemate/tls/server.pem"
tls_key = "/var/lib/casemate/tls/server.key"

[console]
second_factor = false
two_people = []

[[link]]
name = "first"
host = "{HERE}"
port = {SMPP}
system_id = "casemate"
password_file = "first.password"

[[route]]
links = ["first"]
"""


@pytest.fixture(scope="module")
def network() -> Iterator[str]:
    with segment() as name:
        yield name


@pytest.fixture(scope="module")
def operator(network: str) -> Iterator[str]:
    """A simulated operator on the other side of the virtual network; the address of its control. It listens on loopback, for it
    refuses clear text elsewhere; what comes for this side's address is passed on to it."""
    words = [sys.executable, "-P", "-m", "appliance.cli", "simulate", "operator"]
    words += ["--listen", f"127.0.0.1:{SMPP}", "--control", f"127.0.0.1:{CONTROL}"]
    running = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{CONTROL}"
    wait_for(lambda: httpx.get(f"{address}/received", params={"to": NUMBER}).status_code == 200, 60)
    with socket.create_server((HERE, SMPP)) as door:
        threading.Thread(target=passed_on, args=(door,), daemon=True).start()
        yield address
    running.terminate()
    running.wait(10)


def passed_on(door: socket.socket) -> None:
    """Each connection to `door` gets one of its own to the operator; ends with the door."""
    with contextlib.suppress(OSError):
        while True:
            near, _ = door.accept()
            far = socket.create_connection(("127.0.0.1", SMPP))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=poured, args=(one, other), daemon=True).start()


def poured(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError), one, other:
        while octets := one.recv(1 << 16):
            other.sendall(octets)


class Box:
    """The machine and what its people know: the administrator's password, an API key, the message sent."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.password = self.token = self.message = self.recovery = ""

    def api(self) -> httpx.Client:
        head = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=f"https://{THERE}", verify=False, timeout=60, headers=head)

    @contextlib.contextmanager
    def console(self) -> Iterator[httpx.Client]:
        """The console, signed in."""
        address = f"https://{THERE}:8443"
        with httpx.Client(base_url=address, verify=False, timeout=120, follow_redirects=True) as client:
            page = wait_for(lambda: (r := client.get("/sign-in")).status_code == 200 and r)
            fields = {"name": "admin", "password": self.password, "csrf": form_token(page.text)}
            assert client.post("/sign-in", data=fields).status_code == 200
            yield client

    def ready(self) -> str:
        """What was said until the box greeted."""
        self.machine.wait("Casemate is ready", READY_S_MAX)
        said = self.machine.wait("put it in safe keeping", 120)
        self.recovery = re.findall(RECOVERY, said)[-1]
        return said


@pytest.fixture(scope="module")
def box(image: Path, tools: Tree, room: Path, network: str, operator: str) -> Iterator[Box]:
    made = Machine(room / "first", image, tools, CHECKOUT / "image/keys", network)
    made.seed({"casemate.toml": SETTINGS, "first.password": "secret\n"})
    made.start()
    yield Box(made)
    made.power_off()


def wait_for(true: Any, seconds: float = 300) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if found := true():
                return found
        except (httpx.HTTPError, OSError):
            pass
        time.sleep(1)
    raise TimeoutError


def form_token(text: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', text)
    assert found is not None, text[:2000]
    return found[1]


def test_it_boots_to_ready_and_greets(box: Box) -> None:
    said = box.ready()
    found = re.search(r"user admin, password (\S+)", said)
    assert found is not None, said[-2000:]
    box.password = found[1]
    assert f"https://{THERE}:8443/" in said
    assert "making the state volume" in said


def test_a_message_goes_out_over_its_link_and_comes_back_delivered(box: Box, operator: str) -> None:
    with box.console() as console:
        page = console.get("/api-keys")
        page = console.post("/api-keys", data={"name": "bank", "rate": "", "csrf": form_token(page.text)})
        box.token = str(re.search(TOKEN, page.text)[0])  # type: ignore[index]
    with box.api() as api:
        message = {"to": NUMBER, "text": TEXT, "class": "otp"}
        answer = wait_for(lambda: (r := api.post("/v1/messages", json=message)).status_code == 202 and r)
        box.message = answer.json()["id"]
        wait_for(lambda: api.get(f"/v1/messages/{box.message}").json()["status"] == "delivered")
    received = httpx.get(f"{operator}/received", params={"to": NUMBER}).json()
    assert [row["text"] for row in received][-1] == TEXT


def test_its_audit_log_verifies_on_another_machine(box: Box, tmp_path: Path) -> None:
    with box.console() as console:
        page = console.get("/audit")
        packed = console.post("/audit/export", data={"csrf": form_token(page.text)})
        assert packed.headers["content-type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(packed.content)) as tar:
        tar.extractall(tmp_path)  # the box's own; filter= is not in every Python 3.11
    words = [sys.executable, str(CHECKOUT / "appliance/audit/verify.py"), str(tmp_path / "casemate-audit")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_from_outside_only_the_named_ports_are_there(box: Box) -> None:
    words = ["nmap", "-Pn", "-n", "-sS", "-p-", "--min-rate", "3000", "--max-retries", "2", "-oG", "-", THERE]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=900)
    found = re.findall(r"(\d+)/(\w+)/tcp", done.stdout)
    assert {(port, state) for port, state in found if state != "filtered"} == {
        ("443", "open"),
        ("8443", "open"),
        ("2776", "open"),
    }, done.stdout


def test_a_restart_keeps_everything(box: Box) -> None:
    before = box.recovery
    box.machine.power_off()
    box.machine.start()
    said = box.ready()
    assert "user admin, password" not in said
    assert "making the state volume" not in said
    assert box.recovery != before, "a key that nobody confirmed is replaced"
    with box.api() as api:
        answer = wait_for(lambda: (r := api.get(f"/v1/messages/{box.message}")).status_code == 200 and r)
        assert answer.json()["status"] == "delivered"


def test_a_machine_with_another_tpm_waits_for_the_recovery_key_and_is_bound_again(box: Box) -> None:
    box.machine.power_off()
    shutil.rmtree(box.machine.folder / "tpm")
    box.machine.start()
    said = box.machine.wait("Recovery key of the state volume", READY_S_MAX)
    assert "does not open by the TPM" in said
    box.machine.type("cbdefghi-" * 7 + "cbdefghi")
    box.machine.wait("asking: cryptsetup ended with 2", 300)
    box.machine.type(box.recovery)
    box.machine.wait("opens by the TPM again", 300)
    box.ready()
    with box.api() as api:
        answer = wait_for(lambda: (r := api.get(f"/v1/messages/{box.message}")).status_code == 200 and r)
        assert answer.json()["status"] == "delivered"


def test_an_edited_kernel_line_does_not_start(image: Path, tools: Tree, room: Path) -> None:
    machine = Machine(room / "edited", image, tools, CHECKOUT / "image/keys")
    flipped(machine.disk, b"lockdown=integrity", after=b"roothash=", change=b"lockdown=none     ")
    machine.start()
    try:
        machine.wait("Access denied", READY_S_MAX)
    finally:
        machine.pull()


def test_one_flipped_bit_on_the_disk_does_not_start(image: Path, tools: Tree, room: Path) -> None:
    machine = Machine(room / "flipped", image, tools, CHECKOUT / "image/keys")
    # The superblock's UUID: a bit that nothing but the hash tree would ever miss (EROFS on-disk format, offset 1024 + 48).
    position = slot(machine.disk) + 1024 + 48
    with machine.disk.open("r+b") as disk:
        disk.seek(position)
        octet = disk.read(1)[0]
        disk.seek(position)
        disk.write(bytes([octet ^ 1]))
    machine.start()
    try:
        with pytest.raises(TimeoutError) as e:
            machine.wait("Casemate is ready", READY_S_MAX)
        assert machine.off(), "a box whose disk was changed restarts; it never gets further"
        assert "verity" in str(e.value)
    finally:
        machine.pull()


def slot(disk: Path) -> int:
    """Where the written root begins on a disk, octets."""
    words = ["partx", "--raw", "--noheadings", "--output", "START,NAME", str(disk)]
    listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return next(int(line.split()[0]) * 512 for line in listed.splitlines() if "casemate_" in line)


def flipped(disk: Path, what: bytes, after: bytes, change: bytes) -> None:
    """Replaces `what` where it follows `after` within 4 KiB on a disk."""
    assert len(what) == len(change)
    step, there = 1 << 24, 0
    with disk.open("r+b") as file:
        at = 0
        while block := file.read(step):
            if (found := block.find(after)) >= 0:
                file.seek(at + found)
                line = file.read(4096)
                if what in line:
                    file.seek(at + found + line.index(what))
                    file.write(change)
                    there += 1
            at += step
            file.seek(at)
    assert there, f"{what!r} is not on the disk"

"""The image on a machine of its own, Secure Boot and TPM on: it boots, a message goes out and comes back delivered, not even root changes it, a restart
keeps everything. The tests tell one story, in order; with `--machines FOLDER` a later step can be run again on the machine that is there."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from firmware import building
from image import trust
from image.trees import Tree
from tests.hosts.lan import HERE, THERE, segment
from tests.hosts.laptop import Cable
from tests.hosts.machine import Machine
from tests.hosts.releases import tampered
from tests.hosts.test_matrix import USERS, dropped
from tests.support.release_keys import parts, release

CHECKOUT = Path(__file__).resolve().parents[2]
MEMORY_USED_MIB_MAX = 700
READY_S_MAX = 3600  # software emulation on a busy machine; real hardware takes seconds
TOKEN = r"cm_[1-9][0-9]*_[A-Za-z0-9_-]{43}"
RECOVERY = r"(?:[cbdefghijklnrtuv]{8}-){7}[cbdefghijklnrtuv]{8}"
SMPP, CONTROL = 2775, 8090
AT_THE_CABLE = "four words are enough"  # the password of ann
NUMBER, TEXT = "+393331234567", "Buongiorno"
SETTINGS = f"""\
[network]
address = "{THERE}/24"
gateway = "{HERE}"
ssh_from = ["{HERE}/32"]

[door]
listen = "0.0.0.0:2776"
tls_certificate = "/var/lib/casemate/tls/server.pem"
tls_key = "/var/lib/casemate/tls/server.key"

[console]
second_factor = false
two_people = []

[webhook]
hosts = ["203.0.113.4"]

[[link]]
name = "first"
host = "{HERE}"
port = {SMPP}
system_id = "casemate"
password_file = "first.password"

[[route]]
links = ["first"]
"""


#: name, address, port, transport. The courier may reach core banking; the operator is there, too, for the engine alone.
PLACES = (
    ("core banking", "203.0.113.4", 443, "tcp"),
    ("core banking in clear", "203.0.113.4", 80, "tcp"),
    ("operator's shell", HERE, 22, "tcp"),
    ("operator's web page", HERE, 443, "tcp"),
    ("operator, another port", HERE, SMPP + 1, "tcp"),
    ("a neighbour's console", HERE, 8443, "tcp"),
    ("names", HERE, 53, "udp"),
    ("names over TCP", HERE, 53, "tcp"),
    ("time", HERE, 123, "udp"),
    ("time's keys", HERE, 4460, "tcp"),
    ("SIEM", HERE, 6514, "tcp"),
    ("SIEM in clear", HERE, 514, "udp"),
    ("names of somebody else", "203.0.113.53", 53, "udp"),
    ("a web page", "203.0.113.1", 443, "tcp"),
    ("a mail server", "203.0.113.1", 25, "tcp"),
    ("an operator nobody named", "203.0.113.2", SMPP, "tcp"),
    ("backups", "203.0.113.9", 22, "tcp"),
    ("a directory", "203.0.113.5", 636, "tcp"),
    ("cloud metadata", "169.254.169.254", 80, "tcp"),
)
OPERATOR = ("operator", HERE, SMPP, "tcp")
ALLOWED = {("casemate-courier", "core banking"), ("casemate-engine", "operator")}
KNOCKED: list[str] = []  # what connections to the operator's port began with that is no PDU


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
            try:
                far = socket.create_connection(("127.0.0.1", SMPP))
            except OSError:
                near.close()
                continue
            for one, other, kept in ((near, far, KNOCKED), (far, near, [])):
                threading.Thread(target=poured, args=(one, other, kept), daemon=True).start()


def poured(one: socket.socket, other: socket.socket, kept: list[str]) -> None:
    with contextlib.suppress(OSError), one, other:
        first = octets = one.recv(1 << 16)
        if first[:1] != b"\0":  # the length of a PDU is below 2^24
            kept.append(first.decode("ascii", "replace"))
        while octets:
            other.sendall(octets)
            octets = one.recv(1 << 16)


class Box:
    """The machine and what its people know: the administrator's password, an API key, the message sent. Kept beside its disk, for another run."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.password = self.token = self.message = self.recovery = self.telephone = ""
        self._facts = machine.folder / "people.json"
        if self._facts.exists():
            self.__dict__.update(json.loads(self._facts.read_text(encoding="utf-8")))

    def keep(self) -> None:
        known = {name: getattr(self, name) for name in ("password", "token", "message", "recovery", "telephone")}
        self._facts.write_text(json.dumps(known), encoding="utf-8")

    @property
    def key(self) -> Path:
        """An administrator's SSH key."""
        return self.machine.ssh_key("olga")

    def ssh(self, command: str) -> list[str]:
        """Words of OpenSSH's client."""
        known = self.machine.folder / "known_hosts"
        words = [
            "ssh",
            "-i",
            str(self.key),
            "-o",
            f"UserKnownHostsFile={known}",
            "-o",
            "StrictHostKeyChecking=accept-new",
        ]
        words += ["-o", "BatchMode=yes", "-o", "ConnectTimeout=60", "-o", f"ControlPath={self.machine.folder}/ssh.sock"]
        return [*words, "-o", "ControlMaster=auto", "-o", "ControlPersist=30", f"root@{THERE}", command]

    def shell(self, command: str, seconds: float = 600) -> subprocess.CompletedProcess[str]:
        """What root is answered by SSH."""
        words = self.ssh(command)
        return subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=seconds, stdin=subprocess.DEVNULL
        )

    def api(self) -> httpx.Client:
        head = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=f"https://{THERE}", verify=False, timeout=600, headers=head)

    @contextlib.contextmanager
    def console(self) -> Iterator[httpx.Client]:
        """The console, signed in."""
        address = f"https://{THERE}:8443"
        with httpx.Client(base_url=address, verify=False, timeout=600, follow_redirects=True) as client:
            page = wait_for(lambda: (r := client.get("/sign-in")).status_code == 200 and r)
            fields = {"name": "admin", "password": self.password, "csrf": form_token(page.text)}
            assert client.post("/sign-in", data=fields).status_code == 200
            yield client

    def ready(self) -> str:
        """What was said until the box greeted."""
        self.machine.wait("Casemate is ready", READY_S_MAX)
        self.machine.wait("put it in safe keeping", 600)
        said = self.machine.wait("  HSM  ", 600)  # the last line of the self-test
        self.recovery = re.findall(RECOVERY, said)[-1]
        self.keep()
        return said


@pytest.fixture(scope="module")
def box(image: Path, tools: Tree, room: Path, network: str, operator: str) -> Iterator[Box]:
    made = Machine(room / "first", image, tools, CHECKOUT / "image/keys", network)
    if not (made.folder / "stick.raw").exists():
        made.seed({"casemate.toml": SETTINGS, "first.password": "secret\n"})
    made.start()
    yield Box(made)
    made.power_off()


def wait_for(true: Any, seconds: float = 1200) -> Any:
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
    first = not box.password
    said = box.ready()
    assert f"https://{THERE}:8443/" in said
    assert "WRONG" not in said, said[-2000:]
    assert re.search(r"well +root +read-only, verified \(erofs\)", said), said[-2000:]
    if first:
        found = re.search(r"user admin, password (\S+)", said)
        assert found is not None, said[-2000:]
        box.password = found[1]
        box.keep()
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
        box.keep()
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


def test_a_release_that_is_uploaded_is_looked_into_by_a_unit_of_its_own(box: Box, tmp_path: Path) -> None:
    """A small one by the development key, and the same with an octet changed: what the page says of each."""
    right = tmp_path / "casemate-9.0.0.raucb"
    key = trust.development(CHECKOUT / "image/keys" / trust.PLACE)
    building.build(parts(tmp_path / "parts"), release("9.0.0"), "verity", key, right)
    said = {}
    with box.console() as console:
        token = form_token(console.get("/release").text)
        for name, path in (("tampered", tampered(right, tmp_path / "wrong")), ("right", right)):
            octets = path.read_bytes()
            head = {"X-CSRF-Token": token}
            begin = console.post("/release/upload", data={"name": right.name, "octets": len(octets)}, headers=head)
            assert begin.json() == {"here": 0}, begin.text
            for at in range(0, len(octets), 1 << 18):
                piece = console.post(
                    f"/release/upload/piece?at={at}", content=octets[at : at + (1 << 18)], headers=head
                )
                assert piece.status_code == 200, piece.text
            ended = console.post("/release/upload/end", headers=head)
            assert ended.json()["sha256"] == hashlib.sha256(octets).hexdigest()
            said[name] = wait_for(
                lambda: "It is being looked into" not in (p := console.get("/release/now").text) and p
            )
            if name == "tampered":
                assert console.post("/release/leave", data={"csrf": token}).status_code == 200
    assert "changed although the signature is right" in said["tampered"], said["tampered"]
    assert "release key (development)" in said["right"] and "Second release." in said["right"], said["right"]


def test_from_outside_only_the_named_ports_are_there(box: Box) -> None:
    assert reached("1-65535") == {("443", "open"), ("8443", "open"), ("2776", "open")}


def reached(ports: str) -> set[tuple[str, str]]:
    """What nmap finds from outside: (port, state), leaving out what answers nothing."""
    words = ["nmap", "-Pn", "-n", "-sS", f"-p{ports}", "--max-rate", "1000", "--max-retries", "3", "-oG", "-", THERE]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=3000)
    return {(port, state) for port, state in re.findall(r"(\d+)/(\w+)/tcp", done.stdout) if state != "filtered"}


def test_ssh_is_opened_at_the_serial_console_to_one_key(box: Box) -> None:
    cable = Cable(box.machine)
    try:
        if box.telephone:
            cable.signed_in("ann", AT_THE_CABLE, base64.b32decode(box.telephone))
        else:
            box.telephone = base64.b32encode(cable.first_account(box.password, "ann", AT_THE_CABLE)).decode()
            box.keep()
        shown = cable.ssh_opened(box.key.with_suffix(".pub").read_text().strip())
        assert "Open until" in shown, shown
        cable.out()
    finally:
        cable.unplugged()
    assert reached("22") == {("22", "open")}
    assert "Authorised use only" in (first := box.shell("id -u")).stderr and first.stdout == "0\n"
    known = subprocess.run(
        ["ssh-keygen", "-lf", str(box.machine.folder / "known_hosts")], capture_output=True, text=True, check=True
    )
    assert known.stdout.split()[1] in shown, "the serial console shows the key by which the box is known"


@pytest.mark.parametrize(
    "command",
    [
        "touch /usr/bin/more",
        "mount -o remount,rw / && touch /usr/bin/more",
        "dd if=/dev/zero of=/dev/mapper/root bs=4096 count=1 conv=fsync",
        "install -m 0755 /usr/bin/true /var/tmp/it && /var/tmp/it",
        "modprobe bluetooth",
    ],
)
def test_not_even_root_changes_it(box: Box, command: str) -> None:
    """By SSH, while it is open."""
    assert box.shell("true").returncode == 0
    assert box.shell(command).returncode != 0


def test_from_inside_nobody_reaches_what_was_not_named(box: Box) -> None:
    """Twenty users of the box knock at twenty places on its network, behind its next hop, and at the operator's own port."""
    for host in sorted({host for _, host, _, _ in PLACES} - {HERE}):
        subprocess.run(["ip", "address", "replace", f"{host}/32", "dev", "lo"], check=True)
    words = [sys.executable, "-m", "tests.hosts.callers", "listen", json.dumps(PLACES)]
    other = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
    assert other.stdin is not None
    assert other.stdout is not None
    source = (CHECKOUT / "tests/hosts/callers.py").read_text(encoding="utf-8")
    there = shlex.join(["/usr/lib/casemate/bin/python3", "-P", "-", "crowd"])
    heard: set[tuple[str, str]] = set()

    def arrived() -> set[tuple[str, str]]:
        return heard | {(said, "operator") for said in KNOCKED if said}

    def knocked(users: tuple[str, ...]) -> bool:
        words = box.ssh(f"{there} {shlex.quote(json.dumps(users))} {shlex.quote(json.dumps([*PLACES, OPERATOR]))}")
        done = subprocess.run(words, input=source, capture_output=True, text=True, check=False, timeout=1200)
        assert done.stdout.strip() == str(len(users)), done.stdout + done.stderr
        return arrived() >= ALLOWED

    def listened(lines: IO[str]) -> None:
        heard.update((user, name) for user, _, name in (line.rstrip("\n").partition(" ") for line in lines))

    try:
        assert other.stdout.readline() == "listening\n"
        hearing = threading.Thread(target=listened, args=(other.stdout,), daemon=True)
        hearing.start()
        assert (len(USERS), len(PLACES)) == (20, 19)
        if not knocked(USERS):  # slow as it is, those who may had no time for it
            wait_for(lambda: knocked(tuple(user for user, _ in ALLOWED)))
        other.stdin.close()
        hearing.join(60)
    finally:
        other.kill()
        other.wait(10)
    assert arrived() == ALLOWED, arrived() ^ ALLOWED
    forbidden = len(USERS) * (len(PLACES) + 1) - len(ALLOWED)
    assert dropped(box.shell("nft list ruleset").stdout) >= forbidden, "every drop is counted"
    wait_for(lambda: "network.tried" in box.shell("casemate audit entries --what network.tried").stdout)


def test_what_it_takes_to_start_and_to_run(box: Box) -> None:
    """For the figures: `-s` shows them."""
    chain = box.shell("systemd-analyze time; systemd-analyze critical-chain --no-pager casemate.target; free -m")
    print(chain.stdout)
    assert "casemate.target" in chain.stdout
    memory = next(line.split() for line in chain.stdout.splitlines() if line.startswith("Mem:"))
    assert int(memory[1]) - int(memory[6]) <= MEMORY_USED_MIB_MAX, memory


def test_its_claims_hold_as_make_verify_asks_for_them(box: Box) -> None:
    config = box.machine.folder / "ssh_config"
    lines = (f"IdentityFile {box.key}", f"UserKnownHostsFile {box.machine.folder}/known_hosts", "BatchMode yes")
    config.write_text("\n".join(["Host *", *lines, ""]), encoding="ascii")
    words = ["make", "verify", f"HOST={THERE}", f"ARGS=--ssh-config {config} --timeout 900"]
    done = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=7200)
    print(done.stdout[-3000:])
    assert done.returncode == 0, done.stdout[-6000:]


def test_the_check_play_finds_it_well(box: Box) -> None:
    options = f"-i {box.key} -o UserKnownHostsFile={box.machine.folder}/known_hosts -o BatchMode=yes"
    inventory = box.machine.folder / "hosts.yml"
    hosts = f"all: {{children: {{appliance: {{hosts: {{box: {{ansible_host: {THERE}, ansible_user: root}}}}}}}}}}\n"
    inventory.write_text(hosts, encoding="ascii")
    words = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), "check.yml"]
    env = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_TIMEOUT": "120"}
    done = subprocess.run(
        [*words, f"--ssh-common-args={options}"],
        cwd=CHECKOUT / "playbooks",
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-1000:]
    assert "changed=0" in done.stdout


def test_ssh_ends_with_everything_that_runs_in_it(box: Box) -> None:
    """As its time would end it: the program that holds the time is ended."""
    child = subprocess.Popen(box.ssh("sleep 86400"), stdin=subprocess.DEVNULL)
    wait_for(lambda: box.shell("pgrep -f 'sleep 8640[0]'").returncode == 0)
    box.shell("kill $(systemctl show -P MainPID casemate-ssh)")
    child.wait(600)
    wait_for(lambda: reached("22") == set())
    with box.console() as console:
        page = console.get("/audit")
    assert all(what in page.text for what in ("ssh.opened", "ssh.entered", "ssh.closed"))


def test_a_restart_keeps_everything(box: Box) -> None:
    before = box.recovery
    assert box.machine.power_off(), "the power button switches it off"
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
    begin = box.machine.answer("Recovery key of the state volume", "cbdefghi-" * 7 + "cbdefghi", 0)
    begin = box.machine.after("asking: cryptsetup ended with 2", begin, 1200)
    begin = box.machine.answer("Recovery key of the state volume", box.recovery, begin, 1200)
    box.machine.wait("opens by the TPM again", 1200, begin)
    box.ready()
    with box.api() as api:
        answer = wait_for(lambda: (r := api.get(f"/v1/messages/{box.message}")).status_code == 200 and r)
        assert answer.json()["status"] == "delivered"

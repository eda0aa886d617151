"""A serial cable to a virtual machine, with pexpect at this end of it: what a field engineer with a laptop has, and nothing else.

The machine begins with an empty disk; sticks are put in and pulled out while it runs.
"""

from __future__ import annotations

import base64
import queue
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pexpect
from pexpect.spawnbase import SpawnBase

from appliance.access import totp
from appliance.clock import now_ms
from image.trees import Tree
from tests.hosts.machine import ESCAPES, Machine

SERIAL = "SN-2718"
OTHER_LINE = "other.sock"
ANSWER_S_MAX = 600.0  # software emulation on a busy machine


class Bare(Machine):
    """A machine with an empty disk and slots for sticks. `start` with a medium boots from that."""

    def __init__(self, folder: Path, tools: Tree, keys: Path, segment: str, disk_gib: int = 8) -> None:
        self.folder, self.tools, self.segment = folder, tools, segment
        self.boots = 0
        self.cores = 2
        self.heard: Heard | None = None
        self._qemu = self._tpm = None
        self.disk = folder / "disk.raw"
        folder.mkdir(parents=True, exist_ok=True)
        if not self.disk.exists():  # a machine that is kept goes on where it was
            with self.disk.open("wb") as file:
                file.truncate(disk_gib << 30)
            self._enrol(keys)

    def switch_on(self, medium: Path | None = None) -> Cable:
        """Starts it, from a stick that holds `medium` or from its disk; the cable is plugged in before the first line."""
        more = ["-smbios", f"type=1,manufacturer=Example,product=Rack,serial={SERIAL}"]
        if medium is not None:
            stick = self.folder / "medium.raw"
            subprocess.run(["cp", "--sparse=always", medium, stick], check=True)
            more += ["-drive", f"if=none,id=medium,format=raw,file={stick},cache=unsafe"]
            more += ["-device", "usb-storage,drive=medium,bootindex=0,serial=STICK"]
        while (self.folder / f"serial-{self.boots + 1}.log").exists():
            self.boots += 1
        place = self.folder / OTHER_LINE
        place.unlink(missing_ok=True)
        more += ["-chardev", f"socket,id=other,path={place},server=on,wait=off,logfile={self.folder}/other.log"]
        more += ["-serial", "chardev:other"]
        self.heard = None
        self.start(*more)
        cable = Cable(self)
        self.heard = cable.line
        return cable

    def other_line(self) -> Cable:
        """A second cable, to the machine's other port: where a BMC's serial-over-LAN is on many boards."""
        return Cable(self, OTHER_LINE)

    def said(self) -> str:
        """What came over the cable. The log that qemu writes has an octet twice where it had to be sent a second time."""
        if self.heard is None:
            return super().said()
        return ESCAPES.sub(b"", bytes(self.heard.all)).decode(errors="replace")

    def stick(self, name: str, label: str, files: list[Path], mib: int) -> Path:
        """A stick with these files at its top."""
        place = self.folder / f"{name}.raw"
        place.unlink(missing_ok=True)
        with place.open("wb") as file:
            file.truncate(mib << 20)
        self._inside("mkfs.vfat", "-F", "32", "-n", label, f"/build/machine/{place.name}")
        for path in files:
            shutil.copyfile(path, self.folder / path.name)
            self._inside("mcopy", "-i", f"/build/machine/{place.name}", f"/build/machine/{path.name}", "::/")
            (self.folder / path.name).unlink()
        return place

    def read(self, stick: Path, name: str, folder: Path) -> Path:
        """A file at the top of a stick that is out."""
        self._inside("mcopy", "-n", "-i", f"/build/machine/{stick.name}", f"::/{name}", "/build/machine/")
        return Path(shutil.move(self.folder / name, folder / name))

    def plug(self, stick: Path) -> None:
        self.command(f"drive_add 0 if=none,id={stick.stem},format=raw,file={stick},cache=unsafe")
        self.command(f"device_add usb-storage,drive={stick.stem},id=usb-{stick.stem},serial={stick.stem}")

    def unplug(self, stick: Path) -> None:
        self.command(f"device_del usb-{stick.stem}")
        time.sleep(2)
        self.command(f"drive_del {stick.stem}")

    def ended(self, seconds: float) -> None:
        """Waits until the machine restarts or switches itself off: either ends it here."""
        until = time.monotonic() + seconds
        while not self.off() and time.monotonic() < until:
            time.sleep(0.5)
        assert self.off(), f"it did not go off; the end of what it said:\n{self.said()[-2000:]}"
        self.pull()


class Heard(SpawnBase):  # type: ignore[misc]  # pexpect ships no types
    """What comes over a socket, read as it comes whether somebody waits for it or not: a machine that cannot be heard waits with its next octet."""

    def __init__(self, line: socket.socket) -> None:
        super().__init__(timeout=ANSWER_S_MAX, maxread=65536)
        self.all = bytearray()
        self._come: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._hear, args=(line,), daemon=True).start()

    def _hear(self, line: socket.socket) -> None:
        octets = b"-"
        while octets:
            try:
                octets = line.recv(65536)
            except OSError:
                octets = b""
            self.all += octets
            self._come.put(octets)

    def read_nonblocking(self, size: int = 1, timeout: float | None = -1) -> bytes:
        try:
            octets = self._come.get(timeout=self.timeout if timeout == -1 else timeout)
        except queue.Empty:
            raise pexpect.TIMEOUT("nothing came") from None
        if not octets:
            self._come.put(b"")
            raise pexpect.EOF("the line is gone")
        return bytes(octets)


class Cable:
    """What is typed and what comes back. `octets` and `answers` are counted: a slow line is not to be held up."""

    def __init__(self, machine: Machine, line: str = "serial.sock") -> None:
        self.machine = machine
        self.answers = self.keys = 0
        self._used_step = 0
        self._socket = socket.socket(socket.AF_UNIX)
        until = time.monotonic() + 30
        while True:
            try:
                self._socket.connect(str(machine.folder / line))
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
        self.line = Heard(self._socket)

    def until(self, *texts: str, seconds: float = ANSWER_S_MAX) -> str:
        """What came before one of the texts, and that text. Raises AssertionError with the end of what was said."""
        try:
            self.line.expect_exact([t.encode() for t in texts], timeout=seconds)
        except (pexpect.EOF, pexpect.TIMEOUT):
            raise AssertionError(f"{texts} did not come; the end of what did:\n{self.said()[-2500:]}") from None
        return ESCAPES.sub(b"", self.line.before + self.line.after).decode(errors="replace")

    def said(self) -> str:
        return ESCAPES.sub(b"", bytes(self.line.all)).decode(errors="replace")

    def type(self, text: str) -> None:
        self.answers += bool(text)
        self.keys += len(text) + 1
        self._socket.sendall(text.encode() + b"\r")

    def key(self, key: str) -> None:
        self._socket.sendall(key.encode())

    def asked(self, prompt: str, text: str) -> str:
        """Waits for a question, answers it; what was said before it."""
        said = self.until(prompt)
        self.type(text)
        return said

    def code(self, secret: bytes) -> str:
        """A code of the telephone, each one once."""
        while (step := now_ms() // 30_000) <= self._used_step:
            time.sleep(0.5)
        self._used_step = step
        return totp(secret, step)

    def name_asked(self) -> str:
        """To the question for a name, from wherever a session is not."""
        self.key("\r")
        return self.until("name: ")

    def signed_in(self, name: str, password: str, secret: bytes) -> None:
        self.name_asked()
        self.type(name)
        self.asked("password: ", password)
        self.until("code of your telephone: ")
        self.type(self.code(secret))
        self.menu()

    def first_account(self, admin: str, name: str, password: str) -> bytes:
        """Made by who knows the password of the web console's first administrator; the secret of its telephone. Ends in the menu."""
        self.name_asked()
        self.type("new")
        self.asked("whom the first start showed): ", "")
        self.asked("password of admin: ", admin)
        self.asked("name: ", name)
        self.asked("or more: ", password)
        self.asked("the same again: ", password)
        (found,) = re.findall(r"^\s+((?:[A-Z2-7]{4}-?){8})\s*$", self.until("code of your telephone: "), re.M)
        secret = base64.b32decode(found.replace("-", ""))
        self.type(self.code(secret))
        self.menu()
        return secret

    def ssh_opened(self, public: str) -> str:
        """SSH for an hour to one key that is pasted, by menu 18; what was shown last."""
        self.page("ssh")
        told = (
            ("open, close (empty to leave): ", "open"),
            ("paste   (empty to leave): ", "paste"),
            ("not shown): ", public),
        )
        for prompt, typed in (*told, ("60): ", ""), ("Type yes to do it: ", "yes")):
            self.asked(prompt, typed)
        return self.back()

    def menu(self) -> None:
        self.until("Ctrl-C comes back here.")
        self.until("> ")

    def page(self, word: str) -> None:
        """An entry, from the menu."""
        self.type(word)

    def read(self, *ends: str, seconds: float = ANSWER_S_MAX) -> str:
        """What a page says until one of the questions, through all of its screens."""
        said = ""
        while True:
            said += self.until("Enter: more", *ends, seconds=seconds)
            if not said.endswith("Enter: more"):
                return said
            self.type("")

    def back(self, seconds: float = ANSWER_S_MAX) -> str:
        """To the menu; what the page said."""
        said = self.read("Enter: menu: ", seconds=seconds)
        self.type("")
        self.menu()
        return said

    def out(self) -> None:
        self.type("0")
        self.until("name: ")

    def unplugged(self) -> None:
        self._socket.close()

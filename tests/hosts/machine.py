"""A virtual machine that boots the image as a bank's hardware would: UEFI with Secure Boot on, a TPM, a serial line, a network.

Software emulation only (`-accel tcg`): slow, and the same everywhere. Ends only what it started.
"""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

from image.trees import Tree

CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd")
VARS = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\r|\0")
OWNER = str(uuid.UUID("7c1e4d5a-96a8-4a5e-8a5b-5f0c5a3e9d11"))


class Machine:
    """One machine with a disk of its own; `start` boots it, what the serial line says is in `said()`. A folder that has a machine already is that machine."""

    def __init__(
        self, folder: Path, image: Path, tools: Tree, keys: Path, segment: str = "", disk_gib: int = 6
    ) -> None:
        self.folder = folder
        self.tools = tools
        self.segment = segment
        self.boots = 0
        self.cores = 2
        self._qemu: subprocess.Popen[bytes] | None = None
        self._tpm: subprocess.Popen[bytes] | None = None
        self.disk = folder / "disk.raw"
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "vars.fd").exists():
            self.boots = len(list(folder.glob("serial-*.log")))
            return
        subprocess.run(["cp", "--sparse=always", image, self.disk], check=True)
        with self.disk.open("r+b") as file:
            file.truncate(disk_gib << 30)
        self._enrol(keys)

    def _inside(self, *words: str) -> None:
        binds = {self.folder: "/build/machine"}
        subprocess.run(self.tools.words(words, binds), check=True, stdin=subprocess.DEVNULL, capture_output=True)

    def _enrol(self, keys: Path) -> None:
        """The image's own keys into the firmware, Secure Boot on: what a bank does once with the certificates of the release."""
        shutil.copyfile(VARS, self.folder / "empty.fd")
        for key in ("PK", "KEK", "db"):
            shutil.copyfile(keys / f"{key}.crt", self.folder / f"{key}.crt")
        words = ["virt-fw-vars", "-i", "/build/machine/empty.fd", "-o", "/build/machine/vars.fd", "--secure-boot"]
        words += ["--set-pk", OWNER, "/build/machine/PK.crt", "--add-kek", OWNER, "/build/machine/KEK.crt"]
        self._inside(*words, "--add-db", OWNER, "/build/machine/db.crt")

    def ssh_key(self, name: str) -> Path:
        """A person's SSH key, which stays with the machine."""
        path = self.folder / name
        if not path.exists():
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{name}@bank", "-f", str(path)]
            subprocess.run(words, check=True)
        return path

    def seed(self, files: dict[str, str]) -> None:
        """A stick labelled CASEMATE with these files."""
        stick = self.folder / "stick.raw"
        stick.write_bytes(b"")
        with stick.open("r+b") as file:
            file.truncate(16 << 20)
        place = self.folder / "stick"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for name, text in files.items():
            (place / name).write_text(text, encoding="utf-8")
        self._inside("mkfs.vfat", "-n", "CASEMATE", "/build/machine/stick.raw")
        for name in files:
            self._inside("mcopy", "-i", "/build/machine/stick.raw", f"/build/machine/stick/{name}", "::/")

    def start(self, *more: str) -> None:
        """Switches it on; `more` are further words for qemu."""
        self.boots += 1
        tpm = self.folder / "tpm"
        tpm.mkdir(exist_ok=True)
        control = self.folder / "tpm.sock"
        words = [
            "swtpm",
            "socket",
            "--tpm2",
            "--tpmstate",
            f"dir={tpm}",
            "--ctrl",
            f"type=unixio,path={control}",
            "--terminate",
        ]
        self._tpm = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 120
        while not control.exists() and time.monotonic() < until:
            time.sleep(0.05)
        self.serial = self.folder / f"serial-{self.boots}.log"
        qemu = [
            "qemu-system-x86_64",
            "-machine",
            "q35,smm=on",
            "-accel",
            "tcg,thread=multi,tb-size=512",
            "-cpu",
            # Emulated octet by octet otherwise: a page is cleared so, and this kernel clears each page twice.
            "max,erms=off,fsrm=off",
            "-uuid",
            str(uuid.uuid5(uuid.NAMESPACE_URL, str(self.folder))),
            "-smp",
            str(self.cores),
            "-m",
            "2048",
        ]
        qemu += [
            "-nodefaults",
            "-display",
            "none",
            "-no-reboot",
            "-global",
            "driver=cfi.pflash01,property=secure,value=on",
        ]
        qemu += ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={CODE}"]
        qemu += ["-drive", f"if=pflash,format=raw,unit=1,file={self.folder}/vars.fd"]
        qemu += [
            "-drive",
            f"if=none,id=disk,format=raw,file={self.disk},cache=unsafe,discard=unmap",
            "-device",
            "virtio-blk-pci,drive=disk,bootindex=1",
        ]
        if (self.folder / "stick.raw").exists():
            qemu += [
                "-device",
                "qemu-xhci",
                "-drive",
                f"if=none,id=stick,format=raw,readonly=on,file={self.folder}/stick.raw",
                "-device",
                "usb-storage,drive=stick",
            ]
        qemu += [
            "-chardev",
            f"socket,id=tpm,path={control}",
            "-tpmdev",
            "emulator,id=tpm,chardev=tpm",
            "-device",
            "tpm-tis,tpmdev=tpm",
        ]
        qemu += [
            "-device",
            "virtio-rng-pci",
            "-chardev",
            f"socket,id=serial,path={self.folder}/serial.sock,server=on,wait=off,logfile={self.serial}",
            "-serial",
            "chardev:serial",
        ]
        qemu += ["-monitor", f"unix:{self.folder}/monitor.sock,server=on,wait=off"]
        net = f"tap,id=net,ifname={self.segment},script=no,downscript=no" if self.segment else "user,id=net,restrict=on"
        qemu += ["-netdev", net, "-device", "virtio-net-pci,netdev=net", *more]
        for name in ("monitor.sock", "serial.sock"):
            (self.folder / name).unlink(missing_ok=True)
        log = (self.folder / "qemu.log").open("ab")
        self._qemu = subprocess.Popen(qemu, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def said(self) -> str:
        """What came over the serial line since the last start, without terminal sequences."""
        try:
            return ESCAPES.sub(b"", self.serial.read_bytes()).decode(errors="replace")
        except OSError:
            return ""

    def wait(self, text: str, seconds: float, since: int = 0) -> str:
        """Everything said (from the character `since` on), once `text` is in it. Raises TimeoutError with the end of it, also when the machine went off."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            said = self.said()[since:]
            if text in said:
                return said
            if self._qemu is not None and self._qemu.poll() is not None:
                break
            time.sleep(0.5)
        raise TimeoutError(f"{text!r} did not come; the end of what did:\n{self.said()[-3000:]}")

    def off(self) -> bool:
        """Whether it switched itself off, or restarted: a restart ends it, too."""
        return self._qemu is None or self._qemu.poll() is not None

    def type(self, text: str) -> None:
        """Types a line on the serial terminal."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(str(self.folder / "serial.sock"))
            s.sendall(text.encode() + b"\r")
            time.sleep(1)

    def answer(self, prompt: str, typed: str, since: int, seconds: float = 600) -> int:
        """Types once `prompt` was said after the character `since`; where the next one may begin."""
        end = self.after(prompt, since, seconds)
        self.type(typed)
        return end

    def after(self, text: str, since: int, seconds: float) -> int:
        """Where `text` ends, once it was said after the character `since`."""
        return since + self.wait(text, seconds, since).index(text) + len(text)

    def command(self, words: str) -> None:
        """A word to the machine's monitor: system_powerdown, system_reset."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(str(self.folder / "monitor.sock"))
            s.sendall(words.encode() + b"\n")
            time.sleep(0.3)

    def power_off(self, seconds: float = 900) -> bool:
        """By its power button, as a person would; pulled when it does not go. Whether it went by itself."""
        went = True
        if self._qemu is None:
            return went
        if self._qemu.poll() is None:
            try:
                self.command("system_powerdown")
                self._qemu.wait(seconds)
            except (OSError, subprocess.TimeoutExpired):
                went = False
                self.pull()
        self._end()
        return went

    def left_behind(self, folder: Path) -> Path:
        """What a power cut at this moment leaves, in `folder`: all processes of the machine stand still while its disk, its firmware's variables, its TPM
        and the stick that is in from the start are copied; then it goes on. Returns the folder."""
        folder.mkdir(parents=True)
        running = [each for each in (self._qemu, self._tpm) if each is not None]
        for each in running:
            each.send_signal(signal.SIGSTOP)
        try:
            names = ("vars.fd", "tpm", "stick.raw")
            kept = [self.disk, *(self.folder / name for name in names if (self.folder / name).exists())]
            subprocess.run(["cp", "-a", "--sparse=always", *kept, folder], check=True)
        finally:
            for each in running:
                each.send_signal(signal.SIGCONT)
        return folder

    def pull(self) -> None:
        """The power cable."""
        if self._qemu is not None and self._qemu.poll() is None:
            self._qemu.kill()
            self._qemu.wait(10)
        self._end()

    def _end(self) -> None:
        if self._tpm is not None:
            try:
                self._tpm.wait(5)
            except subprocess.TimeoutExpired:
                self._tpm.kill()
        self._qemu = self._tpm = None

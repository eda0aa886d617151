"""A file system of its own on a file: it can be filled, frozen and made to fail without harming anything else. Needs root."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path


def why_not() -> str:
    """Why there can be none here; empty when there can."""
    if os.geteuid() != 0:
        return "mounting a file system needs root"
    missing = [
        tool for tool in ("mkfs.ext4", "mount", "umount", "fsfreeze", "e2fsck", "findmnt") if shutil.which(tool) is None
    ]
    return f"{', '.join(missing)} not installed" if missing else ""


class SmallDisk:
    """`with SmallDisk(160) as disk:` is an ext4 of so many MiB at `disk.path`."""

    def __init__(self, mib: int) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="cm-disk-"))
        self.path = self.base / "d"
        self.path.mkdir()
        image = self.base / "image"
        with image.open("wb") as file:
            file.truncate(mib << 20)
        _run("mkfs.ext4", "-q", "-m", "0", str(image))
        _run("mount", "-o", "loop,errors=remount-ro", str(image), str(self.path))

    def __enter__(self) -> SmallDisk:
        return self

    def __exit__(self, *_: object) -> None:
        for _ in range(20):  # a process that has just ended may still hold it
            if subprocess.run(["umount", str(self.path)], stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.25)
        else:
            _run("umount", "-l", str(self.path))
        shutil.rmtree(self.base, ignore_errors=True)

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Not one octet more."""
        ballast = self.path / "ballast"
        with ballast.open("wb", buffering=0) as file:
            for octets in (1 << 20, 4096, 512, 1):
                with contextlib.suppress(OSError):
                    while file.write(bytes(octets)) == octets:
                        pass
        try:
            yield
        finally:
            ballast.unlink()

    def fail(self) -> None:
        """An error of the disk: ext4 gives its journal up and is read-only from then on."""
        Path(f"/sys/fs/ext4/{Path(self._device()).name}/trigger_fs_error").write_text("a test\n", encoding="ascii")

    def mend(self) -> None:
        """What an administrator does, nothing of ours being open: checked, and mounted again."""
        _run("umount", str(self.path))
        image = str(self.base / "image")
        subprocess.run(["e2fsck", "-f", "-y", image], capture_output=True)  # its exit code says what it mended
        _run("mount", "-o", "loop,errors=remount-ro", image, str(self.path))

    def _device(self) -> str:
        found = subprocess.run(["findmnt", "-no", "SOURCE", str(self.path)], capture_output=True, text=True, check=True)
        return found.stdout.strip()

    @contextlib.contextmanager
    def slow(self, stalled_s: float = 0.4, well_s: float = 0.05) -> Iterator[None]:
        """Every write waits until the next moment in which the disk is well."""
        over = threading.Event()

        def stall() -> None:
            while not over.is_set():
                _run("fsfreeze", "-f", str(self.path))
                over.wait(stalled_s)
                _run("fsfreeze", "-u", str(self.path))
                over.wait(well_s)

        thread = threading.Thread(target=stall)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)

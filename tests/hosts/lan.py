"""A network of the test's own: a namespace with one Ethernet segment, this process on it as the bank's side and the operators' side at once."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

NEW_NETWORK = 0x40000000  # unshare(2): CLONE_NEWNET
HERE = "10.66.0.1"  # this process: bank, operator, whoever knocks
THERE = "10.66.0.5"  # the box
SEGMENT = "tap-casemate"

_libc = ctypes.CDLL(None, use_errno=True)


def _told(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def own_network() -> Iterator[None]:
    """This thread, and what it starts, in a network namespace that ends with it."""
    with Path("/proc/thread-self/ns/net").open("rb") as before:
        _told(_libc.unshare(NEW_NETWORK))
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            _told(_libc.setns(before.fileno(), NEW_NETWORK))


@contextlib.contextmanager
def segment() -> Iterator[str]:
    """The name of a tap device that a virtual machine is plugged into; this side is 10.66.0.1/24."""
    with own_network():
        subprocess.run(["ip", "tuntap", "add", SEGMENT, "mode", "tap"], check=True)
        subprocess.run(["ip", "address", "add", f"{HERE}/24", "dev", SEGMENT], check=True)
        subprocess.run(["ip", "link", "set", SEGMENT, "up"], check=True)
        yield SEGMENT

"""Takes from this process, for good, what the parsing of a stranger's file does not need: files, network, memory, new rights (Landlock, landlock(7); setrlimit(2)).

Whatever the file made of its reader could then do no more than this. Where the kernel has no Landlock the bounds alone hold; what held is said.
"""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

CREATE, ADD, RESTRICT = 444, 445, 446  # the same on every architecture (asm-generic/unistd.h)
NO_NEW_PRIVS: Final = 38  # prctl(2)
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
#: Rights on files that each version of the interface knows (linux/landlock.h): a ruleset may name no others.
KNOWN: Final = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF, 6: 0xFFFF}
OF_FILES: Final = (
    EXECUTE | WRITE_FILE | READ_FILE | 0x4000 | 0x8000
)  # rights that a file has, too; the others are a folder's
TCP: Final = 3  # to bind, to connect (version 4)
SCOPES: Final = 3  # abstract sockets and signals of processes outside (version 6)

MEMORY_OCTETS_MAX: Final = 2 << 30
FILE_OCTETS_MAX: Final = 64 << 20  # a signature and what it is over, beside the bundle
PROCESSOR_S_MAX: Final = 900


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def confine(read: Iterable[Path], write: Sequence[Path]) -> str:
    """From now on this process reads and runs only what is below `read`, writes only below `write`, and connects to nothing. `landlock N`, or `bounds`."""
    bounds = (
        (resource.RLIMIT_AS, MEMORY_OCTETS_MAX),
        (resource.RLIMIT_FSIZE, FILE_OCTETS_MAX),
        (resource.RLIMIT_CPU, PROCESSOR_S_MAX),
        (resource.RLIMIT_CORE, 0),
    )
    for which, bound in bounds:
        resource.setrlimit(which, (bound, bound))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0)
    version = libc.syscall(CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 1:
        return "bounds"
    files = KNOWN[min(version, max(KNOWN))]
    asked = _Ruleset(files, TCP if version >= 4 else 0, SCOPES if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = libc.syscall(CREATE, ctypes.byref(asked), ctypes.c_size_t(size), ctypes.c_uint32(0))
    if ruleset < 0:
        return "bounds"
    for path in read:
        _allowed(libc, ruleset, path, files & (EXECUTE | READ_FILE | READ_DIR))
    for path in write:
        _allowed(libc, ruleset, path, files & ~EXECUTE)
    done = libc.syscall(RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)
    return "bounds" if done else f"landlock {version}"


def _allowed(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    """What is not there is allowed to nobody."""
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    rule = _Beneath(rights if path.is_dir() else rights & OF_FILES, parent)
    libc.syscall(ADD, ctypes.c_int(ruleset), ctypes.c_int(1), ctypes.byref(rule), ctypes.c_uint32(0))
    os.close(parent)

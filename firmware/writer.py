"""Writes a checked bundle to the slot that does not run, so that power may fail at any moment: the order of the steps is the whole point.

    1  the slot's boot entry goes                      the boot loader no longer knows the slot
    2  its partitions are named `_empty`               nothing finds a root file system there
    3  signature, hash tree and root are written       resumed where a journal says, piece by piece, each part's SHA-256 counted
    4  everything is read back from the medium         and compared with the signed manifest
    5  the partitions get the new UUIDs and label      the new kernel will find them, nothing else does
    6  the kernel is written under another name, synced, read back, and renamed to its entry with a counter

The running slot and its entry are never touched. No file is staged: pieces go from the bundle to the disk, memory stays at one piece.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

from . import gpt
from .entries import PRODUCT, Entry, blessed, condemned, entries, entry, fresh
from .gpt import Disk, Table
from .refusals import Refused
from .release import Image, Release, uuids_of
from .slots import BEGIN, BLESS, REINSTATE, WITHDRAW, Slot, refusal, stands

SYNC_OCTETS: Final = 8 << 20  # written between two syncs and notes in the journal: what a power cut costs at most
NEW: Final = ".new"
_READ_OCTETS: Final = 1 << 20
_NOBODY: Final = "00000000-0000-4000-8000-00000000000{}"

Told = Callable[[str, int, int], None]  # what, octets done, octets in all


class Esp(Protocol):
    """The folder EFI/Linux of the EFI system partition. Every call that changes something is on the medium when it returns."""

    def names(self) -> list[str]: ...

    def write(self, name: str, pieces: Iterator[bytes]) -> None: ...

    def read(self, name: str) -> Iterator[bytes]: ...

    def rename(self, name: str, to: str) -> None: ...

    def remove(self, name: str) -> None: ...


class Source(Protocol):
    """A checked bundle, as bundle.Checked gives it."""

    @property
    def release(self) -> Release: ...

    def pieces(self, part: str) -> Iterator[bytes]: ...


class Held(Exception):
    """An act that the state of the slots does not allow; the text is a key of slots.REASONS."""


class Journal:
    """How far writing has come, in a file that is replaced whole. Losing it costs time, never the result."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, bundle: str, part: str) -> int:
        try:
            said = json.loads(self.path.read_text(encoding="ascii"))
            return int(said["parts"].get(part, 0)) if said["bundle"] == bundle else 0
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return 0

    def note(self, bundle: str, part: str, octets: int) -> None:
        try:
            said = json.loads(self.path.read_text(encoding="ascii"))
            parts = said["parts"] if said["bundle"] == bundle else {}
        except (OSError, ValueError, KeyError, TypeError):
            parts = {}
        fresh_path = self.path.with_name(self.path.name + NEW)
        fresh_path.write_text(json.dumps({"bundle": bundle, "parts": {**parts, part: octets}}), encoding="ascii")
        fresh_path.replace(self.path)

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)


def standing(table: Table, names: list[str], running: str) -> dict[str, Slot]:
    """Both slots. An entry belongs to the slot whose partitions carry its version; `running` is that slot's name, "" for unknown."""
    found = {e.version: e for e in entries(names)}
    out = {}
    for name, parts in gpt.slots(table).items():
        version = parts["root"].label.removeprefix(f"{PRODUCT}_")
        out[name] = stands(name, found.get(version), name == running)
    return out


def running_slot(table: Table, root_hash: str) -> str:
    """The slot whose root has the UUID that follows from the hash on the kernel's command line; "" when none has."""
    wanted = uuids_of(root_hash)[0] if len(root_hash) == 64 else ""
    return next((name for name, parts in gpt.slots(table).items() if parts["root"].uuid == wanted), "")


def allowed(slots: Mapping[str, Slot], running: str, name: str, heard: str) -> None:
    """Raises Held when an act must not be."""
    why = refusal(slots, running, name, heard)
    if why:
        raise Held(why)


def install(
    disk: Disk,
    esp: Esp,
    source: Source,
    images: Mapping[str, Image],
    bundle: str,
    running: str,
    journal: Journal,
    told: Told,
) -> Entry:
    """Steps 1 to 6; the entry that the boot loader tries next. `bundle` is its root hash, `images` its signed parts.

    Raises Held, Refused `payload_tampered` when what was read or written is not what was signed, OSError, gpt.Damaged.
    """
    table = gpt.read(disk)
    standing_now = standing(table, esp.names(), running)
    target = next(name for name in gpt.SLOTS if name != running)
    allowed(standing_now, running, target, BEGIN)
    parts = gpt.slots(table)[target]
    for part, partition in parts.items():
        if images[part].size > partition.octets:
            raise Refused("wrong_hardware", f"{part} does not fit: {images[part].size} octets into {partition.octets}")
    _cleared(esp, standing_now[target], source.release.version)
    empty = {p.number: (_NOBODY.format(n), gpt.EMPTY) for n, p in enumerate(parts.values())}
    if any((p.uuid, p.label) != empty[p.number] for p in parts.values()):
        gpt.write(disk, table, gpt.changed(table, empty))
    for part in ("signature", "verity", "root"):
        _written(disk, parts[part].offset, source.pieces(part), images[part], bundle, part, journal, told)
    try:
        for part in ("signature", "verity", "root"):
            _read_back(disk, parts[part].offset, images[part], part, told)
    except Unwritten:
        journal.forget()  # all of it is written anew the next time
        raise
    release = source.release
    named = {parts[part].number: (release.uuids[part], f"{PRODUCT}_{release.version}") for part in parts}
    table = gpt.read(disk)
    gpt.write(disk, table, gpt.changed(table, named))
    entered = fresh(release.version, release.tries)
    esp.write(entered.name + NEW, _counted(source.pieces("kernel"), images["kernel"], "kernel", told))
    _same(hashlib.sha256(), esp.read(entered.name + NEW), images["kernel"], "kernel")
    esp.rename(entered.name + NEW, entered.name)
    journal.forget()
    return entered


def _cleared(esp: Esp, slot: Slot, version: str) -> None:
    """Step 1, and what an installation that was cut off left on the partition: the kernel is the largest file there."""
    for name in esp.names():
        found = entry(name.removesuffix(NEW))
        if found is not None and (name.endswith(NEW) or found.version in (slot.version, version)):
            esp.remove(name)


def _written(
    disk: Disk, offset: int, pieces: Iterator[bytes], image: Image, bundle: str, part: str, journal: Journal, told: Told
) -> None:
    """Step 3 for one part. What the journal says is there already is counted and not written again."""
    counted, done, synced = hashlib.sha256(), 0, journal.read(bundle, part)
    for piece in pieces:
        counted.update(piece)
        if done + len(piece) > image.size:
            raise Refused("payload_tampered", part)
        if done + len(piece) > synced:
            disk.pwrite(offset + done, piece)
        done += len(piece)
        if done - synced >= SYNC_OCTETS:
            disk.settle()
            journal.note(bundle, part, done)
            synced = done
            told(f"writing {part}", done, image.size)
    disk.settle()
    journal.note(bundle, part, done)
    told(f"writing {part}", done, image.size)
    if done != image.size or counted.hexdigest() != image.sha256:
        journal.forget()
        raise Refused("payload_tampered", part)


def _read_back(disk: Disk, offset: int, image: Image, part: str, told: Told) -> None:
    """Step 4. Raises Unwritten."""

    def pieces() -> Iterator[bytes]:
        for start in range(0, image.size, _READ_OCTETS):
            yield disk.pread(offset + start, min(_READ_OCTETS, image.size - start))
            told(f"checking {part}", min(image.size, start + _READ_OCTETS), image.size)

    _same(hashlib.sha256(), pieces(), image, part)


class Unwritten(Exception):
    """What was read back is not what was written: the disk is at fault, or somebody else writes to it."""


def _same(counted: hashlib._Hash, pieces: Iterator[bytes], image: Image, part: str) -> None:
    octets = 0
    for piece in pieces:
        counted.update(piece)
        octets += len(piece)
    if octets != image.size or counted.hexdigest() != image.sha256:
        raise Unwritten(part)


def _counted(pieces: Iterator[bytes], image: Image, part: str, told: Told) -> Iterator[bytes]:
    done = 0
    for piece in pieces:
        done += len(piece)
        if done > image.size:
            raise Refused("payload_tampered", part)
        yield piece
        told(f"writing {part}", done, image.size)


# --- afterwards -----------------------------------------------------------------------------------------------


def bless(disk: Disk, esp: Esp, running: str) -> Entry:
    """The running release is good. Raises Held."""
    return _renamed(disk, esp, running, running, BLESS)


def roll_back(disk: Disk, esp: Esp, running: str) -> Entry:
    """The running release is withdrawn: the next start is the other slot's. Raises Held when that one is not good."""
    return _renamed(disk, esp, running, running, WITHDRAW)


def reinstate(disk: Disk, esp: Esp, running: str, tries: int) -> Entry:
    """The other slot's release, which used up its tries or was withdrawn, gets tries again. Raises Held."""
    name = next(n for n in gpt.SLOTS if n != running)
    return _renamed(disk, esp, running, name, REINSTATE, tries)


def _renamed(disk: Disk, esp: Esp, running: str, name: str, heard: str, tries: int = 0) -> Entry:
    slots = standing(gpt.read(disk), esp.names(), running)
    allowed(slots, running, name, heard)
    before = next(e for e in entries(esp.names()) if e.version == slots[name].version)
    after = {BLESS: blessed(before), WITHDRAW: condemned(before), REINSTATE: Entry(before.version, tries or 1, 0)}[
        heard
    ]
    if after != before:
        esp.rename(before.name, after.name)
    return after

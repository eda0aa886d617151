"""The books of ported numbers that were imported, in home/numbers: versions of each, and one file that says which are in use.

A book is written whole under a name of its own, then `active` is put in place at once: a crash leaves the books before or the
ones after, and what is half done is swept away by the next import. Each book's digest stands in `active` and on the audit
log; one that does not fit is damaged, that is said, and the one before it is used.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from appliance import atomic
from appliance.errors import Error
from appliance.limits import PORTED_BOOKS_MAX, PORTED_REFUSED_SHARE_MAX, PORTED_SHRINK_MIN, PORTED_VERSIONS_MAX

from .binding import Binder, Bound, Layout, Progress
from .ported import Book, digest_of

NAME: Final = re.compile(r"[A-Za-z0-9]{1,32}")


class Kept(msgspec.Struct):
    """One version of one book. `refused` and `doubled`: lines of its file that are not in it."""

    version: int
    digest: str
    rows: int
    at_ms: int
    who: str
    refused: int = 0
    doubled: int = 0


class InUse(msgspec.Struct):
    """What `active` holds: the books in use by name, and what was in use before, newest last."""

    books: dict[str, Kept] = {}
    before: list[dict[str, Kept]] = []


_decode: Final = msgspec.json.Decoder(InUse)


class Bookshelf:
    """One box's books. Whoever asks them keeps the shelf: what is in use is opened, and its digest checked, once."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "numbers"
        self.active_path = self.folder / "active"
        self._open: dict[tuple[str, int], Book] = {}

    def path(self, name: str, version: int) -> Path:
        return self.folder / f"{name}-{version:06d}.book"

    def in_use(self) -> InUse:
        """Raises Error `file_invalid` when it is there and damaged."""
        try:
            return _decode.decode(self.active_path.read_bytes())
        except FileNotFoundError:
            return InUse()
        except (OSError, msgspec.MsgspecError):
            raise Error("file_invalid", "numbers/active is damaged", "import the national databases again") from None

    def stamp(self) -> tuple[int, int, int] | None:
        """Changes whenever other books come into use."""
        try:
            stat = self.active_path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_ino, stat.st_size

    def opened(self) -> list[Book | str]:
        """The books in use, by name; in place of one that is damaged, what is wrong, and the one before it if there is one."""
        try:
            now = self.in_use()
        except Error as e:
            return [e.message]
        out: list[Book | str] = []
        still: dict[tuple[str, int], Book] = {}
        for name, kept in sorted(now.books.items()):
            for each in (kept, *(books[name] for books in reversed(now.before) if name in books)):
                try:
                    book = still[name, each.version] = self._opened(name, each)
                except Error as e:
                    out.append(e.message)
                    continue
                out.append(book)
                break
        self._open = still
        return out

    def _opened(self, name: str, kept: Kept) -> Book:
        book = self._open.get((name, kept.version))
        if book is not None:
            return book
        path = self.path(name, kept.version)
        said = Error(
            "file_invalid", f"the book {path.name} of ported numbers is damaged", "`casemate numbers back`, or import"
        )
        try:
            if digest_of(path) != kept.digest:
                raise said
        except OSError:
            raise said from None
        return Book(path, f"{name}, version {kept.version}")

    # --- changing -----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """One import at a time. Raises Error `already_running`. What an import that was ended left is swept away."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o640)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Error("already_running", "another import is under way", "wait for its end") from None
            for left in self.folder.glob(".import-*"):
                shutil.rmtree(left, ignore_errors=True)
            yield
        finally:
            os.close(handle)

    def bind(
        self, source: Path, name: str, layout: Layout, who: str, at_ms: int, progress: Progress, anyway: bool = False
    ) -> tuple[Kept, Bound]:
        """A new version of a book, not in use yet; within `changing`. Raises Error `file_invalid`, `invalid`, `store_full`."""
        if not NAME.fullmatch(name):
            raise Error("invalid", "a book's name is 1 to 32 letters and digits", "such as IT")
        now = self.in_use()
        if name not in now.books and len(now.books) >= PORTED_BOOKS_MAX:
            raise Error("invalid", f"there are {PORTED_BOOKS_MAX} books already", "use the name of one of them")
        needed = source.stat().st_size * 2  # runs and book: eight octets for each line of some twenty
        if shutil.disk_usage(self.folder).free < needed:
            raise Error("store_full", f"an import of {source.name} needs {needed:,} octets of disk", "free some")
        versions = [int(path.stem.rpartition("-")[2]) for path in self.folder.glob(f"{name}-*.book")]
        version = max([*versions, now.books[name].version if name in now.books else 0], default=0) + 1
        with tempfile.TemporaryDirectory(prefix=".import-", dir=self.folder) as scratch:
            fresh = Path(scratch) / "book"
            bound = Binder(layout, Path(scratch), progress).bind(source, fresh)
            if not anyway:
                _sane(source.name, bound, now.books.get(name))
            digest = digest_of(fresh)
            fresh.replace(self.path(name, version))
        refused = sum(bound.refusals.values())
        return Kept(version, digest, bound.rows, at_ms, who, refused, bound.doubled), bound

    def put(self, name: str, kept: Kept) -> None:
        """Brings a version into use; those who watch take it."""
        now = self.in_use()
        before = [*now.before, now.books][-PORTED_VERSIONS_MAX + 1 :]
        self._write(InUse({**now.books, name: kept}, before))

    def before(self) -> InUse:
        """What `back` makes the books in use. Raises Error `invalid` when there was nothing before."""
        now = self.in_use()
        if not now.before:
            raise Error("invalid", "no other books were in use before", "see `casemate numbers status`")
        missing = [n for n, kept in now.before[-1].items() if not self.path(n, kept.version).exists()]
        if missing:
            raise Error("invalid", f"the version of {missing[0]} before is no longer there", "import it again")
        return InUse(now.before[-1], now.before[:-1])

    def back(self) -> None:
        """The books that were in use before are in use again. Raises Error `invalid`."""
        self._write(self.before())

    def _write(self, state: InUse) -> None:
        atomic.write(self.active_path, msgspec.json.encode(state))
        spared = {
            self.path(name, kept.version) for books in (state.books, *state.before) for name, kept in books.items()
        }
        for path in self.folder.glob("*.book"):
            if path not in spared:
                path.unlink(missing_ok=True)

    def status(self) -> list[dict[str, Any]]:
        """What people read of each book in use."""
        now = self.in_use()
        return [
            {"book": name, **msgspec.to_builtins(kept), "octets": _octets(self.path(name, kept.version))}
            for name, kept in sorted(now.books.items())
        ]


def _octets(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _sane(name: str, bound: Bound, before: Kept | None) -> None:
    """Raises Error `file_invalid` for what is more likely a wrong or a cut file than a national database."""
    refused = sum(bound.refusals.values())
    anyway = "`--anyway` takes it all the same"
    if not bound.rows:
        raise Error("file_invalid", f"{name} has no row that can be read", "see --number-column and --separator")
    if refused > PORTED_REFUSED_SHARE_MAX * (bound.rows + refused):
        lines = ", ".join(f"line {n}: {code}" for n, code in bound.refused[:5])
        raise Error("file_invalid", f"{refused:,} lines of {name} cannot be read ({lines})", anyway)
    if before is not None and bound.rows < PORTED_SHRINK_MIN * before.rows:
        said = f"{name} has {bound.rows:,} numbers, the version in use {before.rows:,}"
        raise Error("file_invalid", said, f"was it cut short? {anyway}")

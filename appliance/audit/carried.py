"""An export on its way: the auditor writes where it alone may, in the state folder; whoever asked carries it from there to a place of theirs, a stick perhaps."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.errors import Error


@contextmanager
def carried(home: Path, target: Path, folder: bool) -> Iterator[Path]:
    """Where the auditor is to write; what lies there when the block ends is at `target`, durably. When the block fails, nothing is left at either place.

    Raises Error `file_invalid`: something is at `target` already, or nothing can be written there. It is found before the auditor is asked, since
    an approval of two people is used up by asking.
    """
    made = _begun(target, folder)
    try:
        scratch = home / "export"
        with _told():
            scratch.mkdir(mode=0o770, parents=True, exist_ok=True)
            with contextlib.suppress(PermissionError):  # the console's, which made it so already
                scratch.chmod(0o770)
            place = Path(tempfile.mkdtemp(prefix="carried-", dir=scratch))
            place.chmod(0o770)  # the auditor is a user of its own, in the same group
        try:
            yield place / "audit"
            with _told():
                _copied(place / "audit", target)
        finally:
            shutil.rmtree(place, ignore_errors=True)
    except BaseException:
        with contextlib.suppress(
            OSError
        ):  # a stick that is full goes on holding what it held; one that was pulled has nothing to remove
            for left in target.iterdir() if folder else ():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            if made:
                target.rmdir() if folder else target.unlink()
        raise


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise Error("file_invalid", f"the export cannot be written: {e.strerror}", "name another place") from None


def _begun(target: Path, folder: bool) -> bool:
    """Whether it was made here: an empty folder may have been there before."""
    try:
        if folder:
            there = target.is_dir()
            target.mkdir(mode=0o755, parents=True, exist_ok=True)
            if any(target.iterdir()):
                raise Error("file_invalid", "the folder for the export is not empty", "name a new one")
            (target / ".try").touch()
            (target / ".try").unlink()
            return not there
        target.open("xb").close()
    except FileExistsError:
        raise Error("file_invalid", f"{target} is there already", "name a new one") from None
    except OSError as e:
        raise Error("file_invalid", f"{target} cannot be written: {e.strerror}", "name another place") from None
    return True


def _copied(source: Path, target: Path) -> None:
    """Readable for everybody, for the officer is somebody else; a stick knows no modes."""
    if source.is_dir():
        target.mkdir(exist_ok=True)
        for path in sorted(source.iterdir()):
            _copied(path, target / path.name)
    else:
        shutil.copyfile(source, target)
    with contextlib.suppress(PermissionError):
        target.chmod(0o755 if source.is_dir() else 0o644)
    reached = os.open(target, os.O_RDONLY)
    try:
        os.fsync(reached)
    finally:
        os.close(reached)

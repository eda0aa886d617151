"""A transcript's signature: a C2SP signed note by the audit key over the ceremony's name and the digest of the lines; made and checked."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from appliance.audit import note as notes
from appliance.errors import Error
from appliance.keys import signed_text

from .transcript import LINES, NOTE, TEXT, read, readable


class Checked(NamedTuple):
    """What `verify` found to be so."""

    name: str
    digest: str
    lines: list[dict[str, Any]]
    key: str


def note_of(name: str, digest: str, origin: str, key: bytes, signature: bytes) -> str:
    """The note: three lines, a blank one, one signature line."""
    coded = base64.b64encode(notes.key_id(origin, key) + signature).decode()
    return f"{signed_text(name, digest).decode()}\n\u2014 {origin} {coded}\n"


def verify(path: Path, vkey: str) -> Checked:
    """Checks a transcript (its folder, or its lines' file) by the log's key. Raises Error `file_invalid` and `audit_invalid`."""
    folder = path if path.is_dir() else path.parent
    try:
        octets = (folder / LINES).read_bytes()
        lines = read(octets)
        note = (folder / NOTE).read_text(encoding="utf-8") if (folder / NOTE).exists() else ""
        text = (folder / TEXT).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise Error("file_invalid", f"a transcript is {LINES} and {TEXT} in one folder: {e}") from None
    if not note:
        raise Error(
            "audit_invalid",
            "this transcript is not signed: the token was not open at its end",
            "compare its digest with the audit log",
        )
    verifier, digest, name = notes.parse_vkey(vkey.strip()), hashlib.sha256(octets).hexdigest(), str(lines[0]["name"])
    body, _, line = note.rpartition("\n\n")
    if body + "\n" != signed_text(name, digest).decode():
        raise Error("audit_invalid", "the transcript is not the one that was signed")
    words = line.rstrip("\n").split(" ")
    try:
        raw = base64.b64decode(words[2], validate=True)
    except (IndexError, ValueError):
        raise Error("audit_invalid", "the note has a malformed signature line") from None
    if words[:2] != ["\u2014", verifier.name] or raw[:4] != notes.key_id(verifier.name, verifier.key):
        raise Error("audit_invalid", "the note was signed by another key than the one given", f"it names {words[1]}")
    if not notes.genuine(verifier.key, signed_text(name, digest), raw[4:]):
        raise Error("audit_invalid", "the signature does not match the transcript")
    if text != readable(lines):
        raise Error("audit_invalid", f"{TEXT} is not the text of {LINES}")
    return Checked(name, digest, lines, verifier.vkey())

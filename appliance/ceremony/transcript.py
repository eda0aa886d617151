"""The transcript: JSON lines, one a seat and a step with its times, from which the readable text and the paper are made. No secret is ever in it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from appliance.clock import rfc3339
from appliance.errors import Error

from .script import Script
from .terminal import WIDTH, plain, wrapped

LINES: Final = "transcript.jsonl"
TEXT: Final = "transcript.txt"
NOTE: Final = "transcript.note"
PAPER: Final = "transcript.pdf"


class Transcript:
    """Grows with the ceremony, on disk line by line: what was done is there when the box loses power."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True)
        self.path = folder / LINES

    def begin(self, script: Script, box: dict[str, Any], rehearsal: bool, at_ms: int) -> None:
        self.put(
            {
                "what": "ceremony",
                "name": script.name,
                "title": script.title,
                "script_version": script.version,
                "script_sha256": script.digest,
                "rehearsal": rehearsal,
                "box": box,
                "at": rfc3339(at_ms),
            }
        )

    def put(self, line: dict[str, Any]) -> None:
        """Raises Error `store_full`."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=True, separators=(",", ":")) + "\n")
                file.flush()
        except OSError as e:
            raise Error("store_full", f"the transcript cannot be written ({e.strerror})", "check free space") from None

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def read(octets: bytes) -> list[dict[str, Any]]:
    """The lines of a transcript. Raises Error `file_invalid`."""
    try:
        lines = [json.loads(line) for line in octets.decode("ascii").splitlines()]
        if lines[0]["what"] != "ceremony" or not all(isinstance(line["what"], str) for line in lines):
            raise ValueError
    except (UnicodeDecodeError, ValueError, IndexError, KeyError, TypeError):
        raise Error("file_invalid", "this is no transcript of a ceremony", f"the file's name is {LINES}") from None
    return lines


def readable(lines: list[dict[str, Any]]) -> str:
    """The same as text, 78 columns of ASCII. The same lines give the same text, so that a changed one is noticed."""
    head = lines[0]
    out = [head["title"].upper(), "=" * min(WIDTH, len(head["title"])), ""]
    if head["rehearsal"]:
        out += ["REHEARSAL: nothing here is of any box in use.", ""]
    out += [
        f"ceremony   {head['name']}, script version {head['script_version']}",
        f"script     {head['script_sha256']}",
        f"begun      {head['at']}",
        *(f"{name:10} {value}" for name, value in head["box"].items()),
        "",
        "People",
    ]
    for line in lines[1:]:
        if line["what"] == "seat":
            known = "by the password of a console account" if line["authenticated"] else "by name"
            out.append(f"  {line['title']:18} {line['person']} ({known})")
    for line in lines[1:]:
        if line["what"] == "step":
            out += ["", *_step(line)]
    last = lines[-1]
    if last["what"] == "end":
        out += ["", f"{last['at']}  {last['outcome']}", *([wrapped(last["why"], "  ")] if last["why"] else [])]
    else:
        out += ["", "It has no end: the box lost power, or the program was killed."]
    return plain("\n".join(out)) + "\n"


def _step(line: dict[str, Any]) -> list[str]:
    out = [
        f"{line['number']}. {line['id']}: {line['title']}, {line['person']}",
        f"   {line['begun']}, {line['took_s']:.0f} s",
    ]
    out.append(wrapped(line["text"], "   "))
    for name, value in line["found"].items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        out.append(wrapped(f"{name}: {shown}", "   > ") if len(shown) < WIDTH - 12 else f"   > {name}: {shown}")
    if line["confirmed"]:
        out.append(wrapped(f'Confirmed by {line["person"]}: "{line["confirm"]}."', "   "))
    elif line["why"]:
        out.append(wrapped(f"Not done: {line['why']}", "   "))
    return out

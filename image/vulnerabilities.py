"""Which published vulnerabilities the Debian packages of the image have: debsecan(1) over the root's package list, with Debian's data from a file.

Nothing is asked for over the network: whoever builds fetches the file (`release/1/SUITE` of Debian's security tracker) and names it, so that a report says
what was known that day. Without a file there is no report, and none is invented.
"""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path

from image.debian import sha256_of
from image.recipe import Fault
from image.stages import ROOT, WORK, Bench

HEAD = b"VERSION 1\n"


def checked(feed: Path) -> Path:
    """The same path. Raises Fault unless it holds what Debian's security tracker gives out for debsecan."""
    try:
        known = zlib.decompress(feed.read_bytes()).startswith(HEAD)
    except (OSError, zlib.error) as e:
        raise Fault(
            f"{feed} cannot be read as debsecan's data: {e}", "it is the file release/1/SUITE, as it comes"
        ) from None
    if not known:
        raise Fault(f"{feed} is in a form that is not known", "debsecan 0.4 reads `VERSION 1`")
    return feed


def report(bench: Bench, feed: Path, out: Path) -> int:
    """Writes the report to `out`; how many lines say that a package is vulnerable."""
    folder = bench.work / "feed"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copyfile(checked(feed), folder / bench.recipe.suite)
    words = ["debsecan", "--suite", bench.recipe.suite, "--source", f"file://{WORK}/feed/"]
    words += ["--status", f"{ROOT}/var/lib/dpkg/status", "--format", "summary", "--no-obsolete"]
    lines: list[str] = []
    bench.inside(*words, seen=lambda line: lines.append(line.rstrip()))
    listed = sorted(line for line in lines if line)
    head = [
        f"Published vulnerabilities of the Debian packages in casemate {bench.version}, by debsecan.",
        f"Data: SHA-256 {sha256_of(feed)}.",
        f"{len(listed)} known." if listed else "None known.",
        "",
    ]
    out.write_text("\n".join([*head, *listed]) + "\n", encoding="utf-8")
    return len(listed)

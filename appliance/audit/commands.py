"""What `casemate audit` does, as plain functions: each returns a Printed with lines for a person and a result for programs."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.limits import AUDIT_PAGE_ENTRIES_MAX
from appliance.settings import Settings

from . import cosign as cosign_file
from . import reports
from . import verify as verifier_file
from .recorder import BlockingRecorder

LONG_S_MAX: Final = 600.0  # verifying or exporting years of entries


class Printed(NamedTuple):
    """`ok` decides the exit code; `lines` go to the screen; `result` is what `--json` prints."""

    ok: bool
    lines: list[str]
    result: dict[str, Any]


def export(settings: Settings, folder: str | Path) -> Printed:
    """Has the auditor write `checkpoint`, `tile/...`, `verifier.vkey`, `verify.py` and `README.txt` into a new folder.

    Raises Error `file_invalid`, `audit_unavailable`, `peer_unavailable`.
    """
    target = Path(folder).absolute()
    reply = _call(settings, "export", {"path": str(target), "who": who()})
    lines = [f"{reply['size']} entries in {reply['files']} files written to {target}"]
    if reply["unsigned"]:
        lines.append(f"{reply['unsigned']} newer entries are durable but not signed yet, so they are not in it")
    lines.append("the next step, on another machine: python verify.py . --key KEY-YOU-WERE-GIVEN")
    return Printed(True, lines, reply)


def verify(
    path: str | Path, key: str | None = None, old: Sequence[str | Path] = (), witnesses: Sequence[str] = ()
) -> Printed:
    """Checks an exported folder, offline; needs no running appliance.

    `key`, `witnesses`: vkey lines or files that hold one; `old`: files of checkpoints kept from earlier.
    """
    earlier = [Path(p).read_text(encoding="utf-8") for p in old]
    vkeys = [_vkey(w, verifier_file.WITNESS, verifier_file.ML_DSA) for w in witnesses]
    report = verifier_file.verify(Path(path), _vkey(key, verifier_file.LOG) if key else None, earlier, None, vkeys)
    return Printed(report.ok, list(verifier_file.lines_of(report)), asdict(report))


def _vkey(given: str, *kinds: int) -> str:
    """The key, or what the file of that name holds. Raises Error `invalid`."""
    key = Path(given).read_text(encoding="utf-8").strip() if Path(given[:200]).is_file() else given
    try:
        verifier_file.read_key(key, *kinds)
    except ValueError as e:
        raise Error("invalid", str(e), "a line NAME+ID+KEY, or a file that holds it") from None
    return key


def verify_running(settings: Settings) -> Printed:
    """Has the auditor check its own log and its store; recorded as `audit.verified`."""
    result = _call(settings, "verify", {"who": who()})
    lines = [f"{result['size']} entries, root {result['root']}"]
    lines += [f"PROBLEM  [{p['code']}] {p['place']}: {p['text']}" for p in result["problems"]]
    lines.append("VERIFIES" if result["ok"] else "DOES NOT VERIFY")
    return Printed(result["ok"], lines, result)


def entries(
    settings: Settings,
    limit: int = 50,
    before: int | None = None,
    what: str | None = None,
    by: str | None = None,
    **sought: str | None,
) -> Printed:
    """The newest entries, newest first; `before` pages on; `what`, `by` (an entry's who), `on`, `outcome`, `since`, `until` filter."""
    limit = max(1, min(limit, AUDIT_PAGE_ENTRIES_MAX))
    result = _call(settings, "entries", {"limit": limit, "before": before, "what": what, "who": by, **sought})
    return Printed(True, [line_of(found["index"], found["entry"]) for found in result["entries"]], result)


def proof(settings: Settings, index: int) -> Printed:
    """The `.tlog-proof` of one entry: its lines are the file."""
    result = _call(settings, "proof", {"index": index})
    return Printed(True, result["tlog_proof"].removesuffix("\n").split("\n"), result)


def checkpoint(settings: Settings) -> Printed:
    """A checkpoint over everything recorded so far: the few lines to keep away from the box."""
    result = _call(settings, "checkpoint", {})
    shown = {**result, "root": result["root"].hex()}
    return Printed(True, result["checkpoint"].removesuffix("\n").split("\n"), shown)


def cosign(words: list[str]) -> int:
    """`cosign.py` with these words; its exit code."""
    try:
        return cosign_file.main(words)
    except SystemExit as e:  # argparse: after --help, or a word it does not know
        return int(e.code or 0)


def request(settings: Settings, old: int | None) -> Printed:
    """What a witness is given: its lines are the file."""
    result = _call(settings, "request", {"old": old})
    return Printed(True, result["request"].removesuffix("\n").split("\n"), result)


def cosigned(settings: Settings, file: str | Path) -> Printed:
    """Brings a cosigned checkpoint into the log's folder. Raises Error `invalid`, `audit_invalid`."""
    said = _call(settings, "cosigned", {"note": Path(file).read_text(encoding="utf-8", errors="replace"), "who": who()})
    return Printed(True, [f"{said['name']} cosigned {said['size']} entries at {said['at']}"], said)


def report(settings: Settings, name: str, since: str, until: str) -> Printed:
    """One of `reports.REPORTS` over entries from `since` on and before `until`, as CSV. Recorded before anything is read."""
    recorder = BlockingRecorder(settings)
    try:
        recorder.record(who(), "audit.reported", f"report:{name}")
    finally:
        recorder.close()

    def read(what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        asked: dict[str, Any] = {"what": what, "since": since, "until": until, "limit": AUDIT_PAGE_ENTRIES_MAX}
        while page := _call(settings, "entries", asked)["entries"]:
            found += page
            asked["before"] = page[-1]["index"]
        return found[::-1]

    lines = list(reports.rows(name, read))
    text = reports.as_csv(lines)
    result = {
        "report": name,
        "title": reports.REPORTS[name][0],
        "rows": [dict(zip(reports.COLUMNS, r, strict=True)) for r in lines],
    }
    return Printed(True, text.removesuffix("\r\n").split("\r\n"), result)


def review(settings: Settings, low: int | None, high: int | None) -> Printed:
    """What the rules found in the last review, or from entry `low` to before `high`."""
    result = _call(settings, "review", {"low": low, "high": high})
    lines = [f"entries {result['low']} to {result['high']}: {len(result['findings'])} findings"]
    lines += [f"{f['rule']:<16}{f['times']:>6}  {f['who']}, first entry {f['first']}" for f in result["findings"]]
    return Printed(True, lines, result)


def reviewed(settings: Settings, upto: int) -> Printed:
    """Marks the log as reviewed up to entry `upto`; recorded as `audit.reviewed`."""
    result = _call(settings, "reviewed", {"upto": upto, "who": who()})
    return Printed(True, [f"reviewed up to entry {upto}"], result)


def line_of(index: int, entry: dict[str, Any]) -> str:
    """One entry as one line of text."""
    detail = " ".join(f"{k}={v}" for k, v in entry["detail"].items())
    outcome = "" if entry["outcome"] == "ok" else f" {entry['outcome'].upper()}"
    return f"{index:>8}  {entry['at']}  {entry['who']}  {entry['what']}{outcome}  {entry['on']}  {detail}".rstrip()


def who() -> str:
    """`cli:USER` of this command."""
    return f"cli:{getpass.getuser()}"


def _call(settings: Settings, op: str, payload: dict[str, Any]) -> Any:
    client = BlockingClient(settings.socket("auditor"))
    try:
        return client.call(op, payload, LONG_S_MAX)
    finally:
        client.close()

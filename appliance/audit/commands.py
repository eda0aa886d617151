"""What `casemate audit` does, as plain functions: each returns a Printed with lines for a person and a result for programs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.invoker import at_command
from appliance.limits import AUDIT_PAGE_ENTRIES_MAX
from appliance.settings import Settings

from . import cosign as cosign_file
from . import reports, written
from . import verify as verifier_file
from .carried import carried
from .guarding import ACT
from .promptness import PROMISED_MS
from .recorder import BlockingRecorder

LONG_S_MAX: Final = 600.0  # verifying or exporting years of entries


class Printed(NamedTuple):
    """`ok` decides the exit code; `lines` go to the screen; `result` is what `--json` prints."""

    ok: bool
    lines: list[str]
    result: dict[str, Any]


def export(
    settings: Settings, path: str | Path, form: str = "folder", request: int = 0, **sought: str | None
) -> Printed:
    """Has the auditor write the log into a new folder, one signed archive, or CSV; `sought`: only these entries, in an archive with proofs.

    Raises Error `file_invalid`, `not_found`, `too_large`, `forbidden`, `audit_unavailable`, `peer_unavailable`.
    """
    target = Path(path).absolute()
    chosen = {name: value for name, value in sought.items() if value}
    asked: dict[str, Any] = {"who": at_command(), "form": form, "request": request or None, "sought": chosen or None}
    with carried(settings.home, target, form == "folder") as place:
        reply = _call(settings, "export", {"path": str(place), **asked})
    what = "the entries chosen" if chosen else f"{reply['size']} entries"
    lines = [f"{what} in {reply['files']} files written to {target}"]
    if reply["unsigned"]:
        lines.append(f"{reply['unsigned']} newer entries are durable but not signed yet, so they are not in it")
    if form != "csv":
        shown = "." if form == "folder" else target.name
        lines.append(f"the next step, on another machine: python verify.py {shown} --key KEY-YOU-WERE-GIVEN")
    return Printed(True, lines, reply)


def verify(
    path: str | Path, key: str | None = None, old: Sequence[str | Path] = (), witnesses: Sequence[str] = ()
) -> Printed:
    """Checks an exported folder, offline; needs no running appliance.

    `key`, `witnesses`: vkey lines or files that hold one; `old`: files of checkpoints kept from earlier.
    """
    earlier = [Path(p).read_text(encoding="utf-8") for p in old]
    vkeys = [_vkey(w, verifier_file.WITNESS, verifier_file.ML_DSA) for w in witnesses]
    report = verifier_file.verify(Path(path), _vkey(key, verifier_file.LOG) if key else "", earlier, vkeys)
    told = {**vars(report), "problems": [vars(problem) for problem in report.problems]}
    return Printed(report.ok, list(verifier_file.lines_of(report)), told)


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
    result = _call(settings, "verify", {"who": at_command()})
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
    said = _call(
        settings, "cosigned", {"note": Path(file).read_text(encoding="utf-8", errors="replace"), "who": at_command()}
    )
    return Printed(True, [f"{said['name']} cosigned {said['size']} entries at {said['at']}"], said)


def report(settings: Settings, name: str, since: str, until: str, paper: str | Path | None = None) -> Printed:
    """One of `reports.REPORTS` over entries from `since` on and before `until`: CSV, or a PDF in the new file `paper`.

    Recorded before anything is read. Raises Error `file_invalid`, `too_large`.
    """
    recorder = BlockingRecorder(settings)
    try:
        recorder.record(at_command(), "audit.reported", f"report:{name}")
    finally:
        recorder.close()
    call = partial(_call, settings)
    lines = written.report(call, name, since, until)
    shown = [dict(zip(reports.COLUMNS, r, strict=True)) for r in lines]
    result = {"report": name, "title": reports.REPORTS[name][0], "rows": shown}
    if paper is not None:
        _write(paper, written.report_pdf(call, name, since, until, lines))
        return Printed(True, [f"{result['title']} written to {paper}"], result)
    return Printed(True, reports.as_csv(reports.COLUMNS, lines).removesuffix("\r\n").split("\r\n"), result)


def paper(settings: Settings, file: str | Path, request: int = 0, **sought: str | None) -> Printed:
    """Entries as PDF, oldest first, in a new file. Raises Error `file_invalid`, `too_large`, `forbidden`."""
    chosen = {name: value for name, value in sought.items() if value}
    asked = {"form": "pdf", "who": at_command(), "request": request or None, "sought": chosen or None}
    size = _call(settings, "export", asked)["size"]
    _write(file, written.entries_pdf(partial(_call, settings), size, chosen))
    return Printed(True, [f"written to {file}"], {"file": str(file), "size": size})


def _write(file: str | Path, content: bytes) -> None:
    """A new file. Raises Error `file_invalid`."""
    try:
        with open(file, "xb") as out:
            out.write(content)
    except OSError as e:
        raise Error("file_invalid", f"{file} cannot be written: {e.strerror}", "name a new file") from None


def review(settings: Settings, low: int | None, high: int | None, paper: str | Path | None = None) -> Printed:
    """What the rules found in the last review, or from entry `low` to before `high`; with `paper` also as PDF in a new file."""
    result = _call(settings, "review", {"low": low, "high": high})
    title = written.title_of(result)
    if paper is not None:
        _write(paper, written.review_pdf(partial(_call, settings), result))
        return Printed(True, [f"{title}; written to {paper}"], result)
    lines = [f"{f['rule']:<16}{f['times']:>6}  {f['who']}, first entry {f['first']}" for f in result["findings"]]
    return Printed(True, [title, *lines], result)


def prune(settings: Settings, now: bool) -> Printed:
    """What the settings let go; with `now` it goes, and `audit.pruned` says so."""
    result = _call(settings, "prune", {"who": at_command(), "now": now})
    first, upto = result["first"], result["upto"]
    if upto == first:
        return Printed(True, [f"nothing to prune; the log begins at entry {first}"], result)
    said = f"entries {first} to {upto - 1}"
    return Printed(True, [f"{said} were pruned" if now else f"{said} may go: `casemate audit prune --now`"], result)


def status(settings: Settings) -> Printed:
    """How the log is, and whether entries come and are signed as soon as is promised."""
    state = _call(settings, "state", {})
    said = f"{state['size']} entries, {state['checkpoint_size']} under a checkpoint"
    lines = [said + (f"; not ready: {state['why']}" if state["why"] else "")]
    for name, what in (("sequencing", "from the act to the log"), ("signing", "from the log to a checkpoint")):
        row = state[name]
        mean = row["sum_ms"] / row["count"] if row["count"] else 0.0
        times = f"{row['count']} times, {mean:.0f} ms on average, {row['max_ms']} ms at most"
        lines.append(f"{what:<30}{times}, {row['late']} later than {PROMISED_MS} ms")
    return Printed(not state["why"], lines, state)


def weaker(settings: Settings, request: int) -> Printed:
    """Settings that would weaken the log and wait for two people; with the approved `request` they are agreed to."""
    if request:
        result = _call(settings, "accept", {"who": at_command(), "request": request})
        said = f"agreed to: {', '.join(result['accepted'])}; in force when the auditor starts again"
        return Printed(True, [said], result)
    state = _call(settings, "state", {})
    result = {"weaker": state["weaker"], "number": state["weaker_number"]}
    if not result["weaker"]:
        return Printed(True, ["no setting waits for two people"], result)
    lines = [f"{c['name']}: {_plain(c['before'])} -> {_plain(c['now'])}" for c in result["weaker"]]
    lines.append(f"not in force; `casemate keys ask {ACT} {result['number']}` asks another person for it")
    return Printed(False, lines, result)


def _plain(value: Any) -> str:
    return (", ".join(value) if isinstance(value, list) else str(value)) or "none"


def reviewed(settings: Settings, upto: int) -> Printed:
    """Marks the log as reviewed up to entry `upto`; recorded as `audit.reviewed`."""
    result = _call(settings, "reviewed", {"upto": upto, "who": at_command()})
    return Printed(True, [f"reviewed up to entry {upto}"], result)


def line_of(index: int, entry: dict[str, Any]) -> str:
    """One entry as one line of text."""
    detail = " ".join(f"{k}={v}" for k, v in entry["detail"].items())
    outcome = "" if entry["outcome"] == "ok" else f" {entry['outcome'].upper()}"
    return f"{index:>8}  {entry['at']}  {entry['who']}  {entry['what']}{outcome}  {entry['on']}  {detail}".rstrip()


def _call(settings: Settings, op: str, payload: dict[str, Any]) -> Any:
    client = BlockingClient(settings.socket("auditor"))
    try:
        return client.call(op, payload, LONG_S_MAX)
    finally:
        client.close()

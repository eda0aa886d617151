"""`casemate link`: operator links as they are, taken out of use and back, tested, traced; their profiles, and whether a file is right."""

from __future__ import annotations

import json
import sys
import threading
import tomllib
from pathlib import Path
from typing import Any, Final

import click

from appliance.clock import now_ms, rfc3339
from appliance.errors import Error
from appliance.invoker import at_command
from appliance.limits import LINK_TEST_S_MAX, TRACE_MINUTES_MAX
from appliance.settings import (
    LINK_SETTINGS,
    Profile,
    Settings,
    find_profile,
    home_of,
    load,
    parse,
    parse_profile,
    profile_names,
)
from appliance.shards import blocking_engines
from appliance.smpp import LinkPacker, PduError, ReceiptReader
from appliance.text import Cutter, sender_octets, shape_of

ASK_S_MAX: Final = 5.0
FOLLOW_S: Final = 0.5  # between two looks at a trace
FAILED: Final = 1

_json = click.option("--json", "as_json", is_flag=True, help="for programs")


@click.group()
def link() -> None:
    """Operator links: list, show, drain, resume, test, trace; profiles, and whether a file of them is right."""


def _ask(op: str, payload: dict[str, Any], timeout_s: float = ASK_S_MAX, settings: Settings | None = None) -> Any:
    client = blocking_engines(settings or load(home=home_of()))
    try:
        return client.call(op, payload, timeout_s)
    finally:
        client.close()


def _state(name: str) -> dict[str, Any]:
    links = _ask("state", {})["links"]
    found = next((each for each in links if each["name"] == name), None)
    if found is None:
        known = ", ".join(each["name"] for each in links) or "none"
        raise Error("not_found", f"there is no link {name!r}", f"links: {known}")
    return dict(found)


def _table(rows: list[list[str]]) -> None:
    widths = [max(len(line[n]) for line in rows) for n in range(len(rows[0]))]
    for line in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


# --- how they are ---------------------------------------------------------------------------------------------


@link.command("list")
@_json
def list_links(as_json: bool) -> None:
    """Every link with its state."""
    links = _ask("state", {})["links"]
    if as_json:
        click.echo(json.dumps(links, indent=1))
        return
    if not links:
        click.echo("no links: add [[link]] to the settings file", err=True)
        return
    rows = [["link", "state", "binds", "queued", "under way", "pace", "errors", "last error"]]
    for each in links:
        binds = each.get("binds", [])
        bound = sum(1 for bind in binds if bind["up_since_ms"])
        under_way = f"{each['in_flight']} of {each['window']}"
        row = [each["name"], each["state"], f"{bound} of {len(binds)}", str(each["queued"]), under_way, _pace(each)]
        rows.append([*row, str(each["errors"]), each["last_error"] if each["state"] != "up" else ""])
    _table(rows)


def _pace(state: dict[str, Any]) -> str:
    now = state.get("pace_now") or 0
    if not state["pace"] and not now:
        return "no limit"
    if now == state["pace"] or not now:
        return f"{state['pace']:g}/s"
    return f"{now:g} of {state['pace']:g}/s" if state["pace"] else f"{now:g}/s for now"


@link.command()
@click.argument("name")
@_json
def show(name: str, as_json: bool) -> None:
    """One link: its counters and each of its binds."""
    state = _state(name)
    if as_json:
        click.echo(json.dumps(state, indent=1))
        return
    for key, value in state.items():
        if key == "binds" or isinstance(value, dict):
            continue
        if key.endswith("_ms"):
            value = rfc3339(value) if value else "-"
            key = key.removesuffix("_ms")
        click.echo(f"{key.replace('_', ' '):<16} {value if value != '' else '-'}")
    if state.get("binds"):
        rows = [["bind", "kind", "state", "under way", "since", "last error"]]
        for bind in state["binds"]:
            since = rfc3339(bind["up_since_ms"]) if bind["up_since_ms"] else "-"
            under_way = f"{bind['in_flight']} of {bind['window']}"
            rows.append([bind["host"], bind["kind"], bind["state"], under_way, since, bind["last_error"]])
        click.echo()
        _table(rows)


@link.command()
@click.argument("name")
def drain(name: str) -> None:
    """Take NAME out of use, for maintenance: nothing new leaves, what is under way is answered. Holds after a restart too."""
    _ask("drain", {"link": name, "on": True, "who": at_command()}, 15.0)
    click.echo(f"{name} is drained; `casemate link resume {name}` puts it back")


@link.command()
@click.argument("name")
def resume(name: str) -> None:
    """Put a drained NAME back into use."""
    _ask("drain", {"link": name, "on": False, "who": at_command()}, 15.0)
    click.echo(f"{name} binds again")


# --- test and trace ---------------------------------------------------------------------------------------------


@link.command()
@click.argument("name")
@click.option(
    "--to-file", type=click.File(encoding="utf-8"), help="send to the number in this file, - for standard input"
)
@click.option("--to", help="send to this number; others on this machine can see it meanwhile")
@click.option("--text", default="", help="text of the message  [default: Casemate link test]")
@click.option("--from", "sender", default="", help="its sender  [default: the link's default_sender]")
@_json
def test(name: str, to_file: Any, to: str | None, text: str, sender: str, as_json: bool) -> int:
    """Try NAME with a bind of its own; with a number, send one message and wait for its receipt.

    Every PDU is shown both ways, decoded, without number and text. Exits with 1 when a step failed.
    """
    number = to_file.readline().strip() if to_file else to or ""
    asked = {"link": name, "to": number, "text": text, "from": sender, "who": at_command()}
    found = _ask("link_test", asked, LINK_TEST_S_MAX + 15.0)
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        _show_test(found, number)
    return 0 if found["ok"] else FAILED


def _show_test(found: dict[str, Any], number: str) -> None:
    if number:
        click.echo(f"a message to a number that ends in {number[-2:]}\n")
    began_ms = found["pdus"][0]["at_ms"] if found["pdus"] else 0
    for pdu in found["pdus"]:
        click.echo(f"{_arrow(pdu)} {pdu['at_ms'] - began_ms:>6} ms  {pdu['bind']}")
        click.echo("\n".join(f"   {line}" for line in pdu["lines"]))
    if found["more_pdus"]:
        click.echo(f"   and {found['more_pdus']} PDUs more")
    click.echo()
    for step in found["steps"]:
        mark = {True: "ok", False: "FAILED", None: "-"}[step["ok"]]
        click.echo(f"{step['name']:<8} {mark:<7} {step['took_ms']:>6} ms  {step['why']}")
        if step["hint"]:
            click.echo(f"                           {step['hint']}")
    if found["others"]:
        click.echo(f"{found['others']} PDUs of others came here and were sent back: they come again on another bind")


def _arrow(pdu: dict[str, Any]) -> str:
    return "->" if pdu["way"] == "out" else "<-"


@link.command()
@click.argument("name")
@click.option("--minutes", type=click.IntRange(1, TRACE_MINUTES_MAX), help="start a trace for so long")
@click.option("--off", is_flag=True, help="end it now")
@click.option("--follow", is_flag=True, help="go on showing PDUs until the trace ends")
@_json
def trace(name: str, minutes: int | None, off: bool, follow: bool, as_json: bool) -> None:
    """Show the PDUs of NAME both ways, masked. Starting and ending is on the audit log; it ends by itself."""
    settings = load(home=home_of())
    if off and minutes:
        raise Error("invalid", "--off and --minutes are two things")
    if off or minutes:
        until = _ask("trace", {"link": name, "minutes": minutes or 0, "who": at_command()}, 15.0, settings)["until_ms"]
        click.echo(f"traced until {rfc3339(until)}" if until else "not traced any more", err=True)
        if off:
            return
    after = 0
    while True:
        read = _ask("trace_read", {"link": name, "after": after}, ASK_S_MAX, settings)
        for pdu in read["pdus"]:
            click.echo(json.dumps(pdu) if as_json else _pdu(pdu))
            after = pdu["number"]
        if not follow or read["until_ms"] <= now_ms():
            break
        sys.stdout.flush()
        threading.Event().wait(FOLLOW_S)
    if read["skipped"]:
        click.echo(f"{read['skipped']} PDUs were too many a second to be kept", err=True)
    if not after:
        click.echo("nothing traced: --minutes starts a trace", err=True)


def _pdu(pdu: dict[str, Any]) -> str:
    return f"{_arrow(pdu)} {rfc3339(pdu['at_ms'])}  {pdu['bind']}\n" + "\n".join(f"   {line}" for line in pdu["lines"])


# --- profiles ---------------------------------------------------------------------------------------------------


@link.command()
@_json
def profiles(as_json: bool) -> None:
    """The ready link profiles."""
    found = [find_profile(name) for name in profile_names()]
    if as_json:
        click.echo(json.dumps([{"name": each.name, "title": each.title} for each in found], indent=1))
        return
    _table([[each.name, each.title] for each in found])


@link.command()
@click.argument("name")
@_json
def profile(name: str, as_json: bool) -> None:
    """What the profile NAME (or a file) says, where it comes from, and what it changes."""
    found = find_profile(name, Path.cwd())
    click.echo(json.dumps(found._asdict(), indent=1) if as_json else "\n".join(_profile_lines(found)))


def _profile_lines(found: Profile) -> list[str]:
    rows = {row.name: row for row in LINK_SETTINGS}
    out = [f"{found.name}: {found.title}", ""]
    out += [f"  from {source}" for source in found.source]
    out += ["", *(f"  {line}" for line in found.notes.strip().splitlines()), ""]
    for key, value in found.link.items():
        default = rows[key].default
        same = "as without it" if value == default else f"otherwise {json.dumps(default)}"
        out.append(f"  {key} = {json.dumps(value)}  ({same})")
        out.append(f"      {rows[key].help}")
    return out


@link.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(file: Path) -> int:
    """Whether FILE, a link profile or a settings file, is right; and what is odd in it. Exits with 2 when it is wrong."""
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise Error("settings_invalid", f"{file} cannot be read: {e}") from None
    if "profile" in raw:
        found = parse_profile(raw, str(file))
        given = {"name": "check", "host": "operator.example", "profile": str(file.absolute())}
        settings = parse({"link": [given]}, home_of(), str(file))
        what = f"a profile named {found.name}"
    else:
        settings = load(file, home_of())
        what = f"{len(settings.links)} links, {len(settings.routes)} routes"
    for each in settings.links:
        _usable(each, str(file))
        for doubt, hint in each.doubts:
            click.echo(f"{each.name}: {doubt}" + (f" ({hint})" if hint else ""))
    click.echo(f"{file} is right: {what}")
    return 0


def _usable(each: Any, where: str) -> None:
    """As the engine makes use of it; what it would refuse is told now."""
    try:
        shape = shape_of(each)
        LinkPacker(each, Cutter(shape).cut, sender_octets, shape)
        ReceiptReader(each)
        if each.default_sender:
            sender_octets(each.default_sender, each.sender_charset)
    except (PduError, ValueError) as e:
        raise Error("settings_invalid", f"{where}: link {each.name}: {getattr(e, 'message', e)}") from None

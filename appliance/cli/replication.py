"""`casemate keys status` and `casemate keys replicate`: how the HSMs are, and how the second comes to hold the first one's keys."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import click

from appliance.errors import Error

from .key_acts import as_json_option, as_person, called

LOOK_S = 0.5


def lines(state: dict[str, Any]) -> list[str]:
    """For a person."""
    out = []
    for hsm in state["hsms"]:
        how = (
            "serves"
            if hsm["serves"]
            else "stands by"
            if hsm["in_step"]
            else "answers, not in step"
            if hsm["up"]
            else "away"
        )
        what = f"{hsm['manufacturer']} {hsm['model']}".strip() or "not opened yet"
        out.append(f"{hsm['hsm']:7}  {how}: token {hsm['token']}, {what}, {hsm['module']}")
        if hsm["why"]:
            out.append(f"         {hsm['why']}")
        workers = ", ".join(f"{w['state']} ({w['calls']} calls, {w['losses']} lost)" for w in hsm["workers"])
        out.append(
            f"         wraps by {hsm['wrapping'] or '-'}, audit key {hsm['audit_key'] or '-'}, breaker {hsm['breaker']}"
        )
        out.append(f"         workers: {workers}; {hsm['calls']} calls, {hsm['errors']} failed")
    if len(state["hsms"]) > 1:
        out.append(
            f"fail-overs since the start: {state['failovers']}; common ways of wrapping: {', '.join(state['ways']) or '-'}"
        )
    else:
        out.append("there is one HSM; hsm.second_token_label names a second one's token")
    return out


@click.command()
@as_json_option
def status(as_json: bool) -> int:
    """Show how the HSMs are: which serves, whether the other is in step. Exits with 1 when one is not well."""
    state = called("state", {})
    shown = {name: state[name] for name in ("ready", "why", "hsms", "serves", "failovers", "ways") if name in state}
    click.echo(json.dumps(shown, indent=1) if as_json else "\n".join(lines(state)))
    return 0 if all(hsm["up"] and hsm["in_step"] for hsm in state["hsms"]) else 1


@click.command()
@click.argument("request", type=int, required=False)
@click.option("--check", is_flag=True, help="change nothing: only prove that both hold the same keys")
@click.option("--user", help="your name at the console")
@click.option(
    "--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="instead of typing it"
)
@as_json_option
def replicate(request: int | None, check: bool, user: str | None, password_file: Path | None, as_json: bool) -> int:
    """Pass the keys that the second HSM lacks to it, as REQUEST was approved for (`ask replicate`, `approve`).

    Keys that were made never to leave their HSM are not passed: then the message says how the vendor clones them, and --check
    proves afterwards that both are the same.
    """
    if check:
        reply = called("compare", {})
        told = [f"{row['key']:12} {row['check']}  the same in both" for row in reply["keys"]]
        click.echo(json.dumps(reply, indent=1) if as_json else "\n".join(told))
        return 0
    if request is None or user is None:
        raise Error(
            "invalid",
            "which request, and whose?",
            "`casemate keys ask replicate`, `approve`, then `casemate keys replicate REQUEST --user NAME`",
        )
    over = threading.Event()
    watching = threading.Thread(target=_watch, args=(over,), daemon=True)
    watching.start()
    try:
        reply = as_person("do", "keys.ask", user, password_file, request=request)
    finally:
        over.set()
        watching.join()
    line = f"{reply['passed']} keys passed; both HSMs hold the same {reply['keys']} keys"
    click.echo(json.dumps(reply, indent=1) if as_json else line)
    return 0


def _watch(over: threading.Event) -> None:
    """Says on standard error what is being done."""
    said = ""
    while not over.wait(LOOK_S):
        try:
            step = called("state", {}).get("replicating") or {}
        except Error:
            continue
        line = f"  {step['step']} of {step['of']}: {step['what']}" if step else ""
        if line and line != said:
            click.echo(line, err=True)
        said = line or said


COMMANDS = (status, replicate)

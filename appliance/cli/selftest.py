"""`casemate selftest`: is the hardware enough, is the box what was shipped, is it closed. The box runs it at each start."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import click

from appliance import atomic
from appliance.clock import rfc3339
from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.network import ssh
from appliance.selftest import REPORT, findings, gathered, named_ports, report
from appliance.settings import Settings, home_of, load

ASK_S_MAX: Final = 10.0


def _hsm(settings: Settings) -> str:
    client = BlockingClient(settings.socket("keys"))
    try:
        said = client.call("state", {}, ASK_S_MAX)
        return "" if isinstance(said, dict) and said.get("ready") else "not ready"
    except Error as e:
        return e.message
    finally:
        client.close()


@click.command()
@click.option("--json", "as_json", is_flag=True, help="for programs")
@click.option("--write", is_flag=True, help=f"keep the report in {REPORT} of the state folder, for the console")
def selftest(as_json: bool, write: bool) -> None:
    """Say whether this box has what it needs and is what was shipped. Exit code 1 when something is WRONG."""
    settings = load(home=home_of())
    facts = gathered(settings.home)
    named = named_ports(settings) | ({ssh.PORT} if ssh.is_open() else set())
    found = findings(facts, named, _hsm(settings))
    rows = {"at": rfc3339(facts.now_ms), "up_s": round(facts.up_s, 1), "findings": [row._asdict() for row in found]}
    text = json.dumps(rows, indent=1)
    if write:
        atomic.write(Path(settings.home, REPORT), text + "\n", durable=False)
    click.echo(text if as_json else "\n".join(report(found)))
    sys.exit(any(row.how == "WRONG" for row in found))

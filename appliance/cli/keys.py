"""`casemate keys`: the HSM and its keys, for those who sign for them."""

from __future__ import annotations

import getpass
import json
from typing import Any

import click

from appliance.audit import BlockingRecorder
from appliance.errors import Error
from appliance.keys import commission as tried
from appliance.keys import profiles as known
from appliance.settings import Settings, home_of, load

from .key_acts import COMMANDS, as_json_option


@click.group()
def keys() -> None:
    """The HSM and its keys.

    What cannot be undone is asked for by one person (`ask`), approved by another (`approve`), then done (`do`).
    """


for _command in COMMANDS:
    keys.add_command(_command)


@keys.command()
@click.option("--seconds", default=2.0, show_default=True, type=click.FloatRange(0.1, 60.0), help="of each measurement")
@as_json_option
def commission(seconds: float, as_json: bool) -> int:
    """Try and measure the HSM of the settings; print a report that its vendor can be sent.

    Uses throw-away keys only and leaves nothing in the token. The PIN is tried once. Exits with 1 when the token is not fit.
    """
    settings = load(home=home_of())
    report = tried(settings, seconds, lambda told: click.echo(f"  {told}", err=True))
    report["recorded"] = _recorded(settings, report)
    if as_json:
        click.echo(json.dumps(report, indent=1))
    else:
        click.echo("\n".join(_told(report)))
    return 0 if report["fit"] else 1


def _recorded(settings: Settings, report: dict[str, Any]) -> bool:
    """On the audit log when the appliance runs. It need not: no key of the appliance's was used."""
    recorder = BlockingRecorder(settings)
    try:
        recorder.record(f"cli:{getpass.getuser()}", "hsm.commissioned", "token:hsm", fit=report["fit"])
    except Error as e:
        if e.code != "audit_unavailable":
            raise
        return False
    finally:
        recorder.close()
    return True


def _told(report: dict[str, Any]) -> list[str]:
    token = report["token"]
    out = [
        (
            f"library    {report['manufacturer']}, {report['library']} {report['library_version']},"
            f" Cryptoki {report['cryptoki_version']}"
        ),
        f"module     {report['module']}",
        (
            f"token      {token['label']}: {token['manufacturer']} {token['model']}, firmware {token['firmware']},"
            f" serial {token['serial']}"
        ),
        f"machine    {report['machine']['system']}, {report['machine']['processors']} processors",
        "",
        "mechanisms",
    ]
    out += [f"  {name:14} {found}" for name, found in report["capabilities"].items()]
    out += ["", "cases"]
    for case in report["cases"]:
        needed = "" if case["needed"] else " (wanted, not needed)"
        why = f": {case['why']}" if case["why"] else ""
        out.append(f"  {case['outcome']:8} {case['case']:15} {case['proves']}{needed}{why}")
    out += ["", "speed, through the socket of a worker"]
    for row in report.get("speed", []):
        workers = f"{row['workers']} worker{'s' if row['workers'] > 1 else ''}"
        out.append(
            f"  {row['operation']:7} {workers:10} {row['per_s']:7} a second, half within {row['p50_us']} us,"
            f" 99 of 100 within {row['p99_us']} us"
        )
    if report["profile"]:
        out += ["", f"publicly known of {report['profile']['name']}"]
        out += [f"  {quirk}" for quirk in report["profile"]["quirks"]]
    out += ["", f"fit: {'yes' if report['fit'] else 'no'}" + "".join(f"\n  {why}" for why in report["against"])]
    out.append(f"would wrap by {report['wrapping'] or 'nothing'}; audit key: {report['audit_key']}")
    if not report["recorded"]:
        out.append("not on the audit log: the appliance is not running")
    return out


@keys.command()
@as_json_option
def profiles(as_json: bool) -> int:
    """Show what is publicly known of vendors' HSMs: library, quirks, sources, and what nobody here has tried."""
    rows = known()
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return 0
    for row in rows:
        click.echo(f"{row['profile']}: {row['name']}")
        click.echo(f"  library   {row['installed'] or 'not installed here; usually ' + row['modules'][0]}")
        click.echo(f"  backup    {row['backup']}")
        for title, told in (("known", row["quirks"]), ("unproven", row["unproven"]), ("from", row["sources"])):
            for n, line in enumerate(told):
                click.echo(f"  {title if n == 0 else '':9} {line}")
        click.echo("")
    return 0

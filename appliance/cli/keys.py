"""`casemate keys`: the HSM and its keys, for those who sign for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from appliance.audit import BlockingRecorder
from appliance.errors import Error
from appliance.invoker import at_command
from appliance.keys import commission as tried
from appliance.keys import profiles as known
from appliance.settings import Settings, home_of, load

from .key_acts import COMMANDS, as_json_option
from .key_gate import COMMANDS as GATE
from .replication import COMMANDS as OF_TWO


@click.group()
def keys() -> None:
    """The HSM and its keys.

    What cannot be undone is asked for by one person (`ask`), approved by another (`approve`), then done (`do`).
    """


for _command in (*COMMANDS, *GATE, *OF_TWO):
    keys.add_command(_command)


@keys.command()
@click.option("--seconds", default=2.0, show_default=True, type=click.FloatRange(0.1, 60.0), help="of each measurement")
@click.option("--second", is_flag=True, help="the second HSM of the settings")
@click.option(
    "--pkcs11-check",
    "checked",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="take the results of `pkcs11-check test --output json` over the same library into the report",
)
@as_json_option
def commission(seconds: float, second: bool, checked: Path | None, as_json: bool) -> int:
    """Try and measure the HSM of the settings; print a report that its vendor can be sent.

    Uses throw-away keys only and leaves nothing in the token. The PIN is tried once. Exits with 1 when the token is not fit.
    """
    settings = load(home=home_of())
    counts = None if checked is None else _counts(checked)
    report = tried(settings, seconds, lambda told: click.echo(f"  {told}", err=True), second)
    report["pkcs11_check"] = counts
    report["recorded"] = _recorded(settings, report)
    if as_json:
        click.echo(json.dumps(report, indent=1))
    else:
        click.echo("\n".join(_told(report)))
    return 0 if report["fit"] else 1


def _counts(path: Path) -> dict[str, int]:
    """Outcomes of pkcs11-check by their names. Raises Error `invalid`."""
    try:
        told = json.loads(path.read_bytes())
        if told["tool"] != "pkcs11-check":
            raise ValueError
        return {str(name): int(count) for name, count in told["summary"].items() if not isinstance(count, bool)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise Error("invalid", f"{path} is no result of pkcs11-check", "see hsm/README.md for the command") from None


def _recorded(settings: Settings, report: dict[str, Any]) -> bool:
    """On the audit log when the appliance runs. It need not: no key of the appliance's was used."""
    recorder = BlockingRecorder(settings)
    try:
        recorder.record(at_command(), "hsm.commissioned", "token:hsm", fit=report["fit"])
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
    if report["pkcs11_check"] is not None:
        counted = ", ".join(f"{count} {name}" for name, count in report["pkcs11_check"].items() if count)
        out += ["", f"pkcs11-check: {counted}"]
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

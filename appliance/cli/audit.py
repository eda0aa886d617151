"""`casemate audit`: read, prove, export and verify the audit log."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click

from appliance.audit import commands
from appliance.errors import Error
from appliance.settings import home_of, load

_json = click.option("--json", "as_json", is_flag=True, help="for programs")


def _print(printed: commands.Printed, as_json: bool) -> int:
    if as_json:
        click.echo(json.dumps(printed.result, indent=1, default=lambda v: v.hex() if isinstance(v, bytes) else str(v)))
    else:
        click.echo("\n".join(printed.lines))
    return 0 if printed.ok else 1


@click.group()
def audit() -> None:
    """Read, export and verify the audit log.

    An exported log is checked on any machine, also with the verify.py that lies in it or with another program that reads
    C2SP tlog-tiles.
    """


_FILTERS = (
    click.option("--what", help="only this event, such as console.login"),
    click.option("--who", help="only by this person, program or process"),
    click.option("--on", help="only about this, such as link:main or user:anna"),
    click.option("--outcome", type=click.Choice(["ok", "refused", "failed"]), help="only with this outcome"),
    click.option("--since", help="only from this moment on, UTC: 2026-11-22 or 2026-11-22T18:30:00Z"),
    click.option("--until", help="only before this moment"),
)


def _filtered(command: Callable[..., int]) -> Callable[..., int]:
    for option in reversed(_FILTERS):
        command = option(command)
    return command


_FILE = click.Path(dir_okay=False, path_type=Path)


@audit.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--archive", type=_FILE, help="one signed .tar instead: log, proofs, cosignatures, verify.py, manifest")
@click.option("--csv", "csv_", type=_FILE, help="the entries as CSV instead")
@click.option("--pdf", type=_FILE, help="the entries on paper instead")
@click.option("--request", type=int, default=0, help="the approved request, where two people decide")
@_filtered
@_json
def export(
    folder: Path | None,
    archive: Path | None,
    csv_: Path | None,
    pdf: Path | None,
    request: int,
    as_json: bool,
    **sought: str | None,
) -> int:
    """Write the log into the new FOLDER: checkpoint, tiles, the verifier's key. Recorded in the log.

    An archive or CSV may hold chosen entries only (--what, --who ...); in the archive each has its proof.
    """
    ways = (("folder", folder), ("archive", archive), ("csv", csv_), ("pdf", pdf))
    given = [(form, path) for form, path in ways if path]
    if len(given) != 1:
        raise Error("invalid", "one of FOLDER, --archive, --csv, --pdf is needed", "see `casemate audit export --help`")
    form, path = given[0]
    if form == "pdf":
        return _print(commands.paper(load(home=home_of()), path, request, **sought), as_json)
    return _print(commands.export(load(home=home_of()), path, form, request, **sought), as_json)


@audit.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path), required=False)
@click.option(
    "--key", help="the verifier's key you were given, a line or a file; without it the folder's own is believed"
)
@click.option(
    "--old",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="an earlier checkpoint: the log must extend it; may be given more than once",
)
@click.option("--witness", multiple=True, help="the key of a witness, a line or a file; may be given more than once")
@_json
def verify(path: Path | None, key: str | None, old: tuple[Path, ...], witness: tuple[str, ...], as_json: bool) -> int:
    """Check an exported folder or archive at PATH, offline; without PATH have the running appliance check its own."""
    if path is None:
        return _print(commands.verify_running(load(home=home_of())), as_json)
    return _print(commands.verify(path, key, old, witness), as_json)


@audit.command()
@click.option("--limit", default=50, show_default=True, help="how many")
@click.option("--before", type=int, help="only entries with a smaller number")
@_filtered
@_json
def entries(
    limit: int, before: int | None, what: str | None, who: str | None, as_json: bool, **sought: str | None
) -> int:
    """Show the newest entries, newest first."""
    return _print(commands.entries(load(home=home_of()), limit, before, what, who, **sought), as_json)


@audit.command()
@click.argument("index", type=int)
@_json
def proof(index: int, as_json: bool) -> int:
    """Print the .tlog-proof of entry INDEX: that it is in the log, signed."""
    return _print(commands.proof(load(home=home_of()), index), as_json)


@audit.command()
@click.option(
    "--old", type=click.IntRange(min=0), help="entries that the witness cosigned last  [default: as known here]"
)
@_json
def request(old: int | None, as_json: bool) -> int:
    """Print what a witness is given: the newest checkpoint, and the proof that the log only grew."""
    return _print(commands.request(load(home=home_of()), old), as_json)


@audit.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def cosign(words: tuple[str, ...]) -> int:
    """The witness's own program: `cosign new`, `cosign sign`.

    It needs no appliance; cosign.py, which lies in every export, is the same and runs alone.
    """
    return commands.cosign(list(words))


@audit.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_json
def cosigned(file: Path, as_json: bool) -> int:
    """Bring a cosigned checkpoint into the appliance. Recorded in the log; it goes into every export."""
    return _print(commands.cosigned(load(home=home_of()), file), as_json)


@audit.command()
@_json
def checkpoint(as_json: bool) -> int:
    """Print a signed checkpoint over everything recorded so far: keep it away from the box."""
    return _print(commands.checkpoint(load(home=home_of())), as_json)


@audit.command()
@click.option("--from", "low", type=click.IntRange(min=0), help="first entry  [default: of the last daily review]")
@click.option("--upto", "high", type=click.IntRange(min=0), help="entry to stop before")
@click.option("--pdf", type=_FILE, help="on paper, with the marks of those who reviewed")
@_json
def review(low: int | None, high: int | None, pdf: Path | None, as_json: bool) -> int:
    """Show what the rules of the daily review find: who, how often, and the first entry."""
    return _print(commands.review(load(home=home_of()), low, high, pdf), as_json)


@audit.command()
@click.argument("upto", type=click.IntRange(min=1))
@_json
def reviewed(upto: int, as_json: bool) -> int:
    """Say that you reviewed the log up to entry UPTO. Recorded in the log."""
    return _print(commands.reviewed(load(home=home_of()), upto), as_json)


@audit.command()
@click.argument("name", type=click.Choice(sorted(commands.reports.REPORTS)))
@click.option("--from", "since", required=True, help="from this moment on, UTC: 2026-11-01 or 2026-11-01T18:30:00Z")
@click.option("--to", "until", required=True, help="before this moment")
@click.option("--pdf", type=_FILE, help="on paper instead")
@_json
def report(name: str, since: str, until: str, pdf: Path | None, as_json: bool) -> int:
    """Print the entries that answer the requirements of a rule, as CSV. Recorded in the log."""
    return _print(commands.report(load(home=home_of()), name, since, until, pdf), as_json)


@audit.command()
@click.option("--now", is_flag=True, help="do it; the daily job does it by itself")
@_json
def prune(now: bool, as_json: bool) -> int:
    """Show what audit.keep_days lets go of the log's beginning. What stays is as provable as before."""
    return _print(commands.prune(load(home=home_of()), now), as_json)


@audit.command()
@click.option("--request", type=int, default=0, help="agree to them: the number that another person approved")
@_json
def weaker(request: int, as_json: bool) -> int:
    """Show settings that would weaken the log (another SIEM, a witness gone, ...) and are not in force before two people agree.

    Ask with `casemate keys ask weaken-audit NUMBER`, have it approved, then come back with --request.
    """
    return _print(commands.weaker(load(home=home_of()), request), as_json)


@audit.command()
@_json
def status(as_json: bool) -> int:
    """Show how many entries there are, and how soon they come and are signed."""
    return _print(commands.status(load(home=home_of())), as_json)

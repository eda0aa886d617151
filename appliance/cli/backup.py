"""`casemate backup`: make encrypted backups, carry them away, restore one into a new box, try one beside a box that works."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path
from typing import Final

import click

from appliance.audit import BlockingRecorder, commands
from appliance.backup import (
    KEYS,
    STATE,
    Bucket,
    Made,
    Restored,
    carry,
    create,
    drill,
    generate,
    identity,
    place_of,
    put,
    restore,
)
from appliance.clock import monotonic_s, now_ms
from appliance.errors import Error
from appliance.invoker import at_command
from appliance.settings import Settings, home_of, load

FOLDER: Final = "backup"  # below the state folder
_identity = click.option(
    "--identity",
    "secret",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="file with the age identity",
)
_archives = click.argument(
    "archives", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)


@click.group()
def backup() -> None:
    """Encrypted copies of this box: of its stores (state) and of its wrapped keys (keys). Both need the HSM to be of use."""


@backup.command("wanted")
def wanted() -> None:
    """End with 0 when the settings name recipients, else 1. Asked by casemate-backup.service."""
    sys.exit(not load(home=home_of())["backup.recipients"])


@backup.command("key")
def key() -> None:
    """Print a new pair of age keys. Keep the identity off the box; put the public key into backup.recipients."""
    secret, public = generate()
    click.echo(f"# public key: {public}\n{secret}")


def _counted(name: str, number: int, count: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r  {number} of {count}  {name[:60]}\x1b[K", err=True, nl=number == count)


@backup.command("create")
@click.option(
    "--kind",
    type=click.Choice([STATE, KEYS, "both"]),
    default="both",
    show_default=True,
    help="the state, the wrapped keys apart from it, or both",
)
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    help="folder; by default `backup` in the state folder, and the target",
)
def create_(kind: str, into: Path | None) -> None:
    """Make backups while the appliance works. Beside each lies its proof from the audit log (.tlog-proof)."""
    settings = load(home=home_of())
    who = at_command()
    recorder = BlockingRecorder(settings)
    folder = into or settings.home / FOLDER
    for one in (STATE, KEYS) if kind == "both" else (kind,):
        made = create(settings.home, folder, one, settings["backup.recipients"], now_ms(), _counted)
        detail = {"kind": one, "digest": made.sha256, "files_count": made.files, "octets_count": made.octets}
        index, _ = recorder.record(who, "backup.made", f"backup:{one}", "ok", **detail)
        proof = made.path.with_suffix(".tlog-proof")
        proof.write_text("\n".join([*commands.proof(settings, index).lines, ""]), encoding="utf-8")
        click.echo(f"{made.path}  {made.octets} octets, {made.files} files, sha256 {made.sha256}")
        if into is None:
            _away(settings, recorder, who, made, proof)
    if into is None:
        _thinned(folder, settings["backup.keep"])


def _away(settings: Settings, recorder: BlockingRecorder, who: str, made: Made, proof: Path) -> None:
    """Carries it to the target, when there is one; that it could not be is on the record, too."""
    if not settings["backup.target"]:
        return
    on, detail = f"backup:{made.kind}", {"kind": made.kind, "digest": made.sha256}
    try:
        target = place_of(settings["backup.target"])
        if isinstance(target, Bucket):
            own = hashlib.sha256(proof.read_bytes()).hexdigest()
            how = (Path(settings["backup.s3_key"]), settings["backup.s3_region"], str(settings["backup.s3_authority"]))
            put([(made.path, made.sha256), (proof, own)], target, *how)
        else:
            carry([made.path, proof], target, settings["backup.sftp_key"], settings["backup.sftp_host_key"])
    except Error as e:
        recorder.record(who, "backup.carried", on, "failed", **detail, reason=e.code)
        raise
    recorder.record(who, "backup.carried", on, "ok", **detail)
    click.echo(f"  carried to {target.place}")


def _thinned(folder: Path, keep: int) -> None:
    """The newest `keep` of each kind stay."""
    for kind in (STATE, KEYS):
        for path in sorted(folder.glob(f"casemate-*.{kind}.age"))[:-keep]:
            path.with_suffix(".tlog-proof").unlink(missing_ok=True)
            path.unlink()


def _key(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _shown(out: Restored, seconds: float) -> None:
    click.echo(
        f"{out.kind:5}  of {out.at}: {out.files} files, {out.octets} octets, {out.stores} stores, {seconds:.1f} s"
    )
    for line in out.wrong:
        click.echo(f"  WRONG  {line}")


@backup.command("restore")
@_archives
@_identity
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    help="state folder; by default this box's own, which must be empty",
)
def restore_(archives: tuple[Path, ...], secret: Path, into: Path | None) -> None:
    """Unpack backups into the state folder of a box that is stopped and new. Its HSM has to hold the keys of the old one."""
    home, wrong = into or home_of(), False
    secret_key = identity(_key(secret))
    for path in archives:
        began = monotonic_s()
        with path.open("rb") as file:
            out = restore(file, secret_key, home)
        _shown(out, monotonic_s() - began)
        wrong = wrong or bool(out.wrong)
    sys.exit(wrong)


@backup.command("drill")
@_archives
@_identity
@click.option("--record/--no-record", default=True, help="whether the drill goes on this box's audit log")
def drill_(archives: tuple[Path, ...], secret: Path, record: bool) -> None:
    """Try backups: restore them into a folder of their own, open every store, verify the audit log in them; remove it again."""
    settings = load(home=home_of())
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="casemate-drill-") as folder:
        began = monotonic_s()
        found = drill(list(archives), identity(_key(secret)), Path(folder))
        for out in found:
            _shown(out, monotonic_s() - began)
            wrong += len(out.wrong)
        log = Path(folder, "audit/log")
        if log.exists():
            said = commands.verify(log)
            wrong += not said.ok
            click.echo("audit  " + said.lines[-1])
    if record:
        recorder, who = BlockingRecorder(settings), at_command()
        for path, out in zip(archives, found, strict=True):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            detail: dict[str, str | int | bool] = {
                "kind": out.kind,
                "digest": digest,
                "files_count": out.files,
                "problem_count": wrong,
            }
            recorder.record(who, "backup.drilled", f"backup:{out.kind}", "failed" if wrong else "ok", **detail)
    click.echo("the drill failed" if wrong else "the drill went well")
    sys.exit(bool(wrong))

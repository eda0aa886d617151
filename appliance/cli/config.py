"""`casemate config`: the settings as code. Exported, compared, asked for, put into use: again and again with the same end, so that a playbook may."""

from __future__ import annotations

import json
from pathlib import Path

import click

from appliance.access import differences, digest_of, in_use, place_in_use, settings_due, write_in_use
from appliance.clock import now_ms
from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.limits import AUDIT_PAGE_ENTRIES_MAX
from appliance.settings import Settings, home_of, load

from .people import Desk, show, time_text
from .proving import proved, signed

_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def config() -> None:
    """The settings as code: export, compare, ask for, put into use. Doing it again changes nothing."""


@config.command("export")
def export() -> None:
    """Print the settings file that is in use, word for word."""
    click.echo(in_use(), nl=False)


@config.command("diff")
@_file
@click.option("--json", "as_json", is_flag=True, help="for programs")
def diff(file: Path, as_json: bool) -> int:
    """Say what FILE would change. The exit code is 1 when there is something."""
    new = file.read_text(encoding="utf-8")
    Desk().access.check_document(new)
    rows = differences(in_use(), new)
    if as_json:
        click.echo(json.dumps(rows))
    elif rows:
        show([{k: v if v is None else json.dumps(v) for k, v in row.items()} for row in rows], False)
    else:
        click.echo("nothing to change")
    return 1 if rows else 0


@config.command("versions")
@click.option("--json", "as_json", is_flag=True, help="for programs")
def versions(as_json: bool) -> None:
    """List the versions that people approved, newest first."""
    rows = [
        {
            "version": v.id,
            "digest": v.digest[:12],
            "made": time_text(v.made_ms),
            "asked by": v.asked_by,
            "approved by": v.approved_by or None,
            "in use": time_text(v.in_use_ms),
        }
        for v in Desk().access.settings_versions()
    ]
    show(rows, as_json)


@config.command("keep")
def keep() -> None:
    """Put the file in use among the versions, as the first to come back to. Only while there is none."""
    desk, document = Desk(), in_use()
    if desk.access.settings_versions():
        click.echo("there are versions already")
        return
    desk.access.check_document(document)
    desk.record("settings.approved", "settings:box", digest=digest_of(document))
    number = desk.access.add_settings(document, desk.who, "", now_ms())
    desk.access.settings_in_use(number, now_ms())
    click.echo(f"version {number}")


@config.command("ask")
@_file
@click.option("--reason", required=True, help="why, for the other person")
@signed
def ask(file: Path, reason: str, user: str, password_file: Path | None) -> int:
    """Ask for FILE as the next version; another person approves it at the console."""
    desk, new = Desk(), file.read_text(encoding="utf-8")
    desk.access.check_document(new)
    rows = differences(in_use(), new)
    if not rows:
        click.echo("nothing to change")
        return 0
    who = proved(load(home=home_of()), "settings.write", user, password_file)
    old = {r["setting"]: r["now"] for r in rows if r["now"] is not None}
    then = {r["setting"]: r["then"] for r in rows if r["then"] is not None}
    with desk.access.writing():
        number = desk.access.begin_change("settings.change", digest_of(new), old, then, who, now_ms(), new)
        desk.access.ask_for_change(number, reason, who, now_ms())
        desk.recorder.record(who, "approval.asked", f"change:{number}", "ok", act="settings.change", on_index=number)
    click.echo(f"change {number} waits for another person: the console's page Approvals")
    return 0


@config.command("apply")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--due", is_flag=True, help="what somebody asked for in the console: the box's own unit does this")
def apply(file: Path | None, due: bool) -> int:
    """Put FILE, else the newest approved version, into use. Where two people decide settings, only what they approved.

    Processes read it at their next start. Writing what is there already changes nothing.
    """
    if due:
        return _apply_due()
    desk = Desk()
    approved = desk.access.settings_versions()
    if file is None and not approved:
        raise Error("not_found", "no version of the settings was approved yet", "`casemate config ask FILE`")
    document = file.read_text(encoding="utf-8") if file else approved[0].document
    desk.access.check_document(document)
    if not differences(in_use(), document):
        click.echo("nothing to change")
        return 0
    found = next((v for v in approved if v.digest == digest_of(document)), None)
    if found is None:
        if "settings" in load(home=home_of())["console.two_people"]:
            raise Error(
                "forbidden", "nobody has approved these settings", "`casemate config ask FILE`, then another person"
            )
        number = desk.access.add_settings(document, desk.who, "", now_ms())
    else:
        number = found.id
    desk.record("settings.applied", "settings:box", digest=digest_of(document), version=number)
    write_in_use(document)
    desk.access.settings_in_use(number, now_ms())
    click.echo(f"version {number} is in {place_in_use()}; processes read it at their next start")
    return 0


def _apply_due() -> int:
    """The version that the console left to the box: the newest one, approved on the audit log. What became of it is left for the console to say."""
    desk = Desk()
    home = home_of()
    due = settings_due.take(home)
    if due is None:
        click.echo("nothing waits to be put into use")
        return 1  # the box's unit starts nothing again
    try:
        _put_into_use(desk, due)
    except Error as e:
        settings_due.tell(home, due.version, e.message)
        raise
    settings_due.tell(home, due.version, "")
    click.echo(f"version {due.version} is in {place_in_use()}")
    return 0


def _put_into_use(desk: Desk, due: settings_due.Due) -> None:
    """Raises Error `forbidden` for what is not the newest version, or was not approved on the audit log."""
    newest = desk.access.settings_newest()
    if newest is None or newest.id != due.version:
        raise Error("forbidden", f"version {due.version} is not the newest that was approved")
    desk.access.check_document(newest.document)
    digest = digest_of(newest.document)
    if not _approved_on_record(load(home=home_of()), digest):
        raise Error("forbidden", f"the audit log does not have that version {due.version} was approved")
    desk.recorder.record(due.who, "settings.applied", "settings:box", "ok", digest=digest, version=newest.id)
    write_in_use(newest.document)
    desk.access.settings_in_use(newest.id, now_ms())


def _approved_on_record(settings: Settings, digest: str) -> bool:
    auditor = BlockingClient(settings.socket("auditor"))
    try:
        found = auditor.call("entries", {"limit": AUDIT_PAGE_ENTRIES_MAX, "what": "settings.approved"})["entries"]
    finally:
        auditor.close()
    return any(each["entry"]["detail"].get("digest") == digest for each in found)

"""Calls of the admin API about settings as code: export, difference, change, put into use, return to an earlier version; links and single settings within them."""

from __future__ import annotations

from typing import Any

import msgspec

from appliance.access import (
    DOCUMENT_CHARACTERS_MAX,
    SettingsVersion,
    differences,
    digest_of,
    in_use,
)
from appliance.settings import SETTINGS

from . import composing
from .acts import of_settings
from .applying import apply_newest
from .asked import Done
from .calling import at, call, changed, do_or_ask, unchanged
from .desk import desk

OCTETS_MAX = 8 * DOCUMENT_CHARACTERS_MAX


class DocumentWanted(msgspec.Struct, forbid_unknown_fields=True):
    """Settings as TOML, word for word as the file."""

    document: str
    reason: str = ""


class Document(msgspec.Struct, forbid_unknown_fields=True):
    """Settings as TOML, to compare."""

    document: str


class Because(msgspec.Struct, forbid_unknown_fields=True):
    """Why it is asked for: needed where two people decide it."""

    reason: str = ""


class ValueWanted(msgspec.Struct, forbid_unknown_fields=True):
    """One setting as it shall be; null: its default."""

    value: bool | int | float | str | list[str] | None
    reason: str = ""


class RowWanted(msgspec.Struct, forbid_unknown_fields=True):
    """A row of a table of the settings, a link say, as it shall be: its settings but the name. What is left out is at its default."""

    settings: dict[str, Any]
    reason: str = ""


def _version(version: SettingsVersion, whole: bool = False) -> dict[str, Any]:
    told = {
        "version": version.id,
        "digest": version.digest,
        "asked_by": version.asked_by,
        "approved_by": version.approved_by or None,
        "made_at": at(version.made_ms),
        "in_use_at": at(version.in_use_ms),
    }
    return told | ({"document": version.document} if whole else {})


@call("GET", "/settings", "settings.read")
def read_settings() -> dict[str, Any]:
    """The newest approved document, else the file in use; and whether it is the one in use"""
    document, newest = desk().access.settings_present(), desk().access.settings_newest()
    told = {"document": document, "digest": digest_of(document), "version": newest.id if newest else None}
    return told | {"applied": not differences(in_use(), document)}


@call("GET", "/settings/values", "settings.read")
def list_values() -> dict[str, Any]:
    """Every setting as this process has it, with its default and meaning"""
    values = desk().settings
    return {
        "settings": [
            {"name": s.name, "kind": s.kind, "value": values[s.name], "default": s.default, "help": s.help}
            for s in SETTINGS
        ]
    }


@call("POST", "/settings/diff", "settings.read", Document, octets_max=OCTETS_MAX)
def compare_settings(given: Document) -> dict[str, Any]:
    """What a document would change; it is checked as the processes would read it"""
    desk().access.check_document(given.document)
    return {"differences": differences(desk().access.settings_present(), given.document)}


@call("PUT", "/settings", "settings.write", DocumentWanted, octets_max=OCTETS_MAX)
def put_settings(given: DocumentWanted) -> dict[str, Any]:
    """Make a document the next version; the same settings again change nothing"""
    return _to(given.document, given.reason)


def _to(document: str, reason: str) -> dict[str, Any]:
    before, after = of_settings(document)
    if not before and not after:
        newest = desk().access.settings_newest()
        return unchanged(version=newest.id if newest else None)
    found = do_or_ask("settings.change", digest_of(document), before, after, document, reason)
    if not isinstance(found, Done):
        return found
    newest = desk().access.settings_newest()
    return changed(version=newest.id if newest else None)


@call("PUT", "/settings/values/{name}", "settings.write", ValueWanted)
def put_value(name: str, given: ValueWanted) -> dict[str, Any]:
    """Give one setting, such as `limits.requests_per_s`, a value; the rest of the document stays, its comments too"""
    return _to(composing.with_value(desk().access.settings_present(), name, given.value), given.reason)


@call("GET", "/settings/tables/{table}", "settings.read")
def list_rows(table: str) -> dict[str, Any]:
    """The rows of a table of the newest document: link, route, operator, programme and others"""
    return {"rows": composing.rows_of(desk().access.settings_present(), table)}


@call("PUT", "/settings/tables/{table}/{name}", "settings.write", RowWanted)
def put_row(table: str, name: str, given: RowWanted) -> dict[str, Any]:
    """Make or replace a row of a table of the settings, such as a link, by its name"""
    document = composing.with_row(desk().access.settings_present(), table, name, given.settings)
    return _to(document, given.reason)


@call("DELETE", "/settings/tables/{table}/{name}", "settings.write", Because)
def remove_row(table: str, name: str, given: Because) -> dict[str, Any]:
    """Take a row of a table away; one that is not there is away already"""
    document = composing.without_row(desk().access.settings_present(), table, name)
    return unchanged() if document is None else _to(document, given.reason)


@call("GET", "/settings/versions", "settings.read")
def list_versions() -> dict[str, Any]:
    """The versions that were approved, newest first"""
    return {"versions": [_version(each) for each in desk().access.settings_versions()]}


@call("GET", "/settings/versions/{number}", "settings.read")
def read_version(number: int) -> dict[str, Any]:
    """One version with its document"""
    return {"version": _version(desk().access.settings_version(number), whole=True)}


@call("POST", "/settings/versions/{number}/back", "settings.write", Because)
def back_to_version(number: int, given: Because) -> dict[str, Any]:
    """Return to an earlier version: it becomes the next one"""
    return _to(desk().access.settings_version(number).document, given.reason)


@call("POST", "/settings/apply", "settings.write")
def apply_settings() -> dict[str, Any]:
    """Put the newest approved version into use: on the appliance the processes start again with it, elsewhere they read it at their next start"""
    done = apply_newest()
    if not done.changed:
        return unchanged(version=done.version)
    how = "the processes start again with it" if done.restarts else "processes read it at their next start"
    return changed(version=done.version, restart=how)

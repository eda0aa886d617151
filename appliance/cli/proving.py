"""Who somebody is, at a command: a name and a password of the console, and whether the role includes what is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from appliance.access import Access, may
from appliance.clock import now_ms
from appliance.errors import Error
from appliance.settings import Settings

_user = click.option("--user", required=True, help="your name at the console")
_password = click.option(
    "--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="instead of typing it"
)


def signed(command: Callable[..., int]) -> Callable[..., int]:
    """The options of a command that is done in a person's name."""
    return _user(_password(command))


def proved(settings: Settings, permission: str, user: str, password_file: Path | None) -> str:
    """`console:NAME`. Raises Error `unauthorized`, `forbidden`, `rate_limited`."""
    if password_file is not None:
        password = password_file.read_text(encoding="utf-8").strip()
    else:
        password = click.prompt(f"console password of {user}", hide_input=True, err=True)
    person = Access(settings).sign_in(user, password, "127.0.0.1", now_ms())
    if person is None:
        raise Error("unauthorized", "the name or the password is wrong")
    if not may(person.role, permission):
        raise Error("forbidden", f"the role {person.role} does not include this")
    return f"console:{person.name}"

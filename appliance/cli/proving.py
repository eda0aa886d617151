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
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="instead of typing it; its second line is the code, for who has a second factor",
)


def signed(command: Callable[..., int]) -> Callable[..., int]:
    """The options of a command that is done in a person's name."""
    return _user(_password(command))


def proved(settings: Settings, permission: str, user: str, password_file: Path | None) -> str:
    """`console:NAME`. Raises Error `unauthorized`, `forbidden`, `rate_limited`."""
    if password_file is not None:
        password, _, code = password_file.read_text(encoding="utf-8").strip().partition("\n")
    else:
        password, code = click.prompt(f"console password of {user}", hide_input=True, err=True), ""
    access = Access(settings)
    person = access.sign_in(user, password.strip(), "127.0.0.1", now_ms())
    if person is None or person.glass:
        raise Error("unauthorized", "the name or the password is wrong")
    if access.factors(person).any:
        if password_file is None:
            code = click.prompt("code of the telephone, or a recovery code", hide_input=True, err=True)
        if not access.check_code(person, code.strip(), "127.0.0.1", now_ms()):
            raise Error("unauthorized", "the code is wrong", "with --password-file it is the file's second line")
    if not may(person.role, permission):
        raise Error("forbidden", f"the role {person.role} does not include this")
    return f"console:{person.name}"

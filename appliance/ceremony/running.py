"""Runs a ceremony: finds the keys process, or hosts it on a box before its first start, or makes a scratch box for a rehearsal."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from appliance import __version__
from appliance.access import Access
from appliance.clock import now_ms, rfc3339
from appliance.errors import Error
from appliance.keys import hosted
from appliance.settings import Settings

from .acts import Call
from .conduct import Ceremony, Outcome, Terms
from .rehearse import backed_up, caller, check_quorum, made_ready, scratch, scratch_pin
from .script import Script, load
from .terminal import Terminal

#: Ceremonies of a box that has no keys yet.
FIRST: Final = frozenset({"initialise", "restore"})


def run(settings: Settings, name: str, terminal: Terminal, terms: Terms) -> Outcome:
    """The ceremony `name` on the box of `settings`. Raises Error when it cannot begin."""
    script = load(name)
    with _box(settings, script.name) as call:
        access = _accounts(settings)
        return _conduct(script, settings, terminal, call, access, terms)


def rehearse(settings: Settings, name: str, terminal: Terminal, terms: Terms) -> Outcome:
    """The same on an embedded token in a folder of its own; only the transcript stays."""
    script, opened_by = load(name), settings["hsm.opened_by"]
    check_quorum(terms.needed, terms.custodians)
    terms = terms._replace(rehearsal=True)
    with tempfile.TemporaryDirectory(prefix="casemate-rehearsal-") as folder:
        home = Path(folder)
        if name == "restore":
            with scratch(home / "first", opened_by) as (_, call):
                shares = made_ready(call, terminal, terms.needed, terms.custodians, scratch_pin(opened_by))
                backed_up(call, shares, terms.needed, home / "backup")
            terms = terms._replace(backup=home / "backup")
        elif name == "back-up":
            terms = terms._replace(backup=home / "backup")
        with scratch(home / "box", opened_by) as (scratched, call):
            if name not in FIRST:
                made_ready(call, terminal, terms.needed, terms.custodians, scratch_pin(opened_by))
            return _conduct(script, scratched, terminal, call, None, terms)


def _conduct(
    script: Script, settings: Settings, terminal: Terminal, call: Call, access: Access | None, terms: Terms
) -> Outcome:
    needs_pin = settings["hsm.opened_by"] != "pin"
    return Ceremony(script, terminal, call, described(settings), access, terms, needs_pin).run()


def described(settings: Settings) -> dict[str, Any]:
    """What the box says of itself: a transcript is about this box, this HSM and this program."""
    return {
        "box": settings["audit.origin"],
        "hsm": settings["hsm.module"] or "embedded SoftHSM",
        "token": settings["hsm.token_label"],
        "program": f"casemate {__version__}",
    }


@contextmanager
def _box(settings: Settings, name: str) -> Iterator[Call]:
    """The keys process that runs, or one within this program where a box has not been started yet."""
    call, close = caller(settings)
    try:
        try:
            call("ping", {})
        except Error as e:
            if e.code != "peer_unavailable" or name not in FIRST:
                raise
        else:
            yield call
            return
        with hosted(settings):
            yield call
    finally:
        close()


def _accounts(settings: Settings) -> Access | None:
    access = Access(settings)
    return access if access.users() else None


def new_folder(settings: Settings, name: str) -> Path:
    """Where a transcript goes unless somebody says: one folder a ceremony, beside the box's other state."""
    stamp = rfc3339(now_ms())[:19].replace(":", "").replace("-", "")
    return settings.home / "ceremonies" / f"{stamp}Z-{name}"

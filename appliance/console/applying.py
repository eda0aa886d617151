"""The newest approved settings put into use: written by the console where it may write, else by the box's own hand, which waits for a version (`casemate-settings`)."""

from __future__ import annotations

import threading
from typing import Final, NamedTuple

from appliance.access import differences, in_use, place_in_use, settings_due, write_in_use
from appliance.clock import monotonic_s
from appliance.errors import Error
from appliance.limits import SETTINGS_HAND_S_MAX

from . import composing
from .desk import desk, who

LOOK_S: Final = 0.2


class Applied(NamedTuple):
    """`changed` is false for what was in use already; `restarts`: the processes start again with it by themselves."""

    version: int
    changed: bool
    restarts: bool = False


def apply_newest() -> Applied:
    """Raises Error `not_found`, `forbidden`, `audit_unavailable`."""
    newest = desk().access.settings_newest()
    if newest is None:
        raise Error("not_found", "no version of the settings was approved yet")
    if not differences(in_use(), newest.document):
        return Applied(newest.id, False)
    if composing.writable(place_in_use()):
        desk().peers.record(who(), "settings.applied", "settings:box", digest=newest.digest, version=newest.id)
        write_in_use(newest.document)
        desk().access.settings_in_use(newest.id, desk().clock())
        return Applied(newest.id, True)
    _by_the_box(settings_due.Due(newest.id, who()))
    return Applied(newest.id, True, restarts=True)


def _by_the_box(due: settings_due.Due) -> None:
    """Asks the box's own hand and waits for its word; it records what it does."""
    home = desk().settings.home
    settings_due.ask(home, due)
    until_s, waiting = monotonic_s() + SETTINGS_HAND_S_MAX, threading.Event()
    while (problem := settings_due.told(home, due.version)) is None:
        if monotonic_s() > until_s:
            if settings_due.withdraw(home):
                hint = "`casemate config apply` on the box"
                raise Error("forbidden", "the console may not write the settings file here, and nothing here does it for it", hint)  # fmt: skip
            raise Error(
                "peer_unavailable", "the box has begun and does not say how it went", "look at the page Settings"
            )
        waiting.wait(LOOK_S)
    if problem:
        raise Error("forbidden", f"the box did not put version {due.version} into use: {problem}")

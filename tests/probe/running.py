"""One console in this process with everything played around it, and the payloads tried on it."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from flask.testing import FlaskClient

from appliance.access import NEVER_BY_TOKEN, PERMISSIONS, Access, Passwords, may
from appliance.console import create_app
from appliance.console.guard import csrf_of
from appliance.settings import parse
from tests.unit.console.conftest import NOW, PASSWORD, Played

from .console import Place, api_places, called, places, tried
from .payloads import payloads

AGAIN: int = 50  # requests after which the session is a new one: a payload may have ended it


class Tried(NamedTuple):
    """What was found wrong, and how much was tried."""

    wrong: list[tuple[Place, str, str, str]]  # place, kind, text, what
    requests: int
    places: int
    kinds: Counter[str]


class Target:
    """A console, its people, its session."""

    def __init__(self, home: Path) -> None:
        settings = parse({"console": {"second_factor": False}}, home, "probe")
        self.access = Access(settings, passwords=Passwords(memory_kib=64, passes=1))
        for name, role in (("anna", "administrator"), ("vera", "viewer"), ("carlo", "compliance")):
            self.access.create_user(name, PASSWORD, role, at_ms=NOW)
        self.app = create_app(settings, self.access, Played(), clock=lambda: NOW)  # type: ignore[arg-type]

    def session(self) -> tuple[FlaskClient, str]:
        anna = self.access.user("anna")
        assert anna is not None
        token = self.access.start_session(anna, NOW)
        client = self.app.test_client()
        for name in ("session", "door"):
            client.set_cookie(f"casemate-{name}", token)
        return client, csrf_of(token)

    def token(self) -> str:
        """An administrator's, with everything a token ever may."""
        anna = self.access.user("anna")
        assert anna is not None
        named = tuple(p for p in PERMISSIONS if may("administrator", p) and p not in NEVER_BY_TOKEN)
        self.app.extensions["casemate-doorkeeper"].wait_s = lambda token: 0
        return self.access.create_admin_token(anna, "probe", "administrator", named, (), 1, NOW)[1]

    def as_before(self) -> list[str]:
        """What is not as it was in the people's store; empty: nothing."""
        rows = self.access.rows("SELECT name, role FROM person WHERE name IN ('anna', 'vera', 'carlo') ORDER BY name")
        (sound,) = self.access.row("PRAGMA integrity_check") or ("",)
        return [*(["people"] if len(rows) != 3 else []), *(["store"] if sound != "ok" else [])]


def run(home: Path, inputs: int, each: int, seed: int = 1) -> Tried:
    """`inputs` payloads, each on `each` parameters in turn, so that every parameter meets every kind; 0: on every one."""
    target = Target(home)
    all_places = [*places(target.app), *api_places()]
    token = target.token()
    turn = itertools.cycle(all_places)
    wrong, requests, kinds = [], 0, Counter[str]()
    client, csrf = target.session()
    for kind, text in payloads(inputs, seed):
        for place in all_places if not each else itertools.islice(turn, each):
            if requests % AGAIN == 0:
                client, csrf = target.session()
            api = place.endpoint.startswith("admin.")
            found = called(client, token, place, text) if api else tried(client, csrf, place, kind, text)
            if found:
                wrong.append((place, kind, text, found))
            requests += 1
            kinds[kind] += 1
    wrong += [(all_places[0], "store", "", what) for what in target.as_before()]
    return Tried(wrong, requests, len(all_places), kinds)

"""The health gate of a start: asks the processes, lets firmware.gate decide, blesses the release or has the machine start again.

Runs once after a start into a slot on trial (`casemate firmware gate`), before boot-complete.target. On a release that is good already it ends at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from appliance.access import Access
from appliance.clock import monotonic_s
from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.settings import Settings
from appliance.shards import blocking_engines
from appliance.store import open_store
from firmware import gate

from . import stores
from .desk import Updates

if TYPE_CHECKING:
    import httpx

LOOK_S: Final = 2.0
ASK_S_MAX: Final = 5.0
LOOPBACK_S_MAX: Final = 90.0
LINKS: Final = "links_before"
#: Looked at one after the other when the rest is well, and not well until then.
AFTER_OTHERS: Final = frozenset({"api", "schema", "loopback"})


def _asked(client: Any, op: str) -> dict[str, Any]:
    try:
        found = client.call(op, {}, ASK_S_MAX)
        return found if isinstance(found, dict) else {}
    except Error:
        return {}
    finally:
        client.close()


class Look(NamedTuple):
    """What was seen at one look: what is well, by the checks of firmware.gate; and whether the token waits for its people."""

    well: dict[str, bool]
    sealed: bool


def looked(settings: Settings, loopback: Callable[[], bool] | None = None) -> Look:
    """What is well now.

    `loopback` is called only when everything else is well: it sends a message.
    """
    engine = _asked(blocking_engines(settings), "state")
    keys = _asked(BlockingClient(settings.socket("keys")), "state")
    audit = _asked(BlockingClient(settings.socket("auditor")), "state")
    found = {
        "keys": bool(keys.get("ready")),
        "audit": bool(audit.get("ready")) and not audit.get("unsigned_since_ms"),
        "engine": bool(engine.get("ready")) and not engine.get("broken") and not engine.get("damaged"),
    }
    found["api"] = all(found.values()) and _ready(settings)
    # Looked into once their processes have them open: while a store is brought to this release's schema nobody else opens it.
    found["schema"] = all(found.values()) and _opens(settings)
    found["link"] = any(link.get("state") == "up" for link in engine.get("links", []))
    found["loopback"] = (
        loopback() if loopback is not None and all(found[n] for n in found if n != "link") else loopback is None
    )
    return Look(found, keys.get("gate") == "sealed")


def _ready(settings: Settings) -> bool:
    import httpx  # here and below, because it is large and the gate alone asks: a serial console has no use for it

    scheme = "https" if settings["api.tls_certificate"] else "http"
    try:
        # The box asks itself, on loopback: whose name the certificate has does not matter.
        return (
            httpx.get(
                f"{scheme}://{settings['api.listen']}/readyz", timeout=ASK_S_MAX, verify=False, trust_env=False
            ).status_code
            == 200
        )
    except httpx.HTTPError:
        return False


def _opens(settings: Settings) -> bool:
    for path in stores.found(settings.home):
        try:
            open_store(path, read_only=True).close()
        except Error:
            return False
    return True


class Loopback:
    """A message to a number of the bank's own, through the API like any other: delivered, or the release is not good. Sent once a start."""

    def __init__(self, settings: Settings, updates: Updates) -> None:
        self.settings, self.updates = settings, updates
        self.done: bool | None = None

    def __call__(self) -> bool:
        if self.done is None:
            self.done = self._sent()
        return self.done

    def _sent(self) -> bool:
        """With an API key of its own, that is revoked whatever happens."""
        import httpx

        access, name = Access(self.settings), f"health gate {self.updates.machine.version}"
        self.updates.recorder.record("process:gate", "apikey.created", "apikey:new", name=name, rate_per_s=1)
        key, token = access.create_api_key(name, 1)
        scheme = "https" if self.settings["api.tls_certificate"] else "http"
        headers = {"authorization": f"Bearer {token}"}
        base = f"{scheme}://{self.settings['api.listen']}"
        try:
            with httpx.Client(
                base_url=base, headers=headers, timeout=ASK_S_MAX * 2, verify=False, trust_env=False
            ) as api:
                return self._followed(api)
        except httpx.HTTPError:
            return False
        finally:
            self.updates.recorder.record("process:gate", "apikey.revoked", f"apikey:{key.id}", name=name)
            access.revoke_api_key(key.id)

    def _followed(self, api: httpx.Client) -> bool:
        text = f"Casemate {self.updates.machine.version}: started"
        body = {"to": self.settings["firmware.loopback_to"], "text": text, "class": "alert", "validity_s": 600}
        end, pause = monotonic_s() + LOOPBACK_S_MAX, threading.Event()
        answer = api.post("/v1/messages", json=body)
        while answer.status_code == 401 and monotonic_s() < end:  # the key is a moment old
            pause.wait(0.5)
            answer = api.post("/v1/messages", json=body)
        if answer.status_code != 202:
            return False
        where = f"/v1/messages/{answer.json()['id']}"
        while monotonic_s() < end:
            if api.get(where).json().get("status") == "delivered":
                return True
            pause.wait(0.5)
        return False


def run(
    settings: Settings,
    updates: Updates,
    told: Callable[[str], None],
    look: Callable[[], Look] | None = None,
    now: Callable[[], float] = monotonic_s,
    pause: Callable[[float], Any] | None = None,
) -> str:
    """Looks until the gate has decided; `bless` or `fail`. Blesses; to start again is the caller's (the unit's FailureAction)."""
    loopback = Loopback(settings, updates) if settings["firmware.loopback_to"] else None
    look = look or (lambda: looked(settings, loopback))
    pause = pause or threading.Event().wait
    needed = gate.wanted(int(updates.book.fact(LINKS, "0")))
    began, well_since, said = now(), None, ""
    while True:
        found, sealed = look()
        at, lacking = now(), gate.missing(found, needed)
        if sealed:
            began = at
        well_since = (at if well_since is None else well_since) if not lacking else None
        word = gate.decided(found, needed, at - began, 0.0 if well_since is None else at - well_since, sealed)
        waits_for = "the people who open the token" if sealed else ", ".join(lacking)
        line = f"waiting for {waits_for}" if waits_for else "well, and watched"
        if line != said:
            told(line)
            said = line
        if word == gate.BLESS:
            updates.bless("process:gate")
            return word
        if word == gate.FAIL:
            # On record when the release before runs: this one may have no audit log.
            causes = [name for name in lacking if name not in AFTER_OTHERS] or lacking[:1] or ["on and off"]
            updates.book.leave(updates.machine.version, f"not well in time: {', '.join(causes)}", False)
            return word
        pause(LOOK_S)


def leaving(settings: Settings, updates: Updates) -> int:
    """Notes how many links are bound before a restart, so that the next release is not blamed for an operator's outage; how many."""
    bound = sum(link.get("state") == "up" for link in _asked(blocking_engines(settings), "state").get("links", []))
    updates.book.set_fact(LINKS, str(bound))
    return bound

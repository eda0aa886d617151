"""Everything of one person is erased, store by store and day by day (GDPR art. 17); whoever is cut off goes on where it stopped.

Two persons ask and approve; each store's own process erases, and asks the keys process whether it may. What cannot be done now (a
legal hold, a process that is away, a message that is leaving just then) is said, and nothing is certified before all of it is done.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from appliance.clock import DAY_MS, day_name, day_of
from appliance.errors import Error
from appliance.keys import blind_index
from appliance.settings import Settings
from appliance.store import Readers, partition_days, wrote

from . import certificate
from .journal import Counts, Erasure, Journal

KEY_OCTETS: Final = 32
CALL_S_MAX: Final = 120.0  # a day of one engine, or the door's letters
DAYS_ANEW: Final = 2  # looked through once more at the end: what was on its way to them
_DIGITS: Final = re.compile(r"(?:\d[ ()/.+-]*){7}")

#: What erases in a store that commands may open: (blind index, the one that stands for it, now) -> what was erased.
Site = Callable[[bytes, bytes, int], Counts]


class Caller(Protocol):
    """Asks a process of the appliance; raises its Error."""

    def __call__(self, process: str, op: str, payload: dict[str, Any], timeout_s: float = ...) -> Any: ...


class Record(Protocol):
    """The part of `appliance.audit.BlockingRecorder` that is used."""

    def record(self, who: str, what: str, on: str, outcome: str = ..., **detail: Any) -> tuple[int, int]: ...


class Erasing:
    """One command's. `index`: a number's blind index; `sites`: by name; `pause`: waits a moment for messages that are leaving; `told`: (done, of how many)."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        call: Caller,
        index: Callable[[str], bytes],
        sites: Mapping[str, Site],
        recorder: Record,
        now_ms: Callable[[], int],
        pause: Callable[[], object],
        told: Callable[[int, int], None],
    ) -> None:
        self.settings = settings
        self.journal = journal
        self.call = call
        self.index = index
        self.sites = sites
        self.recorder = recorder
        self.now_ms = now_ms
        self.pause = pause
        self.told = told

    # --- two persons --------------------------------------------------------------------------------------

    def ask(self, number: str, reason: str, who: str) -> tuple[int, int]:
        """Number of the erasure and of the request that another person approves. Raises Error `invalid`, `legal_hold`."""
        if _DIGITS.search(reason):
            raise Error(
                "invalid", "the reason has a number in it", "name a case: the reason stays when the person is erased"
            )
        subject = self.index(number)
        self.check_holds(subject)
        retired = self.call("keys", "random", {"octets": KEY_OCTETS})["octets"]  # used once, here, and kept nowhere
        erasure = self.journal.add(subject, blind_index(retired, number), self.now_ms())
        asked = {"act": "erase-subject", "on": erasure, "reason": reason, "who": who}
        request: int = self.call("keys", "ask", asked)["request"]
        self.journal.requested(erasure, request)
        return erasure, request

    def approved(self, request: int, number: str, who: str) -> Erasure:
        """The erasure of an approved request, which is used up by it; of one that was begun, to go on with.

        Raises Error `not_found`, `forbidden`, `invalid` when it was asked for with another number.
        """
        found = self.journal.of_request(request)
        if found is None:
            raise Error("not_found", f"request {request} is about no erasure", "see `casemate subject erasures`")
        if found.done_ms:
            raise Error("key_state", f"erasure {found.n} is done", f"`casemate subject certificate {found.n} FOLDER`")
        if found.subject != self.index(number):
            raise Error("invalid", "that is not the number that the erasure was asked for with", "check the case")
        self.check_holds(found.subject)
        if not found.begun_ms:
            try:
                self._allowed(found)
            except Error as e:
                if e.code != "forbidden":
                    raise
                self.call("keys", "do", {"request": request, "who": who})
            self.journal.begun(found.n, self.now_ms())
        self._allowed(found)
        again = self.journal.one(found.n)
        assert again is not None
        return again

    def _allowed(self, erasure: Erasure) -> dict[str, Any]:
        reply: dict[str, Any] = self.call("keys", "erasure", {"request": erasure.request})
        if reply["erasure"] != erasure.n:
            raise Error("key_state", f"request {erasure.request} is about another erasure", "was erasure.db restored?")
        return reply

    def check_holds(self, subject: bytes) -> None:
        """Raises Error `legal_hold` when a day under a hold has something of the person: then nothing is erased at all."""
        held = set(self.call("keys", "held", {})["days"])
        readers = Readers(self.settings.stores)
        try:
            days = {day for folder in self.settings.stores.values() for day in partition_days(folder)} & held
            for day in sorted(days):
                upto_ms = (day + 1) * DAY_MS
                if readers.search(1, number_index=subject, from_ms=day * DAY_MS, to_ms=upto_ms)[0]:
                    raise _held(day)
        finally:
            readers.close()
        for folder in self.settings.stores.values() if days else ():
            for each in wrote(folder, subject):
                if day_of(each.at_ms) in held:
                    raise _held(day_of(each.at_ms))

    # --- erasing ------------------------------------------------------------------------------------------

    def run(self, erasure: Erasure, number: str, who: str) -> Erasure:
        """Erases what is left and certifies it. Raises Error `not_redactable` while messages are leaving, or what a process says."""
        self.recorder.record(who, "subject.erase_begun", f"erasure:{erasure.n}", request=erasure.request)
        self._small(erasure, number)
        days = [(shard, day) for shard, folder in self.settings.stores.items() for day in partition_days(folder)]
        for n, (shard, day) in enumerate(sorted(days, key=lambda each: each[1])):
            if not self.journal.steps(erasure.n).get(_place(shard, day), ({}, False))[1]:
                self._day(erasure, number, who, shard, day)
            self.told(n + 1, len(days))
        self._small(erasure, number)
        today = day_of(self.now_ms())
        shards = range(self.settings["engine.shards"])
        newest = {(shard, today - ago) for shard in shards for ago in range(DAYS_ANEW)} & set(days)
        for shard, day in sorted(newest | {each for each in days if not self._done(erasure, *each)}):
            self._day(erasure, number, who, shard, day)
        left = [day for shard, day in days if not self._done(erasure, shard, day)]
        if left:
            raise Error(
                "not_redactable",
                f"messages of {len(left)} days are leaving just now; nothing of these is erased yet",
                "run it again in a minute; they are over at the latest when their validity ends",
            )
        return self._certified(erasure, who, [day for _, day in days])

    def _done(self, erasure: Erasure, shard: int, day: int) -> bool:
        return self.journal.steps(erasure.n).get(_place(shard, day), ({}, False))[1]

    def _small(self, erasure: Erasure, number: str) -> None:
        """Stores and memories that have no days."""
        for name, erase in self.sites.items():
            self.journal.stepped(erasure.n, name, erase(erasure.subject, erasure.stands_for, self.now_ms()), True)
        asked = ["courier", *(f"gateway-{n}" for n in range(self.settings["api.gateways"]))]
        if self.settings["door.enabled"]:
            asked.append("door")
        elif any((self.settings.home / name).exists() for name in ("door.db", "door-parts.db")):
            raise Error("peer_unavailable", "the door is closed and its store is still there", "open it: door.enabled")
        for process in asked:
            if process.startswith("gateway") and not self.settings.socket(process).exists():
                continue  # it does not run: what it had in memory is gone
            counts = self.call(process, "forget_number", {"number": number}, CALL_S_MAX)
            place = process.partition("-")[0]
            self.journal.stepped(erasure.n, place, {_NAMES.get(name, name): n for name, n in counts.items()}, True)

    def _day(self, erasure: Erasure, number: str, who: str, shard: int, day: int) -> None:
        left = shard if shard >= self.settings["engine.shards"] else 0
        asked = {
            "request": erasure.request,
            "subject": erasure.subject,
            "stands_for": erasure.stands_for,
            "number": number,
            "day": day,
            "who": who,
            "left": left,
        }
        for _ in range(10):
            counts = self.call(f"engine-{0 if left else shard}", "erase_subject", asked, CALL_S_MAX)
            waiting = counts.pop("waiting")
            self.journal.stepped(erasure.n, _place(shard, day), counts, not waiting)
            if not waiting:
                return
            self.pause()

    def _certified(self, erasure: Erasure, who: str, days: Iterable[int]) -> Erasure:
        """Signed, then on the audit log with its digest, then over."""
        now = self.now_ms()
        places: dict[str, Counts] = {}
        for place, (counts, _) in self.journal.steps(erasure.n).items():
            into = places.setdefault(place.partition(" ")[0], {})
            for name, count in counts.items():
                into[name] = into.get(name, 0) + count
        places = {place: {name: n for name, n in counts.items() if n} for place, counts in places.items()}
        allowed = self._allowed(erasure)
        persons = {
            "request": erasure.request,
            "asked_by": allowed["asked_by"],
            "approved_by": allowed["approved_by"],
            "done_by": who,
            "reason": allowed["reason"],
            "copies": f"unreadable when the keys of these days are destroyed, {self._copies_until(days)}",
        }
        times = {"asked_at": erasure.asked_ms, "approved_at": allowed["approved_ms"]}
        times |= {"begun_at": erasure.begun_ms, "finished_at": now}
        span = [day_name(min(days)), day_name(max(days))] if days else None
        fields = certificate.fields_of(
            self.settings["audit.origin"], erasure.n, erasure.stands_for, persons, times, places, span
        )
        body = certificate.body_of(fields)
        signature = self.call("keys", "sign", {"purpose": "erasure certificate", "body": body})["signature"]
        self.journal.certified(erasure.n, body, signature, now, who)
        made = self.journal.one(erasure.n)
        assert made is not None
        digest = hashlib.sha256(made.certificate).hexdigest()
        found = sum(sum(counts.values()) for counts in places.values())
        on = f"erasure:{erasure.n}"
        entry, _ = self.recorder.record(who, "subject.erased", on, digest=digest, found=found, request=erasure.request)
        self.journal.finished(erasure.n, entry, self.now_ms())
        done = self.journal.one(erasure.n)
        assert done is not None
        return done

    def _copies_until(self, days: Iterable[int]) -> str:
        keep = max(self.settings["store.retention_days"], self.settings["door.keep_days"])
        last = max(days, default=day_of(self.now_ms()))
        return f"the last one after {day_name(last + keep)}"


#: What the processes call what they forgot -> what the certificate does.
_NAMES: Final = {"forgotten": "answers of ENUM", "parts": "parts that waited", "letters": "letters"}


def _place(shard: int, day: int) -> str:
    return f"engine-{shard} {day_name(day)}"


def _held(day: int) -> Error:
    return Error(
        "legal_hold",
        f"{day_name(day)} is under a legal hold and has something of this person: nothing is erased",
        "two persons lift it: `casemate keys ask lift-hold`",
    )

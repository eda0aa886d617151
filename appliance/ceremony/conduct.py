"""A ceremony from its first line to its signed transcript: seats people, goes step by step, times and confirms each, and leaves the box whole.

Its states are the table below. Whoever types STOP, or a line that goes dead, ends it: what was begun and not taken into use is undone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.access import Access
from appliance.clock import now_ms, rfc3339
from appliance.errors import Error

from .acts import Acts, Call
from .paper import paper
from .people import Reception, Seat, agreed
from .script import Script, Step
from .signing import note_of
from .terminal import Stopped, Terminal, wrapped
from .transcript import NOTE, PAPER, TEXT, Transcript, read, readable

PLANNED: Final = "planned"
SEATING: Final = "seating"
STEPPING: Final = "stepping"
DONE: Final = "done"
STOPPED: Final = "stopped"

TABLE: Final[dict[tuple[str, str], str]] = {
    (PLANNED, "begin"): SEATING,
    (SEATING, "all seated"): STEPPING,
    (SEATING, "stop"): STOPPED,
    (STEPPING, "confirmed"): STEPPING,
    (STEPPING, "all confirmed"): DONE,
    (STEPPING, "stop"): STOPPED,
}


class Terms(NamedTuple):
    """What is known before the people come: M and N of a new set, a backup's folder, where the transcript goes."""

    folder: Path
    needed: int = 0
    custodians: int = 0
    backup: Path | None = None
    rehearsal: bool = False


class Outcome(NamedTuple):
    state: str
    folder: Path
    digest: str
    signed: bool
    why: str


class Ceremony:
    """`box` is what the box says of itself; `access` its accounts, None when it has none."""

    def __init__(
        self,
        script: Script,
        terminal: Terminal,
        call: Call,
        box: dict[str, Any],
        access: Access | None,
        terms: Terms,
        needs_pin: bool,
    ) -> None:
        self.script = script
        self.terminal = terminal
        self.call = call
        self.terms = terms
        self.box = box
        self.state = PLANNED
        self.acts = Acts(call, terminal, script, box, needs_pin)
        self.reception = Reception(terminal, access, script.apart)
        self.transcript: Transcript | None = None
        self._n = 0

    def run(self) -> Outcome:
        """Raises Error only when it cannot even begin."""
        script, say = self.script, self.terminal.say
        self._counted()
        self._hear("begin")
        self.call("ceremony", {"name": script.name, "script": script.digest, "who": self._who()})
        self.transcript = Transcript(self.terms.folder)
        self.transcript.begin(script, self.box, self.terms.rehearsal, now_ms())
        say(f"{script.title} (ceremony `{script.name}`, script version {script.version})")
        if self.terms.rehearsal:
            say("REHEARSAL: on a token and in a folder of its own; nothing here is of any box in use.")
        say(wrapped(script.purpose))
        say("STOP, typed at any question, ends the ceremony and undoes what is not in use yet.")
        say("")
        try:
            self._seat()
            self._hear("all seated")
            steps = self._steps()
            for step, seat in steps:
                self._step(step, seat, len(steps))
                self._hear("confirmed")
            self._hear("all confirmed")
            why = ""
        except Stopped:
            why = "a person ended it"
            self._undo()
        except Error as e:
            why = str(e)
            self._undo()
        return self._end(why)

    def _hear(self, heard: str) -> None:
        self.state = TABLE[self.state, heard]

    def _who(self) -> str:
        seats = self.reception.of("administrator")
        return seats[0].who if seats else f"cli:ceremony-{self.script.name}"

    # --- people -------------------------------------------------------------------------------------------

    def _counted(self) -> None:
        """How many custodians there are to be. Raises Error when the box is not as the ceremony needs it."""
        kind, acts, terms = self.script.custodians, self.acts, self.terms
        told = acts.read_backup(terms.backup) if kind == "given" and terms.backup else self.call("custody", {})
        if kind == "given" and terms.backup is None:
            raise Error("invalid", "which backup?", "--backup FOLDER")
        self.quorum = int(told.get("needed", 0))
        if kind in ("quorum", "quorum-and-new") and not self.quorum:
            raise Error(
                "not_found",
                "nobody holds shares of this box's keys: they were made at its first start, never to leave the token",
                "back the token up by its vendor's own way: `casemate keys profiles`",
            )
        if kind in ("new", "quorum-and-new"):
            acts.needed, acts.custodians = terms.needed, terms.custodians
            if not 2 <= terms.needed <= terms.custodians:
                raise Error(
                    "invalid", "how many custodians, and how many of them are needed?", "--custodians 5 --needed 3"
                )
        else:
            acts.needed = self.quorum
        self.acts.folder = terms.backup if kind == "quorum" else None

    def _seat(self) -> None:
        for role in ("administrator", "auditor", "witness"):
            self._seated(self.reception.seat(role))
        kind = self.script.custodians
        old, new = {
            "new": (0, self.acts.custodians),
            "quorum-and-new": (self.quorum, self.acts.custodians),
        }.get(kind, (0, self.quorum))
        for number in range(1, old + 1):
            self._seated(self.reception.seat("old custodian", number))
        for number in range(1, new + 1):
            self._seated(self.reception.seat("custodian", number))

    def _seated(self, seat: Seat) -> None:
        assert self.transcript is not None
        self.transcript.put(
            {
                "what": "seat",
                "title": seat.title,
                "person": seat.person,
                "authenticated": seat.authenticated,
                "at": rfc3339(now_ms()),
            }
        )

    def _steps(self) -> list[tuple[Step, Seat]]:
        out = []
        for step in self.script.steps:
            seats = self.reception.of(step.role)
            if step.each == "quorum":
                seats = seats[: self.acts.needed]
            elif not step.each:
                seats = seats[:1]
            out += [(step, seat) for seat in seats]
        return out

    # --- steps --------------------------------------------------------------------------------------------

    def _step(self, step: Step, seat: Seat, of: int) -> None:
        say = self.terminal.say
        assert self.transcript is not None
        self._n += 1
        begun, found, why, confirmed = now_ms(), dict[str, Any](), "", False
        say("")
        say(f"--- step {self._n} of {of}, {rfc3339(begun)[:19]}Z: {seat.title}, {seat.person} ---")
        say(wrapped(step.text))
        try:
            found = self._done(step, seat)
            for name, value in found.items():
                say(f"  {name}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
            say(wrapped(f"{step.confirm}."))
            while not agreed(seat, self.terminal.ask(f"{seat.title}, type your name to confirm:")):
                say(f"  That is not the name of the {seat.title}.")
            confirmed = True
        except Stopped:
            why = "ended by a person"
            raise
        except Error as e:
            why = str(e)
            raise
        finally:
            ended = now_ms()
            self.transcript.put(
                {
                    "what": "step",
                    "number": self._n,
                    "id": step.id,
                    "title": seat.title,
                    "person": seat.person,
                    "text": " ".join(step.text.split()),
                    "found": found,
                    "confirm": " ".join(step.confirm.split()),
                    "confirmed": confirmed,
                    "why": why,
                    "begun": rfc3339(begun),
                    "took_s": round((ended - begun) / 1000, 1),
                }
            )

    def _done(self, step: Step, seat: Seat) -> dict[str, Any]:
        """The action, again for as long as people want to try."""
        while True:
            try:
                return self.acts.do(step, seat)
            except Error as e:
                self.terminal.say(f"  Not done: {e.message} [{e.code}]")
                if e.hint:
                    self.terminal.say(f"  {e.hint}")
                self.terminal.ask("Enter to try again, STOP to end the ceremony:")

    def _undo(self) -> None:
        self._hear("stop")
        try:
            self.call("abort", {})
            self.terminal.say("Stopped. What was begun and not in use yet is undone.")
        except Error as e:
            self.terminal.say(f"Stopped. It could not be undone now: {e}")
            self.terminal.say("It is undone when the ceremony is begun again.")

    # --- the end ------------------------------------------------------------------------------------------

    def _end(self, why: str) -> Outcome:
        transcript, script = self.transcript, self.script
        assert transcript is not None
        transcript.put({"what": "end", "outcome": self.state, "why": why, "at": rfc3339(now_ms())})
        digest, lines = transcript.digest, read(transcript.path.read_bytes())
        text = readable(lines)
        folder = transcript.folder
        (folder / TEXT).write_text(text, encoding="ascii")
        seats = [line for line in lines if line["what"] == "seat"]
        (folder / PAPER).write_bytes(paper(text, script.title, digest, seats))
        signed = False
        try:
            given = {
                "name": script.name,
                "digest": digest,
                "outcome": "ok" if self.state == DONE else "failed",
                "who": self._who(),
            }
            reply = self.call("transcript", given)
            if reply["signature"]:
                note = note_of(script.name, digest, reply["origin"], reply["key"], reply["signature"])
                (folder / NOTE).write_text(note, encoding="utf-8")
                signed = True
        except Error as e:
            self.terminal.say(f"The transcript is not signed, and not on the audit log: {e}")
        self.terminal.say("")
        self.terminal.say(f"{self.state}: the transcript is in {folder}")
        self.terminal.say(f"sha256 {digest}")
        return Outcome(self.state, folder, digest, signed, why)

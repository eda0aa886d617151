"""People in a room for a ceremony: answers the prompts as each role would, keeps each custodian's paper, and remembers what was on the screen."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from appliance.ceremony import Stopped

PEOPLE = ("Ada", "Bea", "Cleo", "Dora", "Edda", "Fay", "Gwen", "Hope", "Ines", "June")


class Room:
    """`answers` are looked at first: pattern of a prompt -> answer, or what gives one; each used once if it is in `once`."""

    def __init__(self, answers: Mapping[str, str | Callable[[], str]] | None = None) -> None:
        self.answers: Mapping[str, str | Callable[[], str]] = answers or {}
        self.papers: dict[str, list[str]] = {}  # person -> the four lines of their share
        self.seats: dict[str, str] = {}  # title -> person
        self.screen: list[str] = []  # since it was last wiped
        self.seen: list[str] = []  # everything that was ever shown but shares
        self.prompts: list[str] = []
        self.alone = ""
        self.wipes = 0
        self.usual_names: Callable[[str], str | None] = lambda title: None  # of a seat, before the list is looked at

    def say(self, text: str = "") -> None:
        self.screen += text.split("\n")
        found = re.match(r"For (.+?) alone", text)
        if found:
            self.alone = found[1]

    def wipe(self) -> None:
        shown = [m[1] for m in (re.fullmatch(r"   \d   (.+)", line) for line in self.screen) if m]
        if shown:
            self.papers[self.alone] = shown
        else:
            self.seen += self.screen
        self.screen, self.wipes = [], self.wipes + 1

    def ask(self, prompt: str, hidden: bool = False) -> str:
        self.prompts.append(prompt)
        for pattern, answer in self.answers.items():
            if re.search(pattern, prompt):
                said = answer if isinstance(answer, str) else answer()
                seating = re.match(r"(.+), (?:full name|name at the console):", prompt)
                if seating:
                    self.seats[seating[1]] = said
                if said == "STOP":
                    raise Stopped
                return said
        return self._usual(prompt)

    def _usual(self, prompt: str) -> str:
        seating = re.match(r"(.+), (?:full name|name at the console):", prompt)
        if seating:
            person = self.usual_names(seating[1]) or PEOPLE[len(self.seats)]
            self.seats[seating[1]] = person
            return person
        confirming = re.match(r"(.+), type your name to confirm:", prompt)
        if confirming:
            return self.seats[confirming[1]]
        if "check characters" in prompt:
            return " ".join(m[1] for m in (re.search(r"  (\S\S)$", line) for line in self.screen) if m)
        line = re.match(r"  line (\d):", prompt)
        if line:
            return self.papers[self.alone][int(line[1]) - 1]
        if prompt.startswith("Reason"):
            return "drill"
        if "alone" in prompt:
            return ""
        raise AssertionError(f"nobody knows what to answer to {prompt!r}")

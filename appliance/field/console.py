"""The dialogue at the serial line: sign-in, menu, pages. Draws when a key was pressed, never by itself.

What a page may do is the table in menu.py; how it is done is hands.py; who is there is sessions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from appliance import __version__
from appliance.access import may
from appliance.errors import Error
from appliance.updates import Refused, noticed

from . import codes, screen
from .breakglass import EXPIRED, HALF, LOCKED, OPEN, USED
from .hands import Hands
from .hints import here
from .menu import MENU, Item, chosen
from .sessions import Field, Person
from .terminal import Cancelled, Left, Terminal

SIGN_IN_IDLE_S: Final = 3_600.0  # nobody is there: the console sits and waits, without a byte on the line
LATE_S: Final = 60.0  # an answer that comes a little late is told so
#: What a break-glass session is for -> words of the menu that it may use besides looking.
GLASS_ITEMS: Final = {
    "sign-in": frozenset(i.word for i in MENU) - {"admin", "reset", "ssh"},
    "reset-administrator": frozenset({"admin", "accounts"}),
    "factory-reset": frozenset({"reset"}),
}
Page = Callable[["Console"], None]


class Console:
    """One terminal and who is at it."""

    def __init__(self, terminal: Terminal, field: Field, hands: Hands, pages: dict[str, Page], fault: str = "") -> None:
        assert {i.word for i in MENU} - {"out"} == set(pages)
        self.terminal, self.field, self.hands, self.pages = terminal, field, hands, pages
        self.fault = fault  # of the settings file, which is then not used
        self.person: Person | None = None

    # --- words for pages ------------------------------------------------------------------------------------

    @property
    def who(self) -> str:
        assert self.person is not None
        return self.person.who

    @property
    def idle_s(self) -> float:
        return float(self.field.settings["field.idle_minutes"] * 60)

    def show(self, title: str, lines: Sequence[str], last_first: bool = False) -> None:
        """A screen; more than one screen is paged: Enter for the next, Ctrl-C back to the menu. `last_first`: from the end, a screen at a time."""
        pages = screen.pages(lines)[:: -1 if last_first else 1]
        for n, page in enumerate(pages):
            right = f"{n + 1}/{len(pages)}" if len(pages) > 1 else self._corner
            self.terminal.screen(screen.titled(title, right, page))
            if n + 1 < len(pages):
                self.terminal.line("Enter: more   Ctrl-C: menu ", self.idle_s)

    @property
    def _corner(self) -> str:
        return f"{self.hands.updates.serial or 'no serial number'}  {self.person.name if self.person else ''}".strip()

    def ask(self, prompt: str, secret: bool = False) -> str:
        return self.terminal.line(f"{prompt}: ", self.idle_s, secret).strip()

    def yes(self, question: str) -> bool:
        """Only the whole word: a stray key on a noisy line changes nothing."""
        return self.ask(f"{question} Type yes to do it") == "yes"

    def tell(self, *lines: str) -> None:
        self.terminal.say(*(part for line in lines for part in screen.wrapped(line)))

    def pick(self, what: str, names: Sequence[str]) -> str:
        """One of a list by number or name; "" leaves."""
        typed = self.ask(f"{what} (number or name, empty to leave)")
        if typed.isascii() and typed.isdigit() and 1 <= int(typed) <= len(names):
            return names[int(typed) - 1]
        return typed

    def from_stick(self, what: str, ending: str, heading: str) -> Path | None:
        """One of the files with this ending on the stick, None for none of them. Raises Error `not_found`."""
        there = self.hands.bundles(ending)
        if not there:
            hint = "put the stick in, then choose this entry again"
            raise Error("not_found", f"no {what} (.{ending}) is in {self.hands.media}", hint)
        self.show(heading, [f"{n:>3}  {p.name}" for n, p in enumerate(there, 1)])
        name = self.pick(what, [p.name for p in there])
        return next((p for p in there if p.name == name), None)

    def progress(self, what: str, octets: int, whole: int) -> None:
        """A line at each tenth: a slow line is not to be held up."""
        share = octets * 100 // whole if whole else 100
        mark = f"{what} {share // 10}"
        if mark != getattr(self, "_mark", ""):
            self.tell(f"{what}: {share} %")
        self._mark = mark

    # --- life -----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Sign-in and menu, over and over, until the line is gone."""
        while True:
            try:
                self.person = self._sign_in()
                if self.person is not None:
                    self._menu()
            except Cancelled:
                continue
            except Left as e:
                if self.person is None and not e.idle:
                    return
            finally:
                if self.person is not None:
                    self.field.signed_out(self.person)
                    self.person = None

    def once(self) -> None:
        """One session: `casemate field` in a terminal ends with it."""
        try:
            while self.person is None:
                try:
                    self.person = self._sign_in()
                except Cancelled:
                    return
            self._menu()
        except Left:
            return
        finally:
            if self.person is not None:
                self.field.signed_out(self.person)

    # --- sign-in --------------------------------------------------------------------------------------------

    def _sign_in(self) -> Person | None:
        new = not self.field.begun()
        lines = ["Only for people whom the bank sent. What is done here is recorded.", ""]
        if self.fault:
            lines += [*screen.wrapped(f"THE SETTINGS CANNOT BE READ, DEFAULTS ARE USED: {self.fault}")[:3], ""]
        if self.hands.live:
            lines += ["Started from a USB stick. Type   install   to write the system to a disk."]
            lines += ["What is made here besides, accounts too, ends with this start.", ""]
        elif new:
            lines += ["This box has no field account yet. Type   new   to make the first one."]
        lines += [
            "Type your name, or   glass   to ask the bank's officers to let you in,",
            "or   envelope   to use the PIN from the safe.",
        ]
        corner = self.hands.updates.serial or "no serial number"
        self.terminal.screen(screen.titled(f"Casemate {__version__}", corner, lines))
        name = self.terminal.line("name: ", SIGN_IN_IDLE_S).strip()
        try:
            if name == "glass":
                return self._glass()
            if name == "envelope":
                return self._envelope()
            if name == "install" and self.hands.live:
                self._installing()
                return None
            if name == "new" and new:
                return self._first()
            if not name:
                return None
            password, code = self.ask("password", secret=True), self.ask("code of your telephone")
            person = self.field.sign_in(name, password, code)
        except Error as e:
            self._refused(e)
            return None
        if person is None:
            self.tell("That was not right. Name, password or code is wrong; a code is taken once.")
        return person

    def _installing(self) -> None:
        """One page and no more: whoever starts a machine from a stick has all of it, and there is no state yet to guard."""
        self.person = Person("install", "administrator")
        try:
            self._page(next(i for i in MENU if i.word == "install"))
        finally:
            self.person = None

    def _first(self) -> Person:
        """The first account: made by whoever stands in front of a box that nobody used yet, as with any new machine; once there are people of the
        web console, by one of its administrators (the first start shows one)."""
        if not self.field.untouched():
            self.tell("The web console has people already: one of its administrators vouches for you.")
            admin = self.ask("administrator (empty: admin, whom the first start showed)") or "admin"
            password = self.ask(f"password of {admin}", secret=True)
            if not self.field.vouched(admin, password, lambda: self.ask("code of the telephone, or a recovery code")):
                hint = "the first start shows one; or the bank's officers let you in: glass"
                raise Error("unauthorized", "that is no administrator of the web console, or not the password", hint)
        name, password = self.ask("name"), self.ask("password, 14 characters or more", secret=True)
        if self.ask("the same again", secret=True) != password:
            raise Error("invalid", "the two are not the same", "type   new   again")
        secret = self.field.create(name, password, "administrator", "field:first")
        self.tell(
            "For the telephone's app (TOTP, 6 digits, 30 seconds), shown once:", "", f"  {screen.grouped(secret)}", ""
        )
        person = self.field.sign_in(name, password, self.ask("code of your telephone"))
        if person is None:
            self.field.remove(name, "field:first")
            raise Error(
                "unauthorized",
                "the code does not fit; the account was not made",
                "check the telephone's clock, then type   new   again",
            )
        return person

    def _glass(self) -> Person | None:
        purposes = list(codes.PURPOSES)
        self.tell(*(f"  {n}  {p}" for n, p in enumerate(purposes, 1)))
        purpose = self.pick("what for", purposes)
        if purpose not in purposes:
            return None
        glass = self.field.challenge(purpose)
        c = glass.challenge
        shown = [f"serial   {c.serial}", f"purpose  {c.purpose}", f"nonce    {screen.grouped(c.nonce)}", ""]
        shown += [
            "An officer of the bank answers with",
            f"  casemate breakglass answer {c.serial} {c.purpose} {c.nonce} --key KEY",
            "within 15 minutes.",
        ]
        self.terminal.screen(screen.titled("Break-glass", c.serial, shown))
        while True:
            # As long as the challenge lives, whatever a session may idle: an officer has to be found first.
            given = self.terminal.line("answer: ", codes.LIFE_S + LATE_S)
            glass, said = self.field.answered(given)
            if glass.state == OPEN:
                return self.field.through_glass(glass)
            if glass.state == HALF and said == "right":
                self.tell("Right. A second officer has to answer, too.")
            elif glass.state in (LOCKED, EXPIRED, USED):
                words = {
                    LOCKED: "Too many wrong answers: wait an hour, or use the envelope.",
                    EXPIRED: "Too late: type   glass   again.",
                    USED: "This challenge was used: type   glass   again.",
                }
                self.tell(words[glass.state])
                return None
            else:
                self.tell("That was not right.")

    def _envelope(self) -> Person | None:
        person = self.field.open_envelope(self.ask("PIN", secret=True))
        self.tell("The PIN is used up: menu 13 makes a new one." if person else "That was not right.")
        return person

    # --- menu -----------------------------------------------------------------------------------------------

    def _menu(self) -> None:
        assert self.person is not None
        noticed(self.hands.updates)
        self.hands.updates.flush()
        while True:
            if self.person.until_s and self.field.now_s >= self.person.until_s:
                self.tell("The time of this session is over.")
                return
            rows = [(str(i.number), f"{i.title} ({i.word})") for i in MENU]
            foot = ["", "Number or word. Enter shows this again; Ctrl-C comes back here."]
            self.terminal.screen(screen.titled("Casemate", self._corner, [*screen.columns(rows), *foot]))
            item = None
            try:
                typed = self.terminal.line("> ", self.idle_s).strip()
                item = chosen(typed)
                if item is None:
                    if typed:
                        self.tell("There is no such entry.")
                    continue
                if item.word == "out":
                    return
                self._page(item)
            except Cancelled:
                continue

    def _page(self, item: Item) -> None:
        why = self.barred(item)
        if why:
            self.tell(why)
        else:
            try:
                self.pages[item.word](self)
            except Error as e:
                self._refused(e)
            except Refused as e:
                self.tell(f"Refused: {e.sentence}.", here(e.hint))
            except OSError as e:
                self.tell(f"The box could not do that: {e.strerror or e}.", "Menu 1 shows how it is.")
        self.ask("Enter: menu")

    def barred(self, item: Item) -> str:
        """Why the person may not use an entry, "" when it is allowed."""
        assert self.person is not None
        if self.person.purpose and item.changes and item.word not in GLASS_ITEMS[self.person.purpose]:
            return f"The officers let you in for {self.person.purpose}; sign out and ask for another purpose."
        if not may(self.person.role, item.permission):
            return f"The role {self.person.role} does not include this; an administrator of this console can (menu 13)."
        return ""

    def _refused(self, e: Error) -> None:
        self.tell(f"Not done: {here(e.message)} [{e.code}]", *([f"  {here(e.hint)}"] if e.hint else []))

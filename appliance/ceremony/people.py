"""Who is in the room: each role seated by a person of their own, authenticated where the box has accounts, else by name."""

from __future__ import annotations

from typing import Final, NamedTuple

from appliance.access import Access, may
from appliance.clock import now_ms
from appliance.errors import Error

from .terminal import Terminal

NAME_CHARACTERS_MAX: Final = 64

#: Role -> permission that its console account needs, where the box has accounts.
PERMITS: Final = {"administrator": "keys.ask", "auditor": "keys.decide"}


class Seat(NamedTuple):
    """One person in one role; `number` of a custodian, else 0. `who` is how the audit log names them."""

    role: str
    number: int
    person: str
    authenticated: bool
    who: str

    @property
    def title(self) -> str:
        return f"{self.role} {self.number}" if self.number else self.role


def apart(seats: list[Seat], new: Seat, roles: tuple[str, ...]) -> None:
    """Raises Error `forbidden` when the person holds another role that has to be somebody else's, or another share."""
    for seat in seats:
        if _same(seat.person, new.person) and {_family(seat), _family(new)} & set(roles):
            # An old custodian may stay one: the two sets are never used together.
            if {seat.role, new.role} == {"custodian", "old custodian"}:
                continue
            raise Error(
                "forbidden", f"{new.person} is the {seat.title} already", "the roles are kept by different people"
            )


def _family(seat: Seat) -> str:
    return "custodian" if "custodian" in seat.role else seat.role


def _same(one: str, other: str) -> bool:
    return " ".join(one.casefold().split()) == " ".join(other.casefold().split())


def agreed(seat: Seat, typed: str) -> bool:
    """Whether the person typed their own name."""
    return _same(seat.person, typed)


class Reception:
    """Seats people. `access` is None where the box has no accounts: a rehearsal, or before its first start."""

    def __init__(self, terminal: Terminal, access: Access | None, roles: tuple[str, ...]) -> None:
        self.terminal = terminal
        self.access = access
        self.roles = roles
        self.seats: list[Seat] = []

    def seat(self, role: str, number: int = 0) -> Seat:
        """Asks until somebody may have the seat. Raises Stopped."""
        while True:
            title = f"{role} {number}" if number else role
            try:
                new = self._who(role, number, title)
                apart(self.seats, new, self.roles)
            except Error as e:
                self.terminal.say(f"  {e.message}. {e.hint}".rstrip())
                continue
            self.seats.append(new)
            return new

    def _who(self, role: str, number: int, title: str) -> Seat:
        permit = PERMITS.get(role)
        signs = self.access is not None and permit is not None
        name = self.terminal.ask(f"{title}, {'name at the console' if signs else 'full name'}:")
        if not name.isprintable() or not 0 < len(name) <= NAME_CHARACTERS_MAX:
            raise Error("invalid", f"a name has 1 to {NAME_CHARACTERS_MAX} characters")
        if not signs:
            return Seat(role, number, name, False, f"cli:ceremony-{title.replace(' ', '-')}")
        assert self.access is not None and permit is not None
        person = self.access.sign_in(name, self.terminal.ask("  console password:", hidden=True), "127.0.0.1", now_ms())
        if person is None:
            raise Error("unauthorized", "the name or the password is wrong")
        if not may(person.role, permit):
            raise Error("forbidden", f"the console role {person.role} does not include this")
        return Seat(role, number, person.name, True, f"console:{person.name}")

    def of(self, role: str) -> list[Seat]:
        return [seat for seat in self.seats if seat.role == role]

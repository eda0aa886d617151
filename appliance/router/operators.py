"""HOT: whose a number is: by the books of ported numbers, else by the longest prefix of the number plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from appliance.limits import ENUM_NUMBERS_MAX
from appliance.settings import Operator

from .ported import Book


class Told(NamedTuple):
    """Whose a number is, for people. `operator`: a name of [[operator]], empty when none has it; `code`: what the source calls it.

    `ported`: None where no book is there. `rule`: what said so, for people.
    """

    operator: str
    ported: bool | None
    code: str
    rule: str


class Learned:
    """What ENUM said of numbers: whom each moved to, empty when it did not. In memory only; the oldest are forgotten first."""

    def __init__(self, most: int = ENUM_NUMBERS_MAX) -> None:
        self.codes: dict[str, str] = {}
        self._most = most

    def put(self, number: str, code: str | None) -> None:
        """None: nothing is known any more."""
        self.codes.pop(number, None)
        if code is not None:
            if len(self.codes) >= self._most:
                del self.codes[next(iter(self.codes))]
            self.codes[number] = code

    def take(self, numbers: Sequence[str], known: dict[str, str]) -> None:
        """What a batch's face knew of its numbers; of those it knew nothing of, nothing is known here either."""
        if known or self.codes:
            for number in numbers:
                self.put(number, known.get(number))


class Numbers:
    """`learned` is asked first, then `books` in their order, then the plan.

    A number that moved to an operator nobody names is no longer its old one's. Immutable but for what is learned.
    """

    def __init__(
        self, operators: Iterable[Operator], books: Sequence[Book] = (), learned: Learned | None = None
    ) -> None:
        operators = tuple(operators)
        self.names = tuple(operator.name for operator in operators)
        self._owners = {operator.name: operator.name for operator in operators}
        self._owners |= {code: operator.name for operator in operators for code in operator.codes}
        self.books = tuple(books)
        self.learned = learned or Learned()
        self._codes = self.learned.codes
        self._books = tuple((book, tuple(self._owners.get(code, "") for code in book.head.codes)) for book in books)
        self._prefixes = {prefix: operator.name for operator in operators for prefix in operator.prefixes}
        self._lengths = sorted({len(prefix) for prefix in self._prefixes}, reverse=True)

    def operator(self, to: str) -> str:
        """Name of the operator of an E.164 number with its plus; empty when nobody knows."""
        if self._codes:
            code = self._codes.get(to)
            if code is not None:
                return self._owners.get(code, "") if code else self._prefixes.get(self._prefix(to), "")
        if self._books:
            digits = int(to[1:])
            for book, names in self._books:
                at = book.find(digits)
                if at >= 0:
                    return names[at]
        return self._prefixes.get(self._prefix(to), "")

    def told(self, to: str) -> Told:
        """The same with what said so: one look-up more."""
        learned = self._codes.get(to)
        if learned:
            return Told(self._owners.get(learned, ""), True, learned, f"ported to {learned} (ENUM)")
        digits = int(to[1:])
        for book in self.books if learned is None else ():
            code = book.code(digits)
            if code:
                return Told(self._owners.get(code, ""), True, code, f"ported to {code} (book {book.label})")
        ported = False if self.books or learned is not None else None
        prefix = self._prefix(to)
        if prefix:
            by = "not ported (ENUM), " if learned is not None else ""
            return Told(self._prefixes[prefix], ported, "", f"{by}number plan, prefix {prefix}")
        return Told("", ported, "", "of no known operator")

    def _prefix(self, to: str) -> str:
        """The longest prefix of the number plan that it starts with; empty when there is none."""
        prefixes = self._prefixes
        for length in self._lengths:
            if to[1 : length + 1] in prefixes:
                return to[1 : length + 1]
        return ""

    def unnamed(self) -> list[str]:
        """Codes in the books that are no operator's name and no operator's code."""
        return sorted({code for book in self.books for code in book.head.codes if code not in self._owners})

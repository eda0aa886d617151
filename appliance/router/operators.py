"""HOT: whose a number is: by the books of ported numbers, else by the longest prefix of the number plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

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


class Numbers:
    """Immutable. `books` are asked first, in their order; a number that moved to an operator nobody names is no longer its old one's."""

    def __init__(self, operators: Iterable[Operator], books: Sequence[Book] = ()) -> None:
        operators = tuple(operators)
        self.names = tuple(operator.name for operator in operators)
        self._owners = {operator.name: operator.name for operator in operators}
        self._owners |= {code: operator.name for operator in operators for code in operator.codes}
        self.books = tuple(books)
        self._books = tuple((book, tuple(self._owners.get(code, "") for code in book.head.codes)) for book in books)
        self._prefixes = {prefix: operator.name for operator in operators for prefix in operator.prefixes}
        self._lengths = sorted({len(prefix) for prefix in self._prefixes}, reverse=True)

    def operator(self, to: str) -> str:
        """Name of the operator of an E.164 number with its plus; empty when nobody knows."""
        if self._books:
            digits = int(to[1:])
            for book, names in self._books:
                at = book.find(digits)
                if at >= 0:
                    return names[at]
        return self._prefixes.get(self._prefix(to), "")

    def told(self, to: str) -> Told:
        """The same with what said so: one look-up more."""
        digits = int(to[1:])
        for book in self.books:
            code = book.code(digits)
            if code:
                return Told(self._owners.get(code, ""), True, code, f"ported to {code} (book {book.label})")
        ported = False if self.books else None
        prefix = self._prefix(to)
        if prefix:
            return Told(self._prefixes[prefix], ported, "", f"number plan, prefix {prefix}")
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

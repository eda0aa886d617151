"""HOT: whose a number is: by the file of ported numbers, else by the longest prefix of the number plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from appliance.settings import Operator


class Ported(Protocol):
    """A book of ported numbers: the operator of one, empty when it is not in the book."""

    def operator(self, digits: int) -> str: ...


class Numbers:
    """Immutable. `books` are asked first, in their order."""

    def __init__(self, operators: Iterable[Operator], books: Sequence[Ported] = ()) -> None:
        operators = tuple(operators)
        self.names = tuple(operator.name for operator in operators)
        self._books = tuple(books)
        self._prefixes = {prefix: operator.name for operator in operators for prefix in operator.prefixes}
        self._lengths = sorted({len(prefix) for prefix in self._prefixes}, reverse=True)

    def told(self, to: str) -> tuple[str, bool | None]:
        """Operator, and whether the number was ported to it; None where there is no book of ported numbers."""
        return self.operator(to), any(book.operator(int(to[1:])) for book in self._books) if self._books else None

    def operator(self, to: str) -> str:
        """Name of the operator of an E.164 number with its plus; empty when nobody knows."""
        if self._books:
            digits = int(to[1:])
            for book in self._books:
                name = book.operator(digits)
                if name:
                    return name
        for length in self._lengths:
            found = self._prefixes.get(to[1 : length + 1])
            if found is not None:
                return found
        return ""

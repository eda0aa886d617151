"""Where in a JSON text each member stands: so that whoever wrote it is told the line. Pure.

Syntax: RFC 8259. The text is read by the standard library first, whose word on syntax counts; this walks over what is known to be right.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

Path = tuple[str | int, ...]
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)


class Syntax(ValueError):
    """What is no JSON, or has a member twice. `line` counts from 1."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


def read(text: str) -> tuple[Any, dict[Path, int]]:
    """What the text says, and the line of each member and item by its path. Raises Syntax."""
    try:
        said = json.loads(text, parse_constant=_refused)
    except json.JSONDecodeError as e:
        raise Syntax(e.lineno, f"no JSON: {e.msg}") from None
    except RecursionError:
        raise Syntax(1, "no JSON: too deep") from None
    except ValueError as e:
        raise Syntax(1, f"no JSON: {e}") from None
    try:
        return said, _Walk(text).lines
    except RecursionError:
        raise Syntax(1, "no JSON: too deep") from None


def line_of(lines: dict[Path, int], path: Path) -> int:
    """The line of a member, or of the nearest that is there around it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is no number")


class _Walk:
    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {(): 1}
        self._tokens: list[tuple[str, int]] = []
        line, at = 1, 0
        for found in _TOKEN.finditer(text):
            line += text.count("\n", at, found.start())
            at = found.start()
            self._tokens.append((found[0], line))
        self._at = 0
        self._value(())

    def _next(self) -> tuple[str, int]:
        self._at += 1
        return self._tokens[self._at - 1]

    def _value(self, path: Path) -> None:
        token, line = self._next()
        self.lines.setdefault(path, line)
        if token not in "{[":
            return
        close, n = {"{": "}", "[": "]"}[token], 0
        while self._tokens[self._at][0] != close:
            if self._tokens[self._at][0] == ",":
                self._at += 1
            if token == "{":
                name, at = self._next()
                inner = (*path, json.loads(name))
                if inner in self.lines:
                    raise Syntax(at, f"the member {name[:40]} is there twice")
                self.lines[inner] = at
                self._at += 1  # the colon
            else:
                inner = (*path, n)
                n += 1
            self._value(inner)
        self._at += 1

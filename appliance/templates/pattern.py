"""A message pattern read into a tree: the part of ICU MessageFormat that bank texts need. Pure.

Syntax: unicode-org.github.io/icu/userguide/format_parse/messages. `{name}`, `{name, number}`, `{name, number, integer|percent|currency}`,
`{name, date|time, short|medium|long|full}`, `{name, plural, offset:1 =0 {..} one {..} other {..}}`, `{name, selectordinal, ..}`,
`{name, select, key {..} other {..}}`; `#` inside a plural is its number; an apostrophe quotes as in ICU (`''` is one).
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

import msgspec

from appliance.errors import Error

DEPTH_MAX: Final = 8  # of plurals and selects within each other
PATTERN_CHARACTERS_MAX: Final = 8_000  # twice the longest message: branches are not all shown
BRANCHES_MAX: Final = 64
PLACES_MAX: Final = 32  # filled in on the longest way through a pattern: each costs some ten microseconds a message

#: type -> styles it may have; "" is without one.
STYLES: Final[dict[str, tuple[str, ...]]] = {
    "": ("",),
    "number": ("", "integer", "percent", "currency"),
    "date": ("", "short", "medium", "long", "full"),
    "time": ("", "short", "medium"),
}
CHOICES: Final = ("plural", "selectordinal", "select")
#: What a parameter has to be: by type and style of the places that use it.
STRING, NUMBER, MONEY, MOMENT = KINDS = ("string", "number", "money", "moment")

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")
_KEY: Final = re.compile(r"=[0-9]{1,9}|[A-Za-z_][A-Za-z0-9_]{0,31}")
_BLANK: Final = re.compile(r"[\s\u200e\u200f]*")
_OFFSET: Final = re.compile(r"offset:\s*([0-9]{1,4})")


class Argument(msgspec.Struct, frozen=True):
    """`{name, type, style}`."""

    name: str
    type: str = ""
    style: str = ""


class Number(msgspec.Struct, frozen=True):
    """`#`: the number of the plural around it, less its offset."""


class Choice(msgspec.Struct, frozen=True):
    """A plural, selectordinal or select with its branches."""

    name: str
    type: str
    offset: int
    branches: dict[str, tuple[Node, ...]]


Node = str | Argument | Number | Choice
Pattern = tuple[Node, ...]


def parse(text: str) -> Pattern:
    """Raises Error `template_invalid` saying where."""
    if len(text) > PATTERN_CHARACTERS_MAX:
        raise Error("template_invalid", f"a pattern has at most {PATTERN_CHARACTERS_MAX:,} characters")
    reader = _Reader(text)
    nodes = reader.nodes(0, plural=False)
    if reader.at < len(text):
        reader.wrong("there is a } too many")
    if _places(nodes) > PLACES_MAX:
        raise Error("template_invalid", f"a text has more than {PLACES_MAX} places to fill in", "make it two templates")
    return nodes


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def wrong(self, what: str) -> NoReturn:
        raise Error(
            "template_invalid", f"{what}, at character {self.at + 1}", "see the syntax of ICU MessageFormat", at=self.at
        )

    def nodes(self, depth: int, plural: bool) -> Pattern:
        """Up to the } that ends this level, or the end of the text."""
        if depth > DEPTH_MAX:
            self.wrong(f"choices stand more than {DEPTH_MAX} deep in each other")
        out: list[Node] = []
        literal: list[str] = []

        def flush() -> None:
            if literal:
                out.append("".join(literal))
                literal.clear()

        text = self.text
        while self.at < len(text):
            c = text[self.at]
            if c == "}":
                break
            if c == "'":
                literal.append(self._quoted(plural))
            elif c == "{":
                flush()
                out.append(self._argument(depth))
            elif c == "#" and plural:
                flush()
                out.append(Number())
                self.at += 1
            else:
                literal.append(c)
                self.at += 1
        flush()
        return tuple(out)

    def _quoted(self, plural: bool) -> str:
        """An apostrophe: doubled it is one; before a special character it quotes up to the next one; else it is itself."""
        text, begin = self.text, self.at
        following = text[begin + 1 : begin + 2]
        if following == "'":
            self.at += 2
            return "'"
        if not following or (following not in "{}|" and not (plural and following == "#")):
            self.at += 1
            return "'"
        out: list[str] = []
        at = begin + 1
        while True:
            end = text.find("'", at)
            if end < 0:
                self.wrong("an apostrophe quotes to the end of the text")
            out.append(text[at:end])
            if text[end + 1 : end + 2] != "'":
                break
            out.append("'")
            at = end + 2
        self.at = end + 1
        return "".join(out)

    def _blank(self) -> None:
        found = _BLANK.match(self.text, self.at)
        assert found is not None
        self.at = found.end()

    def _word(self, pattern: re.Pattern[str], what: str) -> str:
        self._blank()
        found = pattern.match(self.text, self.at)
        if found is None:
            self.wrong(f"{what} is expected")
        self.at = found.end()
        self._blank()
        return found[0]

    def _take(self, character: str) -> bool:
        if self.text[self.at : self.at + 1] == character:
            self.at += 1
            return True
        return False

    def _argument(self, depth: int) -> Node:
        self.at += 1
        name = self._word(_NAME, "the name of a parameter")
        if self._take("}"):
            return Argument(name)
        if not self._take(","):
            self.wrong("a comma or } is expected")
        type_ = self._word(_NAME, "a type")
        if type_ in CHOICES:
            return self._choice(name, type_, depth)
        if type_ not in STYLES or not type_:
            self.wrong(f"`{type_}` is no type; types are number, date, time, {', '.join(CHOICES)}")
        style = ""
        if self._take(","):
            style = self._word(_NAME, "a style")
        if style not in STYLES[type_]:
            self.wrong(f"`{style}` is no style of {type_}; styles are {', '.join(STYLES[type_][1:])}")
        if not self._take("}"):
            self.wrong("} is expected")
        return Argument(name, type_, style)

    def _choice(self, name: str, type_: str, depth: int) -> Choice:
        if not self._take(","):
            self.wrong("a comma and branches are expected")
        self._blank()
        offset = 0
        found = _OFFSET.match(self.text, self.at) if type_ == "plural" else None
        if found is not None:
            offset = int(found[1])
            self.at = found.end()
        branches: dict[str, Pattern] = {}
        while True:
            self._blank()
            if self._take("}"):
                break
            key = self._word(_KEY, "a branch such as other {...}")
            if key in branches:
                self.wrong(f"the branch {key} is there twice")
            if key.startswith("=") and type_ == "select":
                self.wrong("a select has words for its branches")
            if not self._take("{"):
                self.wrong(f"{{ is expected after {key}")
            branches[key] = self.nodes(depth + 1, plural=type_ != "select")
            if not self._take("}"):
                self.wrong(f"the branch {key} does not end")
            if len(branches) > BRANCHES_MAX:
                self.wrong(f"a choice has at most {BRANCHES_MAX} branches")
        if "other" not in branches:
            self.wrong(f"the {type_} of {name} has no branch `other`")
        return Choice(name, type_, offset, branches)


def _places(pattern: Pattern) -> int:
    """How many values and choices there are on the way that has most of them."""
    count = 0
    for node in pattern:
        if isinstance(node, Choice):
            count += 1 + max(_places(branch) for branch in node.branches.values())
        elif not isinstance(node, str):
            count += 1
    return count


def parameters(pattern: Pattern) -> dict[str, str]:
    """Name -> one of KINDS. Raises Error `template_invalid` when one name is used as two kinds."""
    out: dict[str, str] = {}
    _gather(pattern, out)
    return out


def always(pattern: Pattern) -> frozenset[str]:
    """Parameters that the text shows whatever their values are: those outside of every choice."""
    return frozenset(node.name for node in pattern if isinstance(node, Argument))


def _gather(pattern: Pattern, out: dict[str, str]) -> None:
    for node in pattern:
        if isinstance(node, Argument):
            _use(out, node.name, _kind(node))
        elif isinstance(node, Choice):
            _use(out, node.name, STRING if node.type == "select" else NUMBER)
            for branch in node.branches.values():
                _gather(branch, out)


def _kind(node: Argument) -> str:
    if node.type == "number":
        return MONEY if node.style == "currency" else NUMBER
    return MOMENT if node.type in ("date", "time") else STRING


def _use(out: dict[str, str], name: str, kind: str) -> None:
    before = out.setdefault(name, kind)
    if before != kind:
        raise Error("template_invalid", f"the parameter {name} is used as {before} and as {kind}")


def choices(pattern: Pattern) -> list[Choice]:
    """Every plural, selectordinal and select, outer ones first."""
    out: list[Choice] = []
    for node in pattern:
        if isinstance(node, Choice):
            out.append(node)
            for branch in node.branches.values():
                out += choices(branch)
    return out

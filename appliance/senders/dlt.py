"""India's DLT templates: whether a text is one that is registered for its header, and which is the nearest, before an operator's scrubbing finds that it is not.

A template is written as on the DLT platforms: fixed text, and for each variable `{#var#}` or one of the six tags of TRAI's Direction of 18 November 2025
(TCCCPR 2018): `{#numeric#}`, `{#alphanumeric#}`, `{#url#}`, `{#urlott#}`, `{#cbn#}`, `{#email#}`. Everything else counts, capitals, blanks and full stops
too. Pure, and as long as the text: no text makes it slow.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from appliance.errors import Error

VARIABLE_CHARACTERS: Final = 30  # of one `{#var#}`, as most platforms have it; some take 40: `senders.dlt_variable`
TAGGED_CHARACTERS: Final = (
    40  # of one that is tagged (https://msg91.com/help/dlt-registration-in-india/variable-tagging-on-dlt-sms-templates)
)
SHOWN_CHARACTERS: Final = 40  # of a template's fixed text, in a hint
_VARIABLE: Final = re.compile(r"\{#([A-Za-z]{1,16})#\}")
_WORD: Final = re.compile(r"\w+")


def _anything(_: str) -> bool:
    return True


def _digits(value: str) -> bool:
    return not value or (value.isascii() and value.isdigit())


def _unbroken(value: str) -> bool:
    return not any(c.isspace() for c in value)


def _callable(value: str) -> bool:
    return all(c in "+0123456789 -" for c in value)


#: Tag -> what its value may be: its form only, for the operator holds links, addresses and numbers against its own lists. What a value may be,
#: the end of it may be too (`Template.miss` relies on it).
TAGS: Final[dict[str, Callable[[str], bool]]] = {
    "numeric": _digits, "number": _digits, "alphanumeric": _anything, "url": _unbroken, "urlott": _unbroken, "cbn": _callable, "email": _unbroken,
}  # fmt: skip


class Gap(NamedTuple):
    """One variable, or several that stand together, which are one of their lengths' sum."""

    tag: str
    most: int

    def takes(self, value: str) -> bool:
        return len(value) <= self.most and TAGS.get(self.tag, _anything)(value)


class Miss(NamedTuple):
    """Where a text leaves a template: at the fixed text, or in the variable before it, of this number (from 1)."""

    fixed: str
    variable: int = 0


class Template:
    """One template: fixed texts and the gaps between them."""

    def __init__(self, text: str, variable: int = VARIABLE_CHARACTERS) -> None:
        text = _lines(text)
        self.fixed: list[str] = [""]
        self.gaps: list[Gap] = []
        at = 0
        for found in _VARIABLE.finditer(text):
            between, at_end = text[at : found.start()], found.end()
            tag = found[1].lower()
            most = TAGGED_CHARACTERS if tag in TAGS else variable
            self.fixed[-1] += between
            if self.gaps and not self.fixed[-1]:
                last = self.gaps[-1]
                self.gaps[-1] = Gap(last.tag if last.tag == tag else "var", last.most + most)
            else:
                self.gaps.append(Gap(tag, most))
                self.fixed.append("")
            at = at_end
        self.fixed[-1] += text[at:]
        self.words = Counter(_WORD.findall(" ".join(self.fixed).casefold()))

    def miss(self, text: str) -> Miss | None:
        """None when the text is made by this template; else where it is not."""
        first, *rest = self.fixed
        if not text.startswith(first) or (not rest and text != first):
            return Miss(first)  # it says something else, or more
        ends = [len(first)]  # where the text may go on, in order
        for n, (gap, fixed) in enumerate(zip(self.gaps, rest, strict=True), 1):
            last = n == len(self.gaps)
            starts = _starts(text, fixed, ends[0], ends[-1] + gap.most, last)
            # The nearest place before is the best: what lies between is then shortest, and the end of what else would lie there.
            taken = [at for at in starts if gap.takes(text[ends[bisect_right(ends, at) - 1] : at])]
            if not taken:
                return Miss(fixed, n if starts else 0)
            ends = [at + len(fixed) for at in taken]
        return None


def _starts(text: str, fixed: str, least: int, most: int, last: bool) -> list[int]:
    """Places at which a fixed text begins; the last one ends the text."""
    if last:
        at = len(text) - len(fixed)
        return [at] if at >= least and text.endswith(fixed) else []
    out, at = [], text.find(fixed, least)
    while at != -1 and at <= most:
        out.append(at)
        at = text.find(fixed, at + 1)
    return out or ([at] if at != -1 else [])


class Templates:
    """The templates of one header, by id. `variable`: characters of one `{#var#}`."""

    def __init__(self, texts: Mapping[str, str], variable: int = VARIABLE_CHARACTERS) -> None:
        self._rows = {number: Template(text, variable) for number, text in texts.items()}

    def match(self, text: str) -> str:
        """Id of the first template that a text is made by; empty when it is made by none."""
        text = _lines(text)
        return next((number for number, template in self._rows.items() if template.miss(text) is None), "")

    def nearest(self, text: str) -> tuple[str, str]:
        """Id of the template that shares most of its words with a text that is none, and where the text leaves it."""
        text = _lines(text)
        words = Counter(_WORD.findall(text.casefold()))

        def shared(number: str) -> float:
            own = self._rows[number].words
            return 2 * (own & words).total() / max(1, own.total() + words.total())

        number = max(self._rows, key=shared)
        miss = self._rows[number].miss(text)
        assert miss is not None
        fixed = miss.fixed if len(miss.fixed) <= SHOWN_CHARACTERS else miss.fixed[:SHOWN_CHARACTERS] + "..."
        if miss.variable:
            gap = self._rows[number].gaps[miss.variable - 1]
            return number, f"its variable {miss.variable} takes up to {gap.most} characters of the kind `{gap.tag}`"
        return number, f"the text leaves it at `{fixed}`"


def check_templates(texts: Mapping[str, str]) -> None:
    """Raises Error `invalid` for what cannot be a template."""
    for number, text in texts.items():
        fixed = _VARIABLE.sub("", text)
        if "{#" in fixed or "#}" in fixed:
            raise Error(
                "invalid",
                f"template {number}: a variable is written {{#var#}}, or {{#numeric#}} and the like",
                "",
                field="templates",
            )
        if not fixed.strip():
            raise Error("invalid", f"template {number} has no fixed text", "any text would be it", field="templates")


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")

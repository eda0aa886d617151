"""India's DLT templates: whether a text is one that is registered for its header, before an operator's scrubbing finds that it is not.

A template is written as on the DLT platforms: fixed text, and for each variable `{#var#}` (or another word between the signs), of
30 characters at most. Everything else counts, capitals, blanks and full stops too. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import regex

from appliance.errors import Error

VARIABLE_CHARACTERS_MAX: Final = 30  # TRAI: of one variable
MATCH_S_MAX: Final = 0.05  # of one template; one that needs longer for a text is none of its
_VARIABLE: Final = regex.compile(r"\{#[A-Za-z]{1,16}#\}")
_VARIABLES: Final = regex.compile(r"(?:\{#[A-Za-z]{1,16}#\})+")


class Templates:
    """The templates of one header, by id."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._rows = [(number, _before(text), _pattern(text)) for number, text in texts.items()]

    def match(self, text: str) -> str:
        """Id of the first template that a text is made by; empty when it is made by none."""
        text = text.replace("\r\n", "\n")
        for number, before, pattern in self._rows:
            if text.startswith(before):
                try:
                    if pattern.fullmatch(text, timeout=MATCH_S_MAX):
                        return number
                except TimeoutError:
                    continue
        return ""


def check_templates(texts: Mapping[str, str]) -> None:
    """Raises Error `invalid` for what cannot be a template."""
    for number, text in texts.items():
        fixed = _VARIABLE.sub("", text)
        if "{#" in fixed or "#}" in fixed:
            raise Error("invalid", f"template {number}: a variable is written {{#var#}}", "", field="templates")
        if not fixed.strip():
            raise Error("invalid", f"template {number} has no fixed text", "any text would be it", field="templates")


def _before(text: str) -> str:
    """The fixed text that it begins with."""
    return _VARIABLE.split(text.replace("\r\n", "\n"), 1)[0]


def _pattern(text: str) -> regex.Pattern[str]:
    out = []
    at = 0
    text = text.replace("\r\n", "\n")
    for found in _VARIABLES.finditer(text):
        count = len(_VARIABLE.findall(found[0]))
        out += [regex.escape(text[at : found.start()]), f".{{0,{VARIABLE_CHARACTERS_MAX * count}}}"]
        at = found.end()
    return regex.compile("".join([*out, regex.escape(text[at:])]), regex.S)

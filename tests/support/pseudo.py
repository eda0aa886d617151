"""A language for tests: every text of the console in letters that run from right to left, and longer by half. Nobody speaks it and it is not shipped."""

from __future__ import annotations

import re
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from appliance.console.catalogues import texts
from appliance.console.saying import SAID

LETTERS = str.maketrans(
    "abcdefghijklmnopqrstuvwxyz",
    "\u0627\u0628\u062a\u062f\u064a\u0641\u0642\u062d\u0639\u062c\u0643\u0644\u0645\u0646\u0648\u0629\u0637\u0631\u0633\u0635\u0636\u0638\u062b\u062e\u0630\u0632",
)
KEPT = re.compile(r"(%\(\w+\)s|\{\d\}|%%|<[^>]*>)")


def turned(text: str) -> str:
    """Every word in other letters, each longer by half; placeholders and markup as they are."""
    out = []
    for n, part in enumerate(KEPT.split(text)):
        out.append(part if n % 2 else re.sub(r"[A-Za-z]+", lambda w: longer(w[0].lower().translate(LETTERS)), part))
    return "".join(out)


def longer(word: str) -> str:
    return word + word[: max(1, len(word) // 2)]


def written(path: Path, tag: str) -> None:
    catalogue = Catalog(locale=tag)
    for each in texts():
        if each.context == SAID:
            continue
        said = turned(each.text)
        many = (turned(each.more),) * catalogue.num_plurals if each.more else said
        catalogue.add((each.text, each.more) if each.more else each.text, many, context=each.context)
    with path.open("wb") as file:
        write_po(file, catalogue)

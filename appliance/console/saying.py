"""What other rooms and processes say in English, for a reader of another language: errors with their hints, states' reasons, explanations.

Their texts are a contract with programs and logs, so they come as they are and are known again here: word by word, or by the sentence they fill in. What
the catalogues do not know is shown as it came, marked as English, so that a screen reader speaks it as English.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from markupsafe import Markup, escape

from appliance.errors import Error

from .languages import SOURCE, catalogue, chosen, read

#: Context in the catalogues of what others say; `{1}` in it is what they filled in.
SAID: Final = "said"
_PLACE: Final = re.compile(r"\{(\d)\}")


@functools.cache
def _sentences(tag: str) -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]:
    """Texts known as they are, and those that are filled in: the longest fixed part first, so that a narrow one wins."""
    whole, filled = {}, []
    for message in read(tag):
        if message.context != SAID or not message.string or message.fuzzy:
            continue
        text, said = str(message.id), str(message.string)
        parts = _PLACE.split(text)
        if len(parts) == 1:
            whole[text] = said
            continue
        pattern = "".join(f"(?P<v{part}>.+?)" if n % 2 else re.escape(part) for n, part in enumerate(parts))
        filled.append((len(_PLACE.sub("", text)), re.compile(pattern, re.S), said))
    filled.sort(key=lambda each: -each[0])
    return whole, [(pattern, said) for _, pattern, said in filled]


@functools.lru_cache(2_048)  # a page of settings has hundreds that no catalogue knows
def translated(text: str, tag: str) -> str | None:
    """None when the catalogue does not know it."""
    whole, filled = _sentences(tag)
    if text in whole:
        return whole[text]
    for pattern, said in filled:
        if found := pattern.fullmatch(text):
            # What is filled in may be such a sentence, or a word of a table, itself.
            values = {name: translated(value, tag) or value for name, value in found.groupdict().items()}
            return _PLACE.sub(lambda place, values=values: values[f"v{place[1]}"], said)  # type: ignore[misc]
    known = catalogue(tag).gettext(text)
    return known if known != text else None


def told(text: object) -> Markup:
    """For a template: in the language of this request, else marked as English."""
    if isinstance(text, Markup):
        return text  # said in the person's language already
    english, tag = str(text), chosen()
    if tag == SOURCE or not re.search("[A-Za-z]{2}", english):
        return escape(english)
    known = translated(english, tag)
    return escape(known) if known is not None else Markup('<span lang="en" dir="ltr">{}</span>').format(english)


def sentence(text: object) -> Markup:
    """With a capital and a full stop."""
    english = str(text).replace("`", "")
    if not english:
        return Markup("")
    tag = chosen()
    known = None if tag == SOURCE else translated(english, tag)
    said = known if known is not None else english
    said = said[:1].upper() + said[1:] + ("" if said.endswith((".", "?", "!")) else ".")
    foreign = tag != SOURCE and known is None
    return Markup('<span lang="en" dir="ltr">{}</span>').format(said) if foreign else escape(said)


def said(error: Error) -> Markup:
    """An error for a notice: what is wrong, and what the person can do next."""
    parts = [sentence(error.message), sentence(error.hint)]
    return Markup(" ").join(part for part in parts if part)

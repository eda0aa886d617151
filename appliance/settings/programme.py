"""Settings of a programme: messages of one purpose that a customer can end with one word; and what makes a row of them right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from appliance.errors import Error
from appliance.message import CLASSES

from .route import NAME, SENDER_CHARACTERS_MAX
from .rows import Setting

REPLY_CHARACTERS_MAX: Final = 459  # three segments of the GSM alphabet; a confirmation is one message
WORD_CHARACTERS_MAX: Final = 40
_BY_LANGUAGE: Final = 'by language of the word: { en = "...", it = "..." }; other languages get the first'

PROGRAMME_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("name", "str", None, "what people call it; refusals name it"),
    Setting("classes", "strs", ["bulk"], f"messages of these classes belong to it ({', '.join(CLASSES)})"),
    Setting("senders", "strs", [], "only messages from these senders; empty: from any"),
    Setting("recipients", "strs", [], "numbers and short codes to which customers answer; empty: to any"),
    Setting("keywords_stop", "strs", [], "words that end it, beside those of the lists"),
    Setting("keywords_start", "strs", [], "words that begin it again"),
    Setting("keywords_help", "strs", [], "words that ask for help"),
    Setting(
        "confirmation", "words", {}, f"the one answer to a word that ends it, {_BY_LANGUAGE}; empty: plain English"
    ),
    Setting("welcome", "words", {}, "the answer to a word that begins it again, the same way"),
    Setting("help", "words", {}, "the answer to a word that asks for help, the same way"),
)


@dataclass(frozen=True)
class Programme:
    """One row of PROGRAMME_SETTINGS."""

    name: str
    classes: tuple[str, ...] = ("bulk",)
    senders: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    keywords_stop: tuple[str, ...] = ()
    keywords_start: tuple[str, ...] = ()
    keywords_help: tuple[str, ...] = ()
    confirmation: dict[str, str] = field(default_factory=dict)
    welcome: dict[str, str] = field(default_factory=dict)
    help: dict[str, str] = field(default_factory=dict)


#: What there is without any row: a STOP ends bulk messages.
MARKETING: Final = Programme("marketing")


def programmes_of(rows: list[dict[str, Any]], source: str) -> tuple[Programme, ...]:
    """Programmes from rows whose types are checked, the default one for none. Raises Error `settings_invalid`."""
    out: list[Programme] = []
    for n, row in enumerate(rows, 1):
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
        programme = Programme(**fields)
        where = f"{source}: programme {n}"
        if not NAME.fullmatch(programme.name):
            raise Error("settings_invalid", f"{where}: name {programme.name!r}", "1 to 48 letters, digits and ._-")
        if programme.name in {each.name for each in out}:
            raise Error("settings_invalid", f"{where}: two programmes have the same name {programme.name!r}")
        _check(programme, f"{where} ({programme.name})")
        out.append(programme)
    return tuple(out) or (MARKETING,)


def _check(programme: Programme, where: str) -> None:
    for name in programme.classes:
        if name not in CLASSES:
            raise Error("settings_invalid", f"{where}: unknown class {name!r}", f"classes: {', '.join(CLASSES)}")
    if not programme.classes:
        raise Error("settings_invalid", f"{where}: no message belongs to it", "name at least one class")
    for sender in (*programme.senders, *programme.recipients):
        if not (0 < len(sender) <= SENDER_CHARACTERS_MAX + 1 and sender.isascii() and sender.isprintable()):
            raise Error("settings_invalid", f"{where}: names a sender of {len(sender)} characters that none can have")
    for word in (*programme.keywords_stop, *programme.keywords_start, *programme.keywords_help):
        if not 0 < len(word) <= WORD_CHARACTERS_MAX or not any(c.isalnum() for c in word):
            raise Error("settings_invalid", f"{where}: a keyword without a letter, or a sentence", "one word, or two")
    for texts in (programme.confirmation, programme.welcome, programme.help):
        if any(not 0 < len(text) <= REPLY_CHARACTERS_MAX for text in texts.values()):
            raise Error("settings_invalid", f"{where}: an answer is empty or too long", "at most three segments")

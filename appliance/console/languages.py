"""In which language a person reads the console, and how that language writes times, numbers and durations.

Chosen by the person (kept with the account; before a session in a cookie), else what the browser asks for, else `console.language`. English is what the sources are written in; the others are
catalogues in `languages/`, read as they are: nothing is compiled beforehand. What programs read (ids, exports, logs, audit entries) never passes here.
"""

from __future__ import annotations

import functools
import gettext
import io
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from babel import Locale
from babel.dates import format_date, format_time, format_timedelta
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from flask import Flask, Response, g, has_request_context, request
from markupsafe import Markup, escape

from appliance.clock import DAY_MS

from . import guard
from .desk import desk

#: Tag -> how CLDR names it: `en` is written as in Great Britain, with the day before the month and hours to 24.
LANGUAGES: Final[dict[str, str]] = {"en": "en_GB", "it": "it", "de": "de", "fr": "fr", "es": "es"}
SOURCE: Final = "en"
CATALOGUES: Final = Path(__file__).parent / "languages"
COOKIE: Final = "language"
COOKIE_S: Final = 365 * 86_400


@functools.cache
def locale_of(tag: str) -> Locale:
    return Locale.parse(LANGUAGES[tag])


@functools.cache
def read(tag: str) -> Catalog:
    """One language's catalogue as it is written; empty for the source's."""
    if tag == SOURCE:
        return Catalog(locale=tag)
    with (CATALOGUES / f"{tag}.po").open("rb") as file:
        return read_po(file, locale=tag, abort_invalid=True)


@functools.cache
def catalogue(tag: str) -> gettext.NullTranslations:
    """Of one language, made when the first page is shown in it. What has no translation stays English."""
    if tag == SOURCE:
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, read(tag))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def chosen() -> str:
    """The tag of this request's language; the source's outside one."""
    if not has_request_context():
        return SOURCE
    tag: str | None = g.get("language")
    if tag is None:
        person = g.get("person")
        kept = (person.language if person is not None else "") or guard.cookie(COOKIE)
        # `de-CH` is read as German by who asks for it before English, where werkzeug's best_match would take the exact one.
        wanted = (each.partition("-")[0].lower() for each in request.accept_languages.values())
        asked = next((each for each in wanted if each in LANGUAGES), str(desk().settings["console.language"]))
        tag = g.language = kept if kept in LANGUAGES else asked
    return tag


def direction() -> str:
    """`ltr` or `rtl`."""
    return str(locale_of(chosen()).text_direction)


def own_names() -> dict[str, str]:
    """Tag -> what speakers of the language call it."""
    return {tag: str(locale_of(tag).language_name).capitalize() for tag in LANGUAGES}


# --- texts ------------------------------------------------------------------------------------------------


def N_(text: str) -> str:  # gettext's own name for it
    """Marks a text of a table, which is translated where it is shown."""
    return text


@functools.lru_cache(8_192)
def _known(tag: str, text: str) -> str:
    return catalogue(tag).gettext(text)


@functools.lru_cache(8_192)
def _plain(tag: str, text: str) -> Markup:
    """A text without values, which a page has a hundred of."""
    return Markup(_known(tag, text).replace("%%", "%"))


def _filled(text: str, values: dict[str, Any]) -> Markup:
    """As Jinja's gettext: a format, in which a per cent sign is written twice; values are escaped, markup in catalogues is not."""
    if direction() == "rtl":
        values = {k: Markup("\u2068{}\u2069").format(v) if isinstance(v, str) else v for k, v in values.items()}
    return Markup(text % {k: escape(v) for k, v in values.items()})


def say(text: str, /, **values: Any) -> Markup:
    """`text` in the language of this request, `%(name)s` in it filled in."""
    return _filled(_known(chosen(), text), values) if values else _plain(chosen(), text)


def ngettext(one: str, more: str, number: int, /, **values: Any) -> Markup:
    """By the language's rule for `number`, which is filled in as `%(n)s`, written as the language does."""
    return _filled(catalogue(chosen()).ngettext(one, more, number), {"n": count(number), **values})


@functools.lru_cache(4_096)
def termed(tag: str, kind: str, word: str) -> str:
    """A word of `terms.py`; its kind is the context of its translation."""
    return catalogue(tag).pgettext(kind, word)


# --- times, numbers, durations ----------------------------------------------------------------------------


def moment(at_ms: int | None, milliseconds: bool = False) -> str:
    """`22 Nov 2026, 18:30:07` in UTC, a dash for never."""
    if not at_ms:
        return "–"
    tag = chosen()
    together, clock = _patterns(tag)
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    if milliseconds:
        said = format_time(at, clock.replace("ss", "ss.SSS"), locale=locale_of(tag))
    else:
        said = format_time(at, clock, locale=locale_of(tag))
    return together.format(said, _day(tag, at_ms // DAY_MS))


@functools.cache
def _patterns(tag: str) -> tuple[str, str]:
    """Of CLDR: how a time and a day stand together, and a time with seconds."""
    locale = locale_of(tag)
    return str(locale.datetime_formats["medium"]), str(locale.time_formats["medium"].pattern)


@functools.lru_cache(1_024)
def _day(tag: str, day: int) -> str:
    return format_date(datetime.fromtimestamp(day * 86_400, UTC), "medium", locale=locale_of(tag))


def day(at_ms: int | None) -> str:
    """`22 Nov 2026`, of UTC; a dash for never."""
    return _day(chosen(), at_ms // DAY_MS) if at_ms else "–"


def count(number: Any) -> str:
    """`1,234,567`; a dash for what is not known."""
    if not isinstance(number, int | float):
        return "–"
    return format_decimal(round(number), locale=locale_of(chosen()))


def decimal(number: float, digits: int) -> str:
    """With so many digits behind the point, or the comma."""
    return format_decimal(number, f"#,##0.{'0' * digits}", locale=locale_of(chosen()))


def percent(part: float, digits: int = 0) -> str:
    """A share of 1, with so many digits."""
    locale = locale_of(chosen())
    pattern = str(locale.percent_formats[None].pattern)
    return format_percent(part, pattern.replace("#,##0", f"#,##0.{'0' * digits}") if digits else None, locale=locale)


def written(text: str, zone: bool = True) -> Markup:
    """A time as the audit log has it, which stays as it is: `2026-11-22 18:30:07.123 UTC`."""
    return escape(text.replace("T", " ").replace("Z", " UTC" if zone else ""))


def span(ms: int | None) -> str:
    """`3 days 4 hrs`, `5 mins`, `12 secs`."""
    if ms is None or ms < 0:
        return "–"
    seconds = ms // 1000
    for size, unit, smaller, below in ((86_400, "day", 3_600, "hour"), (3_600, "hour", 60, "minute")):
        if seconds >= size:
            return f"{_part(seconds // size * size, unit)} {_part(seconds % size // smaller * smaller, below)}"
    return _part(seconds, "minute" if seconds >= 60 else "second")


def _part(seconds: int, unit: Any) -> str:
    """Whole units. Not `format_unit`, which takes the long form where CLDR has no short one for a single one (`1 horas`)."""
    whole = timedelta(seconds=seconds // 60 * 60 if unit == "minute" else seconds)
    return format_timedelta(whole, granularity=unit, threshold=math.inf, format="short", locale=locale_of(chosen()))


def _tell(response: Response) -> Response:
    if response.mimetype == "text/html":
        response.headers["Content-Language"] = chosen()
    return response


def install(app: Flask) -> None:
    app.after_request(_tell)
    env = app.jinja_env
    env.globals |= {"_": say, "ngettext": ngettext, "language": chosen, "direction": direction, "own_names": own_names}
    env.filters |= {"moment": moment, "day": day, "count": count, "percent": percent, "span": span, "written": written}

"""A template: one text in several languages with the same parameters; checked when it is saved, rendered when it is sent. Pure."""

from __future__ import annotations

import re
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from babel import Locale

from appliance.errors import Error

from .codes import check_code
from .pattern import Pattern, always, choices, parameters, parse
from .rendering import categories, locale_of, render, values_of

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
LOCALES_MAX: Final = 200
CHARACTERS_MAX: Final = 200_000  # of all texts of one template: a thousand in each of its locales; all are in memory


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """What a template says, as it is saved: `texts` by BCP 47 tag; `locale` is the one for everybody whose own is not there."""

    texts: dict[str, str]
    locale: str
    zone: str = "UTC"  # of dates and times


class Template:
    """One saved template, compiled. Immutable."""

    def __init__(self, name: str, version: int, body: Body) -> None:
        """Raises Error `template_invalid` whose detail names the locale; nothing that passes here fails for its parameters later."""
        if not NAME.fullmatch(name):
            raise Error("template_invalid", "a name is 1 to 64 small letters, digits, dots, dashes or underscores")
        if body.locale not in body.texts:
            raise Error("template_invalid", f"there is no text for its own locale {body.locale!r}"[:200])
        if len(body.texts) > LOCALES_MAX:
            raise Error("template_invalid", f"a template has at most {LOCALES_MAX} texts")
        if sum(map(len, body.texts.values())) > CHARACTERS_MAX:
            raise Error("template_invalid", f"the texts of a template have at most {CHARACTERS_MAX:,} characters")
        try:
            self._zone = ZoneInfo(body.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise Error("template_invalid", "there is no time zone of this name", "such as Europe/Rome") from None
        self.name = name
        self.version = version
        self.body = body
        self._texts: dict[str, tuple[Pattern, Locale]] = {}
        for tag, text in body.texts.items():
            try:
                pattern, locale = parse(text), locale_of(tag)
                _check_categories(pattern, locale)
                self._texts[tag.lower()] = (pattern, locale)
                if tag == body.locale:
                    self.kinds = parameters(pattern)
            except Error as e:
                raise Error(e.code, f"{tag[:32]}: {e.message}", e.hint, locale=tag[:32], **e.detail) from None
        for tag in body.texts:
            self._check_parameters(tag)
        check_code(name, self.kinds, {tag: always(pattern) for tag, (pattern, _) in self._texts.items()})

    def _check_parameters(self, tag: str) -> None:
        kinds = parameters(self._texts[tag.lower()][0])
        if kinds == self.kinds:
            return
        missing = sorted(self.kinds.keys() - kinds.keys())
        if missing:
            what = f"the parameter {missing[0]} is missing"
        else:
            other = sorted(n for n, kind in kinds.items() if self.kinds.get(n) != kind)[0]
            what = f"the parameter {other} is not the same as in {self.body.locale}"
        raise Error(
            "template_invalid", f"{tag[:32]}: {what}", "every language has the same parameters", locale=tag[:32]
        )

    def text(self, given: dict[str, Any] | None, locale: str | None) -> str:
        """The text for somebody of a locale: that very one, its language, or the template's own. Raises Error `params_invalid`."""
        pattern, found = self._texts[self.chosen(locale)]
        return render(pattern, found, values_of(self.kinds, given or {}), self._zone)

    def chosen(self, locale: str | None) -> str:
        """The tag, in small letters, of the text that a locale gets."""
        tag = (locale or "").lower().replace("_", "-")
        while tag:
            if tag in self._texts:
                return tag
            tag, _, _ = tag.rpartition("-")
        return self.body.locale.lower()

    @property
    def locales(self) -> list[str]:
        return list(self.body.texts)


def _check_categories(pattern: Pattern, locale: Locale) -> None:
    """Every plural has a branch for each category that the locale's whole numbers need."""
    for choice in choices(pattern):
        if choice.type == "select":
            continue
        missing = sorted(categories(locale, choice.type) - choice.branches.keys())
        if missing:
            said = ", ".join(sorted(categories(locale, choice.type)))
            raise Error(
                "template_invalid",
                f"the {choice.type} of {choice.name} has no branch `{missing[0]}`",
                f"this locale needs {said}",
            )

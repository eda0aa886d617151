"""A pattern with its parameters as a text, by the rules of a locale (CLDR through Babel). Pure: the time zone is given."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal, format_percent, get_currency_precision

from appliance.errors import Error

from .pattern import MOMENT, MONEY, NUMBER, Argument, Choice, Pattern

_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,8})?")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BLANKS: Final = str.maketrans(dict.fromkeys("\u00a0\u202f\u2007\u2009", " "))
STRING_CHARACTERS_MAX: Final = 1_000
REMEMBERED: Final = 4_096  # of each: some hundred kilobytes
WHOLE_MAX: Final = 10**15  # as many digits as a decimal string may have
YEARS: Final = range(2, 9_999)  # in every time zone; a calendar of Python's ends at 1 and 9999
CURRENCIES: Final = frozenset(get_global("all_currencies"))


def decimals_of(currency: str) -> int:
    """Decimals that amounts of a currency of ISO 4217 have."""
    return int(get_currency_precision(currency))


Values = dict[str, Any]  # by name: str, Decimal, (Decimal, currency), date or datetime


def locale_of(tag: str) -> Locale:
    """A locale that CLDR has data for, by its BCP 47 tag. Raises Error `template_invalid`."""
    try:
        return Locale.parse(tag, sep="-")
    except (ValueError, UnknownLocaleError):
        raise Error(
            "template_invalid", "there is no locale of this name", "a BCP 47 tag such as it, de-AT, zh-Hant"
        ) from None


def values_of(kinds: dict[str, str], given: dict[str, Any]) -> Values:
    """What a caller gave, checked against what the template needs. Raises Error `params_invalid` naming the parameter."""
    unknown = sorted(given.keys() - kinds.keys())
    if unknown:
        raise _wrong(unknown[0], "is not one of this template's parameters")
    out: Values = {}
    for name, kind in kinds.items():
        if name not in given:
            raise _wrong(name, "is missing")
        out[name] = _value(name, kind, given[name])
    return out


def _value(name: str, kind: str, value: Any) -> Any:
    if kind == NUMBER:
        return _number(name, value)
    if kind == MONEY:
        if not isinstance(value, dict) or value.keys() != {"amount", "currency"}:
            raise _wrong(name, 'is money: {"amount": "12.50", "currency": "EUR"}')
        if not isinstance(value["currency"], str) or value["currency"] not in CURRENCIES:
            raise _wrong(name, "has no currency of ISO 4217")
        amount = _number(name, value["amount"])
        if -amount.as_tuple().exponent > get_currency_precision(value["currency"]):  # type: ignore[operator]
            raise _wrong(name, "has more decimals than its currency")
        return amount, value["currency"]
    if kind == MOMENT:
        return _moment(name, value)
    if not isinstance(value, str) or len(value) > STRING_CHARACTERS_MAX:
        raise _wrong(name, f"is a string of at most {STRING_CHARACTERS_MAX:,} characters")
    return value


def _number(name: str, value: Any) -> Decimal:
    """A whole JSON number or a decimal string: a binary fraction is not an amount."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < WHOLE_MAX else ""
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise _wrong(name, 'is a whole number, or a decimal string such as "12.50"')
    try:
        return Decimal(value)
    except InvalidOperation:
        raise _wrong(name, "is no number") from None


def _moment(name: str, value: Any) -> date | datetime:
    said = "is a date such as 2026-11-22, or a time with its offset such as 2026-11-22T18:30:00Z (RFC 3339)"
    if not isinstance(value, str) or len(value) > 40:
        raise _wrong(name, said)
    try:
        if _DAY.fullmatch(value):
            day = date.fromisoformat(value)
            if day.year in YEARS:
                return day
        else:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is not None and moment.year in YEARS:
                return moment
    except ValueError:
        pass
    raise _wrong(name, said)


def _wrong(name: str, what: str) -> Error:
    return Error(
        "params_invalid", f"the parameter {name} {what}", "GET /v1/templates/NAME lists what it needs", field="params"
    )


def render(pattern: Pattern, locale: Locale, values: Values, zone: ZoneInfo) -> str:
    """The text. `values` have passed `values_of` for this pattern's parameters.

    Raises Error `params_invalid` for a date without a time where a time is shown.
    """
    # CLDR puts no-break spaces into numbers and times; no SMS alphabet has them, and one would double what a text costs.
    return _render(pattern, locale, values, zone, None).translate(_BLANKS)


def _render(pattern: Pattern, locale: Locale, values: Values, zone: ZoneInfo, number: Decimal | None) -> str:
    out: list[str] = []
    for node in pattern:
        if isinstance(node, str):
            out.append(node)
        elif isinstance(node, Argument):
            out.append(_argument(node, locale, values[node.name], zone))
        elif isinstance(node, Choice):
            out.append(_choice(node, locale, values, zone, number))
        else:
            assert number is not None
            out.append(_decimal(number, locale))
    return "".join(out)


def _argument(node: Argument, locale: Locale, value: Any, zone: ZoneInfo) -> str:
    if node.type == "number":
        if node.style == "currency":
            return format_currency(value[0], value[1], locale=locale)
        if node.style == "percent":
            return format_percent(value, locale=locale)
        if node.style == "integer":
            return format_decimal(value.to_integral_value(), locale=locale)
        return format_decimal(value, locale=locale, decimal_quantization=False)
    if node.type == "date":
        day = value.astimezone(zone).date() if isinstance(value, datetime) else value
        return _day(day, node.style or "medium", locale)
    if node.type == "time":
        if not isinstance(value, datetime):
            raise _wrong(node.name, "is a time with its offset such as 2026-11-22T18:30:00Z (RFC 3339)")
        return format_time(value, node.style or "short", tzinfo=zone, locale=locale)
    return str(value)


def _choice(node: Choice, locale: Locale, values: Values, zone: ZoneInfo, number: Decimal | None) -> str:
    value = values[node.name]
    if node.type == "select":
        branch = node.branches.get(value, node.branches["other"])
        return _render(branch, locale, values, zone, number)
    exact = node.branches.get(f"={value.normalize():f}")
    less = value - node.offset
    if exact is not None:
        return _render(exact, locale, values, zone, less)
    branch = node.branches.get(_category(str(less), node.type, locale), node.branches["other"])
    return _render(branch, locale, values, zone, less)


@lru_cache(4_096)
# Counts and days come again and again, and CLDR's rules take tens of microseconds each time. Nothing personal stays here.
@lru_cache(maxsize=REMEMBERED)
def _category(number: str, type_: str, locale: Locale) -> str:
    # By its digits: 1 and 1.0 are one number and two plurals.
    category: str = (locale.plural_form if type_ == "plural" else locale.ordinal_form)(Decimal(number))
    return category


@lru_cache(maxsize=REMEMBERED)
def _decimal(number: Decimal, locale: Locale) -> str:
    return format_decimal(number, locale=locale)


@lru_cache(maxsize=REMEMBERED)
def _day(day: date, style: str, locale: Locale) -> str:
    return format_date(day, style, locale=locale)


def categories(locale: Locale, type_: str) -> frozenset[str]:
    """The plural categories that a locale needs for the whole numbers of messages, `other` among them."""
    rule = locale.plural_form if type_ == "plural" else locale.ordinal_form
    return frozenset({rule(n) for n in range(200)} | {"other"})

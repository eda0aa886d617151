"""Settings of quiet hours: when messages of a class or programme do not leave, by the clock where their recipient lives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from appliance.errors import Error
from appliance.message import CLASSES

from .hours import HINT, Hours, zone_of
from .route import NAME
from .rows import Setting

_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_DAY: Final = re.compile(r"(?:(?P<year>\d{4})-)?(?P<month>\d\d)-(?P<day>\d\d)")
DAYS_MAX: Final = 400  # named in one row
_MONTH_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

QUIET_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("name", "str", None, "what people call it; a message that waits for its end says so"),
    Setting("classes", "strs", ["bulk"], "messages of these classes keep it; none that consent.exempt_classes names"),
    Setting("programmes", "strs", [], "of these, only what belongs to one of these [[programme]]s; empty: all"),
    Setting("countries", "strs", [], 'only to recipients in these countries (ISO 3166: ["IT", "FR"]); empty: in every'),
    Setting("quiet", "strs", ["21:00-08:00"], f"when nothing leaves, by the recipient's local clock: {HINT}"),
    Setting("days", "strs", [], 'whole days on which nothing leaves: "12-25" every year, "2027-03-28" once'),
    Setting(
        "timezones",
        "strs",
        [],
        "time zones of the recipients instead of all those of their country, such as America/New_York",
    ),
)


@dataclass(frozen=True)
class QuietHours:
    """One row of QUIET_SETTINGS."""

    name: str
    classes: tuple[str, ...] = ("bulk",)
    programmes: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ("21:00-08:00",)
    days: tuple[str, ...] = ()
    timezones: tuple[str, ...] = ()

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """Minutes of the week from Monday 00:00, as `Hours.spans`."""
        return Hours.read(self.quiet, "UTC").spans

    @property
    def dates(self) -> frozenset[tuple[int, int, int]]:
        """(year, month, day) of `days`; year 0: every year."""
        found = (_DAY.fullmatch(text) for text in self.days)
        return frozenset((int(m["year"] or 0), int(m["month"]), int(m["day"])) for m in found if m is not None)


def quiet_of(
    rows: list[dict[str, Any]], programmes: list[str], exempt: list[str], source: str
) -> tuple[QuietHours, ...]:
    """Quiet hours from rows whose types are checked. Raises Error `settings_invalid`."""
    out: list[QuietHours] = []
    for n, row in enumerate(rows, 1):
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
        quiet = QuietHours(**fields)
        where = f"{source}: quiet_hours {n}"
        if not NAME.fullmatch(quiet.name):
            raise Error("settings_invalid", f"{where}: name {quiet.name!r}", "1 to 48 letters, digits and ._-")
        if quiet.name in {each.name for each in out}:
            raise Error("settings_invalid", f"{where}: two quiet hours have the same name {quiet.name!r}")
        _check(quiet, programmes, exempt, f"{where} ({quiet.name})")
        out.append(quiet)
    return tuple(out)


def _check(quiet: QuietHours, programmes: list[str], exempt: list[str], where: str) -> None:
    def wrong(what: str, hint: str = "") -> Error:
        return Error("settings_invalid", f"{where}: {what}", hint)

    for name in quiet.classes:
        if name not in CLASSES:
            raise wrong(f"unknown class {name!r}", f"classes: {', '.join(CLASSES)}")
        if name in exempt:
            raise wrong(f"class {name!r} is exempt (consent.exempt_classes)", "such messages leave at any hour")
    if not quiet.classes:
        raise wrong("no message keeps it", "name at least one class")
    for name in quiet.programmes:
        if name not in programmes:
            raise wrong(f"there is no programme {name!r}", f"programmes: {', '.join(programmes)}")
    for country in quiet.countries:
        if not _COUNTRY.fullmatch(country):
            raise wrong(f"{country!r} is no country", "two capitals of ISO 3166, such as IT")
    try:
        spans = quiet.spans
        for zone in quiet.timezones:
            zone_of(zone)
    except ValueError as e:
        raise wrong(str(e)) from None
    if not spans and not quiet.days:
        raise wrong("it is never quiet", "name `quiet` or `days`")
    if len(quiet.days) > DAYS_MAX or len(quiet.dates) != len(set(quiet.days)) or not all(map(_a_day, quiet.dates)):
        raise wrong("`days` names what is no day", 'write "12-25" for every year, "2027-03-28" for one')


def _a_day(date: tuple[int, int, int]) -> bool:
    year, month, day = date
    return 1 <= month <= 12 and 1 <= day <= _MONTH_DAYS[month - 1] and (year == 0 or 2000 <= year <= 2999)

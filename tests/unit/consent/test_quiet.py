"""Quiet hours by the recipient's clock: zones, summer time, days, classes and programmes, and when a message may leave."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from appliance.consent import Quiet, Wait
from appliance.consent.calendar import AHEAD_DAYS, Clock, state
from appliance.consent.policy import Consent
from appliance.consent.quiet import clocks_of
from appliance.errors import Error
from appliance.message import ALERT, BULK, OTP, TRANSACTION
from appliance.numbering import normalise, zones_of
from appliance.settings import QuietHours, Settings, parse

MINUTE_MS = 60_000


def ms(text: str, zone: str = "UTC", fold: int = 0) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()) * 1000


def utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M")


def waits(row: QuietHours, number: str, at_ms: int) -> Wait | None:
    to, code = normalise(number)
    return Quiet([row], lambda class_, sender: ("", "marketing")).wait(to, code, BULK, "", at_ms)


NIGHT = QuietHours("night")  # 21:00-08:00


@pytest.mark.parametrize(
    ("row", "number", "when", "until"),
    [
        # One zone, around its changes of 2026: Italy goes forward on 29 March, back on 25 October.
        (NIGHT, "+393331234567", "2026-03-28T19:59", None),
        (NIGHT, "+393331234567", "2026-03-28T20:00", "2026-03-29T06:00"),
        (NIGHT, "+393331234567", "2026-03-29T05:59", "2026-03-29T06:00"),
        (NIGHT, "+393331234567", "2026-03-29T06:00", None),
        (NIGHT, "+393331234567", "2026-10-24T19:00", "2026-10-25T07:00"),
        (NIGHT, "+393331234567", "2026-10-25T06:59", "2026-10-25T07:00"),
        (NIGHT, "+393331234567", "2026-10-25T20:00", "2026-10-26T07:00"),
        # An hour that a spring leaves out (02:00 to 03:00 in Rome) is not waited for; one that an autumn has twice is quiet twice.
        (QuietHours("n", quiet=("01:00-02:30",)), "+393331234567", "2026-03-29T00:10", "2026-03-29T01:00"),
        (QuietHours("n", quiet=("02:00-03:00",)), "+393331234567", "2026-10-25T00:10", "2026-10-25T02:00"),
        # Lord Howe Island changes by half an hour: 02:00 becomes 02:30 on 4 October 2026.
        (QuietHours("n", quiet=("01:00-02:10",), timezones=("Australia/Lord_Howe",)), "+61412345678", "2026-10-03T15:00", "2026-10-03T15:30"),
        # The southern summer: Chile and Paraguay aside, New Zealand goes forward on 27 September 2026.
        (NIGHT, "+64211234567", "2026-09-26T12:00", "2026-09-26T19:00"),
        # Zones of quarter hours and without summer time.
        (NIGHT, "+9779812345678", "2026-06-01T01:00", "2026-06-01T02:15"),
        (NIGHT, "+819012345678", "2026-06-01T12:00", "2026-06-01T23:00"),
        # Several zones: quiet as long as it is in one of them. Portugal with the Azores, Spain with the Canaries.
        (NIGHT, "+351912345678", "2026-06-01T07:30", "2026-06-01T08:00"),
        (NIGHT, "+34612345678", "2026-06-01T06:30", "2026-06-01T07:00"),
        (NIGHT, "+34612345678", "2026-06-01T18:59", None),
        (NIGHT, "+34612345678", "2026-06-01T19:00", "2026-06-02T07:00"),
        # The United States from Honolulu's eight in the morning to New York's nine in the evening.
        (NIGHT, "+12125550123", "2026-07-01T17:59", "2026-07-01T18:00"),
        (NIGHT, "+12125550123", "2026-07-01T18:00", None),
        (NIGHT, "+12125550123", "2026-07-02T00:59", None),
        (NIGHT, "+12125550123", "2026-07-02T01:00", "2026-07-02T18:00"),
        # Canada is not the United States, Kazakhstan is not Russia, a bank that knows better names the zones.
        (NIGHT, "+14165550123", "2026-07-01T14:59", "2026-07-01T15:00"),
        (NIGHT, "+77012345678", "2026-07-01T03:00", None),
        (NIGHT, "+79161234567", "2026-07-01T06:00", None),
        (NIGHT, "+79161234567", "2026-07-01T09:00", "2026-07-02T06:00"),
        (QuietHours("n", timezones=("America/New_York", "America/Chicago")), "+12125550123", "2026-07-01T12:59", "2026-07-01T13:00"),
        # A satellite telephone has no country: UTC.
        (NIGHT, "+881612345678", "2026-07-01T07:00", "2026-07-01T08:00"),
        # Days of the week and of the year; the next opening may be days away.
        (QuietHours("n", quiet=("21:00-08:00", "sat,sun 00:00-24:00")), "+393331234567", "2026-11-27T20:00", "2026-11-30T07:00"),
        (QuietHours("n", days=("12-25", "2026-12-26")), "+393331234567", "2026-12-24T20:00", "2026-12-27T07:00"),
        (QuietHours("n", days=("12-25", "2026-12-26")), "+393331234567", "2027-12-26T12:00", None),
        (QuietHours("n", countries=("FR",)), "+393331234567", "2026-11-27T23:00", None),
        (QuietHours("n", countries=("FR", "IT")), "+393331234567", "2026-11-27T23:00", "2026-11-28T07:00"),
    ],
)  # fmt: skip
def test_when_it_may_leave(row: QuietHours, number: str, when: str, until: str | None) -> None:
    found = waits(row, number, ms(when))
    assert (utc(found.until_ms) if found else None) == until


@pytest.mark.parametrize("country", ["IT", "US", "AU", "BR", "RU", "AQ", "CL", "IR", "MA", "EG", "LB", "NP"])
def test_by_the_minute_it_is_as_the_clocks_on_the_walls_say(country: str) -> None:
    """Over the days on which clocks change: quiet by no clock when it opens, by some clock in every minute before."""
    row = QuietHours("n", quiet=("20:30-09:00", "sun 00:00-24:00"))
    clocks = clocks_of(row, country)
    unlike = list({clock.behaves(ms("2026-01-01T00:00")): clock for clock in clocks}.values())
    for begin in ("2026-03-07T10:00", "2026-03-28T18:00", "2026-10-03T12:00", "2026-10-24T17:00", "2026-10-31T22:00"):
        at_ms = ms(begin)
        quiet, until_ms = state(clocks, at_ms)
        for minute in range(at_ms, until_ms, 17 * MINUTE_MS):
            assert any(clock.quiet(minute) for clock in unlike) is quiet, utc(minute)
        if until_ms < at_ms + AHEAD_DAYS * 86_400_000:
            assert any(c.quiet(until_ms - MINUTE_MS) for c in clocks) is quiet
            assert any(c.quiet(until_ms) for c in clocks) is not quiet, utc(until_ms)


def test_every_country_has_clocks_that_are_known() -> None:
    for country in ("IT", "US", "RU", "FR", "CN", "IN", "GB", "DE", "PF", "KI"):
        assert all(ZoneInfo(name) for name in zones_of(country)), country
    assert len(zones_of("US")) == 29 and zones_of("") == zones_of("ZZ") == ("UTC",)


def test_what_is_quiet_for_ever_waits_longer_than_any_message() -> None:
    always = Clock(((0, 7 * 1440),), frozenset(), ZoneInfo("UTC"))
    quiet, until_ms = state([always], 0)
    assert quiet and until_ms == AHEAD_DAYS * 86_400_000


def consent(exempt: tuple[str, ...] = ("otp", "alert"), **more: Any) -> tuple[Settings, Quiet]:
    raw = {
        "programme": [{"name": "offers", "classes": ["bulk", "transaction"], "senders": ["SALE"]}, {"name": "news"}],
        **more,
    }
    settings = parse({**raw, "consent": {"exempt_classes": list(exempt)}}, Path("/nowhere"), "t")
    return settings, Quiet(settings.quiet_hours, Consent.of(settings).belongs)


def test_only_its_classes_and_programmes_wait_and_an_exempt_class_never() -> None:
    _, quiet = consent(quiet_hours=[{"name": "sales", "classes": ["bulk", "transaction"], "programmes": ["offers"]}])
    at_ms, to = ms("2026-11-27T23:00"), "+393331234567"
    held = {(c, s): quiet.wait(to, 39, c, s, at_ms) for c in (OTP, ALERT, TRANSACTION, BULK) for s in ("SALE", "BANK")}
    assert {pair for pair, wait in held.items() if wait} == {(TRANSACTION, "SALE"), (BULK, "SALE")}
    assert held[BULK, "SALE"] == Wait(ms("2026-11-28T07:00"), ("sales",))
    assert (
        quiet.wait_of(to, BULK, "SALE", at_ms) == held[BULK, "SALE"] and quiet.wait_of(to, OTP, "SALE", at_ms) is None
    )


def test_two_rows_wait_for_both() -> None:
    rows = [{"name": "night"}, {"name": "noon", "quiet": ["07:30-10:00"], "countries": ["IT"]}]
    _, quiet = consent(quiet_hours=rows)
    assert quiet.wait("+393331234567", 39, BULK, "", ms("2026-11-28T06:45")) == Wait(
        ms("2026-11-28T09:00"), ("night", "noon")
    )
    assert quiet.wait("+33612345678", 33, BULK, "", ms("2026-11-28T06:45")) == Wait(ms("2026-11-28T07:00"), ("night",))


def test_a_remembered_span_is_never_asked_outside_itself() -> None:
    quiet = Quiet([NIGHT], lambda class_, sender: ("",))
    fresh = [Quiet([NIGHT], lambda class_, sender: ("",)) for _ in range(2)]
    begin = datetime(2026, 10, 24, tzinfo=UTC)
    times = [int((begin + timedelta(minutes=37 * n)).timestamp() * 1000) for n in range(120)]
    for at_ms in [*times, *reversed(times)]:
        fresh[0]._spans.clear()
        assert quiet.wait("+393331234567", 39, BULK, "", at_ms) == fresh[0].wait("+393331234567", 39, BULK, "", at_ms)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"classes": ["otp"]}, "exempt"),
        ({"classes": []}, "no message"),
        ({"classes": ["gold"]}, "unknown class"),
        ({"programmes": ["nothing"]}, "no programme"),
        ({"countries": ["Italy"]}, "no country"),
        ({"quiet": ["from nine"]}, "does not read as hours"),
        ({"quiet": []}, "never quiet"),
        ({"timezones": ["Mars/Base"]}, "not a time zone"),
        ({"days": ["02-30"]}, "no day"),
        ({"days": ["christmas"]}, "no day"),
        ({"name": ""}, "name"),
    ],
)
def test_nonsense_is_refused(row: dict[str, Any], said: str) -> None:
    with pytest.raises(Error, match=said):
        consent(quiet_hours=[{"name": "n", **row}])

"""The book for an event loop: acts of requests that wait share one commit, in a thread of their own; what is over is swept once a minute."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from appliance.clock import monotonic_s, now_ms
from appliance.errors import Error
from appliance.limits import VERIFY_ACTS_AT_ONCE
from appliance.settings import Settings
from appliance.store import ActingWatch, Checkpointer, leave_to_checkpointer

from .book import Book
from .pumping import Guard
from .states import Limits

SWEEP_S: Final = 60.0
_COUNTRY: Final = re.compile("[A-Z]{2}")
_BEGINNING: Final = re.compile(r"\+[1-9][0-9]{0,8}", re.ASCII)


def limits_of(settings: Settings) -> Limits:
    return Limits(
        settings["verify.tries"],
        settings["verify.sends"],
        settings["verify.block_s"],
        settings["verify.per_number_hour"],
        settings["verify.per_purpose_minute"],
        settings["verify.per_prefix_minute"],
        settings["verify.per_user_hour"],
        settings["verify.per_address_hour"],
    )


def guard_of(settings: Settings) -> Guard:
    """Raises Error `settings_invalid`."""
    home = settings["bank.country"]
    countries = tuple(settings["verify.countries"]) or ((home,) if home else ())
    for name, entries in (("bank.country", (home,) if home else ()), ("verify.countries", countries)):
        for entry in entries:
            if not (_COUNTRY.fullmatch(entry) or (name != "bank.country" and _BEGINNING.fullmatch(entry))):
                raise Error(
                    "settings_invalid", f"{name}: {entry!r} is neither a country nor a beginning", 'as "IT", "+3934"'
                )
    safe = tuple(settings["verify.guard_safe"])
    for entry in safe:
        if not _BEGINNING.fullmatch(entry):
            raise Error("settings_invalid", f"verify.guard_safe: {entry!r} is no beginning of numbers", 'as "+3934"')
    return Guard(
        countries,
        safe,
        settings["verify.guard_least"],
        settings["verify.guard_conversion"],
        settings["verify.guard_velocity"],
        settings["verify.guard_s"],
    )


class VerifyWatch(ActingWatch[Book]):
    """`act` is how requests change the book."""

    def __init__(self, settings: Settings) -> None:
        path = settings.home / "verify.db"
        super().__init__("the verifications", lambda: _book(path), VERIFY_ACTS_AT_ONCE)
        self.checkpointer = Checkpointer(path)
        self.limits = limits_of(settings)
        self.guard = guard_of(settings)
        self._swept_s = -SWEEP_S
        self._acts = 0

    async def look(self) -> None:
        await super().look()
        if self.acts != self._acts:  # nothing was written, nothing is to be moved
            self._acts = self.acts
            self.checkpointer.look(monotonic_s())

    def close(self) -> None:
        self.checkpointer.close()
        super().close()

    def read(self, book: Book) -> None:
        """Nothing is kept in memory; the look is the sweep's."""
        if monotonic_s() - self._swept_s >= SWEEP_S:
            self._swept_s = monotonic_s()
            book.together([lambda book: book.sweep(now_ms(), self.limits)])


def _book(path: Path) -> Book:
    book = Book(path)
    leave_to_checkpointer(book.conn)
    return book

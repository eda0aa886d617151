"""The book for an event loop: acts of requests that wait share one commit, in a thread of their own; what is over is swept once a minute."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

from appliance.clock import monotonic_s, now_ms
from appliance.errors import Error
from appliance.limits import VERIFY_ACTS_AT_ONCE
from appliance.settings import Settings
from appliance.store import StoreWatch

from .book import Book
from .pumping import Guard
from .states import Limits

T = TypeVar("T")

SWEEP_S: Final = 60.0
_COUNTRY: Final = re.compile("[A-Z]{2}")
_BEGINNING: Final = re.compile(r"\+[1-9][0-9]{0,8}", re.ASCII)
_Waiting = tuple[Callable[[Book], Any], "asyncio.Future[Any]"]


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


class VerifyWatch(StoreWatch[Book]):
    """`act` is how requests change the book."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("the verifications", lambda: Book(settings.home / "verify.db"))
        self.limits = limits_of(settings)
        self.guard = guard_of(settings)
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None
        self._swept_s = -SWEEP_S

    async def act(self, what: Callable[[Book], T]) -> T:
        """The result of `what`, once it is on disk. Raises what it raised, or Error `store_full`."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((what, future))
        if self._writing is None:
            self._writing = asyncio.ensure_future(self._write())
        return await future

    async def _write(self) -> None:
        try:
            while self._waiting:
                now, self._waiting = self._waiting[:VERIFY_ACTS_AT_ONCE], self._waiting[VERIFY_ACTS_AT_ONCE:]
                acts = [what for what, _ in now]
                try:
                    results = await self.do(lambda book, acts=acts: book.together(acts))  # type: ignore[misc]
                except Exception as e:
                    results = [e] * len(now)
                for (_, future), result in zip(now, results, strict=True):
                    if future.done():
                        continue
                    if isinstance(result, Exception):
                        future.set_exception(result)
                    else:
                        future.set_result(result)
        finally:
            self._writing = None

    def read(self, book: Book) -> None:
        """Nothing is kept in memory; the look is the sweep's."""
        if monotonic_s() - self._swept_s >= SWEEP_S:
            self._swept_s = monotonic_s()
            book.together([lambda book: book.sweep(now_ms(), self.limits)])

    def take(self, found: Any) -> None:
        raise AssertionError("nothing is read")

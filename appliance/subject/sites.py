"""Stores that whoever erases opens itself, by their names on the certificate."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any, Protocol

from appliance.consent import Book, forget_number
from appliance.settings import Settings

from .erasing import Site
from .journal import Counts


class Room(Protocol):
    """A room with a book and a way to forget a person in it: they are handed in, because this one is a stranger to them."""

    @property
    def Book(self) -> Callable[..., Any]: ...
    @property
    def forget_subject(self) -> Callable[..., Counts]: ...


def sites(settings: Settings, flows: Any, verify: Any) -> dict[str, Site]:
    """`flows` and `verify` are Rooms. Workflows come first: a run that heard how its code ended would go on."""

    def consent(index: bytes, _: bytes, at_ms: int) -> Counts:
        with closing(Book(settings.home / "consent.db")) as book:
            counts = forget_number(book, index, at_ms)
        return {"numbers of decisions": counts["decisions"], "open reviews, now a STOP": counts["reviews"]}

    def of(room: Room, store: str) -> Site:
        def forget(index: bytes, stands_for: bytes, _: int) -> Counts:
            with closing(room.Book(settings.home / store)) as book:
                return room.forget_subject(book, index, stands_for)

        return forget

    return {"consent": consent, "flows": of(flows, "flows.db"), "verify": of(verify, "verify.db")}

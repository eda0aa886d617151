"""The register for an event loop: a quarter of a second old at most, and changes made in a thread."""

from __future__ import annotations

from appliance.settings import Settings
from appliance.store import StoreWatch

from .book import SenderBook, mandatory_of
from .register import Register


class SenderWatch(StoreWatch[SenderBook]):
    """`now` is the register to use.

    Until the first look it knows no registration: where one is mandatory, messages are refused rather than let through.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__("the register of senders", lambda: SenderBook(settings))
        self._mandatory = bool(mandatory_of(settings))
        self.now = Register(
            (), settings["senders.mandatory"], {link.name: link.default_sender for link in settings.links}
        )
        self._stamp: tuple[int, ...] = ()

    async def look(self) -> None:
        """Nothing is read where no country asks."""
        if self._mandatory:
            await super().look()

    def read(self, book: SenderBook) -> Register | None:
        stamp = book.stamp()
        if stamp == self._stamp:
            return None
        found, self._stamp = book.register(), stamp
        return found

    def take(self, found: Register) -> None:
        self.now = found

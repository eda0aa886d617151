"""The templates in use for an event loop: a snapshot that is a quarter of a second old at most, and changes made in a thread."""

from __future__ import annotations

from appliance.settings import Settings
from appliance.store import StoreWatch

from .book import Snapshot, TemplateBook


class TemplateWatch(StoreWatch[TemplateBook]):
    """`now` is the snapshot to use."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("the templates", lambda: TemplateBook(settings))
        self.now = Snapshot({})

    def read(self, book: TemplateBook) -> Snapshot | None:
        return None if self.now.fresh() else book.snapshot()

    def take(self, found: Snapshot) -> None:
        self.now = found

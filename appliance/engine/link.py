"""HOT: an operator link: its binds, its pace, its window, and the lists of what was heard.

A link is one transceiver bind or a transmitter and a receiver. What is heard is put into the link's lists; the beat
takes it from there. Nothing is written to an operator but by `Link.submit` (after the commit) and by the session itself.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from appliance.errors import Error
from appliance.settings import Link as LinkSettings
from appliance.smpp import ClientSession, SubmitPacker

from .bind import Bind, Delivered
from .pace import Pace
from .waiting import Waiting

Answer = tuple["Link", Waiting, int, int, str]  # link, message, part, command status, operator id


class Link:
    """One operator link: its binds, its pace, its window, and the lists of what was heard."""

    def __init__(
        self, settings: LinkSettings, wake: Callable[[], None], changed: Callable[[Link, bool, str], None]
    ) -> None:
        self.settings = settings
        self.name = settings.name
        self.wake = wake
        self._changed = changed
        self.tls = tls_context(settings)
        self.pace = Pace(settings.pace)
        self.packer = SubmitPacker(source_ton=settings.source_ton, source_npi=settings.source_npi)
        kinds = ("transceiver",) if settings.bind == "transceiver" else ("transmitter", "receiver")
        self.binds = [Bind(self, kind) for kind in kinds]
        self.in_flight: dict[int, tuple[Waiting, int]] = {}
        self.answers: list[Answer] = []
        self.delivers: list[Delivered] = []
        self.lost: list[tuple[Link, list[tuple[Waiting, int]]]] = []
        self.staged: list[tuple[Waiting, int]] = []
        #: Sees every octet both ways (`in`, `out`) while somebody traces or tests the link; never raises.
        self.tap: Callable[[Bind, str, bytes], None] | None = None
        self.paused_until_s = 0.0
        self.submitted = self.answered = self.receipted = self.errors = self.throttled = 0

    def changed(self, up: bool, why: str) -> None:
        self._changed(self, up, why)

    @property
    def submitter(self) -> Bind:
        return self.binds[0]

    @property
    def up(self) -> bool:
        """Whether it can submit and hear receipts."""
        return all(bind.bound for bind in self.binds)

    def room(self, now_s: float) -> int:
        """Segments that may be submitted now: what window, pace and a throttled operator leave."""
        if not self.submitter.bound or now_s < self.paused_until_s:
            return 0
        return max(0, min(self.submitter.session.room, self.pace.allowed(now_s)) - len(self.staged))

    def pause(self, now_s: float) -> None:
        self.throttled += 1
        self.paused_until_s = max(self.paused_until_s, now_s + self.settings.throttle_pause_s)

    def submit(
        self,
        session: ClientSession,
        frames: list[bytes],
        sequences: list[int],
        staged: list[tuple[Waiting, int]],
        now_s: float,
    ) -> bool:
        """Writes submits whose intention is durable. False when the bind went away meanwhile: nothing was written."""
        bind = self.submitter
        if bind.session is not session or not bind.bound:
            return False
        self.in_flight.update(zip(sequences, staged, strict=True))
        bind.session.sent(sequences, b"".join(frames), now_s)
        self.submitted += len(sequences)
        bind.flush()
        return True

    def start(self) -> None:
        for bind in self.binds:
            bind.start()

    def tick(self, now_s: float) -> None:
        for bind in self.binds:
            bind.tick(now_s)

    async def stop(self) -> None:
        await asyncio.gather(*(bind.stop() for bind in self.binds))

    def state(self) -> dict[str, object]:
        """For `state` and the console; nothing personal."""
        bound = [b for b in self.binds if b.bound]
        state = "up" if self.up else ("partly" if bound else "down")
        return {
            "name": self.name,
            "state": state,
            "window": self.settings.window,
            "in_flight": len(self.in_flight),
            "pace": self.settings.pace,
            "submitted": self.submitted,
            "answered": self.answered,
            "receipted": self.receipted,
            "errors": self.errors,
            "throttled": self.throttled,
            "up_since_ms": max((b.up_since_ms for b in bound), default=0),
            "last_error": next((b.last_error for b in self.binds if b.last_error), ""),
        }


def tls_context(settings: LinkSettings) -> ssl.SSLContext | None:
    """The TLS client context of a link, None in clear. Raises Error `settings_invalid` for files that cannot be used."""
    if not settings.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.tls_certificate:
            context.load_cert_chain(settings.tls_certificate, settings.tls_key or None)
    except (OSError, ssl.SSLError) as e:
        raise Error(
            "settings_invalid",
            f"link {settings.name}: its TLS files cannot be used: {type(e).__name__}",
            "check tls_ca, tls_certificate and tls_key",
        ) from None
    return context

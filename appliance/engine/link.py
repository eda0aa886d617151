"""HOT: an operator link: its binds to each of the operator's addresses, its pace, and the lists of what was heard.

Each address gets `binds` transceivers, or as many pairs of a transmitter and a receiver. Submits go out over all of them as
their windows have room; receipts are taken on any. What is heard is put into the link's lists; the beat takes it from there.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from appliance import clock
from appliance.errors import Error
from appliance.keys import key_path
from appliance.settings import Link as LinkSettings
from appliance.smpp import LinkPacker, PduError, Queried, ReceiptReader
from appliance.text import Cutter, sender_octets, shape_of

from .bind import SILENT_SUBMITS_MIN, Bind, Delivered
from .brief import RESERVED_PART
from .dlt import Stamp
from .pace import UNLIMITED, Paces
from .throttle import Throttle
from .waiting import Waiting

Answer = tuple["Link", Waiting, int, int, str]  # link, message, part, command status, operator id
Tap = Callable[[Bind, str, bytes], None]  # bind, `in` or `out`, octets as they are on the wire: not cut into PDUs

QUERIES_MAX: Final = 10  # questions about messages under way on one bind: they must not crowd out submits


class Link:
    """One operator link. `changed(link, up, why)` is called when it becomes usable and when it is no longer.

    `places`: the addresses to bind to, one for each bind; None: as the settings say. One engine of several has a part.
    """

    def __init__(
        self,
        settings: LinkSettings,
        wake: Callable[[], None],
        changed: Callable[[Link, bool, str], None],
        places: tuple[tuple[str, int], ...] | None = None,
    ) -> None:
        self.settings = settings
        self.name = settings.name
        self.wake = wake
        self._changed = changed
        self.tls = tls_context(settings)
        self.paces = Paces(settings)
        self.throttle = Throttle(settings)
        shape = shape_of(settings)
        self.packer = LinkPacker(settings, Cutter(shape).cut, sender_octets, shape)
        self.stamp: Stamp | None = None  # fills in what the register of senders has, where a link asks for it
        self.reader = ReceiptReader(settings)
        kinds = ("transceiver",) if settings.bind == "transceiver" else ("transmitter", "receiver")
        self.binds = [
            Bind(self, kind, host, port)
            for host, port in (settings.addresses() * settings.binds if places is None else places)
            for kind in kinds
        ]
        self.submitters = [bind for bind in self.binds if bind.submits]
        self.answers: list[Answer] = []
        self.delivers: list[Delivered] = []
        self.lost: list[tuple[Link, list[tuple[Waiting, int]]]] = []
        self.queried: list[tuple[str, Queried]] = []  # what `query` brought: the id asked about, the answer
        self.staged: list[tuple[Waiting, int]] = []
        #: Sees every octet both ways (`in`, `out`) while somebody traces or tests the link; never raises.
        self.tap: Tap | None = None
        self.drained = False  # takes nothing new and is not bound, until a person says otherwise
        self.wanted = False  # at the last beat something waited for it, and for no other
        self.submitted = self.answered = self.receipted = self.errors = self.delivered = 0
        self._was_up = False
        self._turn = 0
        self._renew: deque[Bind] = deque()  # half-dead binds that are still to be bound anew, one at a time
        self._renewed: Bind | None = None
        self._heard = (0.0, 0, 0)  # since when nothing was delivered; taken, delivered then

    # --- what it can do ---------------------------------------------------------------------------------

    @property
    def submitter(self) -> Bind:
        return self.submitters[0]

    @property
    def up(self) -> bool:
        """Whether it can submit and hear receipts."""
        if self.drained:
            return False
        can_submit = can_hear = False
        for bind in self.binds:
            if bind.bound and not bind.resting:
                can_submit = can_submit or bind.submits
                can_hear = can_hear or bind.hears
        return can_submit and can_hear

    @property
    def in_flight(self) -> int:
        """Segments submitted and not answered."""
        return sum(len(bind.in_flight) for bind in self.submitters)

    @property
    def throttled(self) -> int:
        return self.throttle.total

    @property
    def taken(self) -> int:
        """Segments that the operator took, as far as beats have seen."""
        return self.answered - self.errors

    def room(self, now_s: float, reserved: bool = False) -> int:
        """Segments that may be submitted now: what windows, pace and a throttled operator leave.

        `reserved`: without the part of the windows that is kept for urgent ones.
        """
        if now_s < self.throttle.paused_until_s or self.drained:
            return 0
        room = sum(bind.room for bind in self.submitters)
        if reserved:
            room -= sum(bind.session.window for bind in self.submitters if bind.bound) // RESERVED_PART
        if room <= 0:
            return 0
        return max(0, min(room, self.paces.link.allowed(now_s)) - len(self.staged))

    def class_room(self, class_: int, now_s: float) -> int:
        """The same for one class, by its own pace alone."""
        pace = self.paces.classes[class_]
        return UNLIMITED if pace is None else pace.allowed(now_s)

    def next_s(self, now_s: float, lengths: Sequence[int]) -> float:
        """Seconds until paces or a pause let something go of what waits, by class; 0 when none holds it back, or nobody can say."""
        if not self.wanted or self.drained or not self.up or not any(bind.room for bind in self.submitters):
            return UNLIMITED  # a new message, a bind, or an answer wakes the beat
        if now_s < self.throttle.paused_until_s:
            return self.throttle.paused_until_s - now_s
        paces = [pace for pace, n in zip(self.paces.classes, lengths, strict=True) if n]
        return max(self.paces.link.next_s(), min((pace.next_s() if pace else 0.0 for pace in paces), default=0.0))

    def shares(self, segments: int) -> list[tuple[Bind, int]]:
        """How many of `segments` (at most the sum of the windows' room) leave over which bind, in the order of leaving."""
        if len(self.submitters) == 1:
            return [(self.submitters[0], segments)]
        self._turn = (self._turn + 1) % len(self.submitters)
        order = self.submitters[self._turn :] + self.submitters[: self._turn]
        rooms = sorted(((bind.room, bind) for bind in order if bind.room), key=lambda each: -each[0])
        room = sum(each for each, _ in rooms)
        out: list[tuple[Bind, int]] = []
        for each, bind in rooms:
            share = min(each, -(-segments * each // room))
            if share:
                out.append((bind, share))
            segments -= share
            room -= each
        assert segments == 0, "more staged than there was room for"
        return out

    def under_way(self) -> Iterator[Waiting]:
        """Messages with a segment that left, or was heard of, and that no beat has settled yet."""
        for bind in self.submitters:
            for waiting, _ in bind.in_flight.values():
                yield waiting
        for _, waiting, *_ in self.answers:
            yield waiting
        for _, lost in self.lost:
            for waiting, _ in lost:
                yield waiting

    # --- what happens to it -----------------------------------------------------------------------------

    def changed(self, why: str) -> None:
        """A bind came or went: tells when that made the link usable or not."""
        if self.up != self._was_up:
            self._was_up = not self._was_up
            self._changed(self, self._was_up, why if not self._was_up else "")

    def throttled_at(self, now_s: float) -> None:
        """The operator said "too fast"."""
        self.throttle.heard(self.taken, now_s)
        self.paces.link.set_rate(self.throttle.rate)

    def query(self, operator_id: str, sender: str, now_s: float) -> bool:
        """Asks the operator about a message by the id as it wrote it; the answer comes into `queried`. False: not now.

        At most QUERIES_MAX are under way on a bind; an id that does not fit is answered like one unknown.
        """
        for bind in self.submitters:
            if bind.bound and not bind.resting and len(bind.asked) < QUERIES_MAX:
                try:
                    bind.query(operator_id, self.packer.source(sender), now_s)
                except PduError as e:
                    self.queried.append((operator_id, Queried(0, e.status, 0, "", 0)))
                return True
        return False

    def drain(self, on: bool) -> None:
        """Takes the link out of use, or back. In-flight submits are still answered; then its binds unbind."""
        self.drained = on
        for bind in self.binds:
            if on:
                bind.rest()
            else:
                bind.resume()
        self.changed("drained")

    def start(self) -> None:
        for bind in self.binds:
            bind.start()

    def tick(self, now_s: float) -> None:
        self.throttle.tick(self.taken, now_s)
        self.paces.link.set_rate(self.throttle.rate)
        self._listen(now_s)
        for bind in self.binds:
            bind.tick(now_s)

    def _listen(self, now_s: float) -> None:
        """Submits are taken and nothing is ever delivered: the operator has lost our receiving side, so it is bound anew."""
        if self._renew:
            if self.delivered != self._heard[2]:
                self._renew.clear()
            elif self._renewed is None or (self._renewed.bound and not self._renewed.resting):
                self._renewed = self._renew.popleft()
                self._renewed.rest()
            return
        patience_s = self.settings.receipts_s
        if not patience_s or self.settings.registered_delivery not in ("final", "intermediate"):
            return
        since_s, taken, delivered = self._heard
        if self.delivered != delivered or self.taken == taken:
            self._heard = (now_s, self.taken, self.delivered)
            for bind in self.binds if len(self.binds) > 1 else ():
                silent = bind.bound and bind.hears and bind.fell_silent(now_s, patience_s)
                if silent and not any(each.resting for each in self.binds):
                    bind.last_error = "receipts_silent"
                    bind.rest()
        elif now_s - since_s >= patience_s and self.taken - taken >= SILENT_SUBMITS_MIN:
            self._heard = (now_s, self.taken, self.delivered)
            self._renew.extend(bind for bind in self.binds if bind.bound)
            self._renewed = None
            for bind in self._renew:
                bind.last_error = "receipts_silent"

    async def stop(self) -> None:
        await asyncio.gather(*(bind.stop() for bind in self.binds))

    def state(self) -> dict[str, object]:
        """For `state` and the console; nothing personal."""
        bound = [b for b in self.binds if b.bound]
        state = "up" if self.up else "partly" if bound else "down"
        if self.drained:
            state = "draining" if bound else "drained"
        now_s = clock.monotonic_s()
        paused_s = self.throttle.paused_until_s - now_s
        return {
            "name": self.name,
            "state": state,
            "drained": self.drained,
            "window": sum(b.session.window for b in self.submitters if b.bound) or self.settings.window,
            "in_flight": self.in_flight,
            "pace": self.settings.pace,
            "pace_now": self.throttle.rate,
            "paused_until_ms": clock.now_ms() + int(paused_s * 1000) if paused_s > 0 else 0,
            "submitted": self.submitted,
            "answered": self.answered,
            "receipted": self.receipted,
            "errors": self.errors,
            "throttled": self.throttled,
            "up_since_ms": max((b.up_since_ms for b in bound), default=0),
            "last_error": next((b.last_error for b in self.binds if b.last_error), ""),
            "binds": [b.state() for b in self.binds],
        }


def tls_context(settings: LinkSettings) -> ssl.SSLContext | None:
    """The TLS client context of a link, None in clear. Raises Error `settings_invalid` for files that cannot be used."""
    if not settings.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.tls_certificate:
            context.load_cert_chain(settings.tls_certificate, key_path(settings.tls_key) or None)
    except (OSError, ssl.SSLError) as e:
        raise Error(
            "settings_invalid",
            f"link {settings.name}: its TLS files cannot be used: {type(e).__name__}",
            "check tls_ca, tls_certificate and tls_key",
        ) from None
    return context

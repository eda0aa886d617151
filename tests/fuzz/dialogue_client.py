"""A bind to an operator that says anything at all, at any time, in pieces of any size."""

from __future__ import annotations

from appliance.smpp import CLOSES, ClientSession, Heard, PduError
from appliance.smpp.states import CLOSED, STATES

from .reading import Tape

WINDOW = 8
KEPT_OCTETS_MAX = 70_000 + 16
#: What one PDU may make us say: an answer to each, or an enquire_link, and no more.
ANSWER_OCTETS_MAX = 64


class Bind:
    """One ClientSession and what a link would do with it; every step checks what must always hold."""

    def __init__(self, kind: str, receipts_s: float) -> None:
        self.session = ClientSession(kind, "bank", "secret", window=WINDOW, receipts_s=receipts_s)
        self.now = 1000.0
        self.under_way: list[int] = []
        self.owed: list[tuple[int, int]] = []
        self.session.connected(self.now)
        self.heard_octets = 0
        self.said_octets = len(self.session.take())

    def sequences(self) -> list[int]:
        """Likely ones: the bind's, those under way, one beyond."""
        return [1, *self.under_way, 0, 0xFFFFFFFF]

    def hear(self, octets: bytes) -> None:
        self.heard_octets += len(octets)
        before = set(self.under_way)
        self._after(self.session.hear(octets, self.now), before)

    def tick(self, seconds: float) -> None:
        self.now += seconds
        self._after(self.session.tick(self.now), set(self.under_way))
        assert self.session.next_deadline(self.now) == self.session.next_deadline(self.now)  # no NaN

    def submit(self, count: int) -> None:
        count = min(count, self.session.room)
        if count:
            sequences = self.session.reserve(count)
            assert len(set(sequences) | set(self.under_way)) == count + len(self.under_way), "a sequence twice"
            self.session.sent(sequences, b"", self.now)
            self.under_way += sequences
        self._check()

    def acknowledge(self, status: int) -> None:
        self.session.acknowledge([(sequence, status) for sequence, status_ in self.owed])
        self.owed.clear()
        self._check()

    def unbind(self) -> None:
        self.session.unbind(self.now)
        self._check()

    def _after(self, heard: Heard, before: set[int]) -> None:
        answered = [sequence for sequence, _, _ in heard.answers]
        assert len(set(answered)) == len(answered) and set(answered) <= before, "an answer to nothing under way"
        self.under_way = [sequence for sequence in self.under_way if sequence not in set(answered)]
        self.owed += [(deliver.sequence, 0) for deliver in heard.delivers]
        assert not heard.closed or (heard.closed in CLOSES and self.session.state == CLOSED)
        self._check()

    def _check(self) -> None:
        session = self.session
        assert session.state in STATES
        assert session.in_flight == len(self.under_way) <= WINDOW
        assert 0 <= session.room <= WINDOW - session.in_flight
        assert len(session._rest) <= KEPT_OCTETS_MAX
        self.said_octets += len(session.take())
        assert self.said_octets <= ANSWER_OCTETS_MAX * (8 + self.heard_octets // 16 + 4 * self.now_steps())

    def now_steps(self) -> int:
        return int(self.now - 1000.0) + 1

    def end(self) -> None:
        lost = self.session.disconnected(self.now)
        assert lost == self.under_way, "what is under way is told, in the order it was sent"
        assert not self.session.take() and self.session.in_flight == 0


def client(octets: bytes) -> None:
    """A tape of what happens to one bind."""
    tape = Tape(octets)
    first = tape.octet()
    bind = Bind(("transceiver", "transmitter", "receiver")[first % 3], 60.0 if first & 0x40 else 0.0)
    if first & 0x80:  # most of what matters happens once it is bound
        bind.hear(_bound(bind.session))
    while tape and bind.session.state != CLOSED:
        act = tape.octet()
        if act < 96:
            bind.hear(tape.frame(bind.sequences()))
        elif act < 128:
            bind.hear(tape.piece())
        elif act < 160:
            bind.hear(b"".join(tape.frame(bind.sequences()) for _ in range(act & 7)))
        elif act < 192:
            bind.submit(act & 15)
        elif act < 208:
            bind.acknowledge((0, 0x64)[act & 1])
        elif act < 240:
            bind.tick((act - 208) * 2.0)
        elif act < 244:
            bind.unbind()
        else:
            break
    bind.end()


def _bound(session: ClientSession) -> bytes:
    command = session._command | 0x80000000
    return b"".join(n.to_bytes(4, "big") for n in (17, command, 0, 1)) + b"\0"


def pieces(octets: bytes) -> None:
    """The same stream in one piece and in many is heard as the same."""
    tape = Tape(octets)
    first, step = tape.octet(), tape.octet() % 40 + 1
    submits = first & 7
    stream = tape.rest() if first & 0x80 else b"".join(_frames_of(tape))
    heard = []
    for chunks in ([stream], [stream[at : at + step] for at in range(0, len(stream), step)]):
        session = ClientSession("transceiver", "bank", "secret", window=WINDOW)
        session.connected(0.0)
        session.hear(_bound(session), 0.0)
        session.take()
        session.sent(session.reserve(submits), b"", 0.0)
        session.take()
        told: list[object] = []
        for chunk in chunks:
            one = session.hear(chunk, 1.0)
            told += [*one.answers, *one.delivers, *one.alerts, one.closed] if one.closed else [*one.answers]
            told += [] if one.closed else [*one.delivers, *one.alerts]
            if one.closed:
                break
        heard.append((sorted(map(repr, told)), session.state, session.take(), session.strangers))
    # After the operator's unbind the session is over at the end of a chunk: what follows in the same one still counts.
    assert heard[0][1] == heard[1][1], "a cut of the stream changes how it ends"
    if heard[0][1] != CLOSED:
        assert heard[0] == heard[1], "a cut of the stream changes what is heard"


def _frames_of(tape: Tape) -> list[bytes]:
    out = []
    while tape and len(out) < 32:
        out.append(tape.frame([2, 3, 4, 5, 6, 7, 8, 9]))
    return out


def credentials(octets: bytes) -> None:
    """Any name and password: a session, or PduError at once and not at the bind."""
    tape = Tape(octets)
    try:
        ClientSession(
            "receiver", str(tape.piece(), "latin-1"), str(tape.piece(), "latin-1"), str(tape.rest(), "latin-1")
        )
    except PduError:
        return

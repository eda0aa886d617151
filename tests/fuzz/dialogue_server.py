"""A bind of a bank's system that says anything at all, to the door's side of the bind."""

from __future__ import annotations

from appliance.smpp import SERVER_CLOSES, Pdu, Received, ServerSession, encode, spec

from .reading import Tape

WINDOW = 6
DELIVER_WINDOW = 4
ANSWER_OCTETS_MAX = 128  # what one PDU heard may make us say


class Door:
    """One ServerSession and what the door would do with it; every step checks what must always hold."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.session = ServerSession(self.now, "casemate", WINDOW, DELIVER_WINDOW, 10.0, 20.0, 10.0)
        self.waiting: list[int] = []
        self.under_way: list[int] = []
        self.heard_octets = 0
        self.said_octets = 0
        self.acts = 0

    def sequences(self) -> list[int]:
        return [1, *self.under_way, *self.waiting, 0, 0xFFFFFFFF]

    def hear(self, octets: bytes) -> None:
        self.heard_octets += len(octets)
        self._after(self.session.hear(octets, self.now))

    def tick(self, seconds: float) -> None:
        self.now += seconds
        self._after(self.session.tick(self.now))
        assert self.session.next_deadline() == self.session.next_deadline()  # no NaN

    def decide(self, accept: bool) -> None:
        if accept:
            self.session.accept_bind(self.now)
        else:
            self._after(self.session.refuse_bind(spec.ESME_RINVPASWD, self.now))
        self._check()

    def answer(self, n: int) -> None:
        sequence = self.waiting.pop(n % len(self.waiting)) if self.waiting else n
        status = (0, 0x58, 0x45)[n % 3]
        self._after(self.session.answer(sequence, status, "0" * 16, self.now))

    def deliver(self, count: int) -> None:
        count = min(count, self.session.room)
        if count:
            sequences = self.session.reserve(count)
            assert not set(sequences) & set(self.under_way), "a sequence twice"
            self.session.sent(sequences, b"", self.now)
            self.under_way += sequences
        self._check()

    def unbind(self) -> None:
        self._after(self.session.unbind(self.now))

    def _after(self, received: Received) -> None:
        for each in (*received.submissions, *received.requests):
            assert each.sequence not in self.waiting, "two requests of one sequence wait"
            self.waiting.append(each.sequence)
        done = [sequence for sequence, _ in received.answers] + received.late
        assert set(done) <= set(self.under_way) and len(set(done)) == len(done), "an answer to nothing under way"
        self.under_way = [sequence for sequence in self.under_way if sequence not in set(done)]
        assert not received.closed or (received.closed in SERVER_CLOSES and self.session.over)
        self._check()

    def _check(self) -> None:
        session = self.session
        self.acts += 1
        assert session.unanswered == len(self.waiting) <= WINDOW
        assert session.delivering == len(self.under_way) <= DELIVER_WINDOW
        assert 0 <= session.room <= DELIVER_WINDOW
        self.said_octets += len(session.take())
        assert self.said_octets <= ANSWER_OCTETS_MAX * (8 + self.heard_octets // 16 + self.acts)

    def end(self) -> None:
        lost = self.session.disconnected(self.now)
        assert lost == self.under_way, "what is under way is told, in the order it was sent"
        assert self.session.over and not self.session.take()


def server(octets: bytes) -> None:
    """A tape of what happens to one bind at the door."""
    tape = Tape(octets)
    first = tape.octet()
    door = Door()
    if first & 0x80:
        command = (spec.BIND_TRANSCEIVER, spec.BIND_TRANSMITTER, spec.BIND_RECEIVER)[first % 3]
        door.hear(encode(Pdu(command, 0, 1, {"system_id": b"bank", "password": b"secret"})))
        door.decide(True)
    while tape and not door.session.over:
        act = tape.octet()
        if act < 96:
            door.hear(tape.frame(door.sequences()))
        elif act < 120:
            door.hear(tape.piece())
        elif act < 140:
            door.hear(b"".join(tape.frame(door.sequences()) for _ in range(act & 7)))
        elif act < 180:
            door.answer(act)
        elif act < 200:
            door.deliver(act & 7)
        elif act < 204:
            door.decide(act & 1 == 0)
        elif act < 240:
            door.tick((act - 204) * 1.0)
        elif act < 244:
            door.unbind()
        else:
            break
    door.end()

"""Questions to an operator about one message: query_sm and cancel_sm under way on a bind, and what was answered.

For messages of which nobody knows whether they left; few, so nothing here is fast. Section numbers are those of
SMPP 3.4 Issue 1.2.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from .codec import Pdu, PduError, decode, encode
from .fast import text_of
from .spec import CANCEL_SM, ESME_ROK, ESME_RUNKNOWNERR, GENERIC_NACK, QUERY_SM, RESPONSE

#: An address asked about, (type of number, numbering plan, octets), as `LinkPacker.source` and `dest` give the submit's.
Asked = tuple[int, int, bytes]

NO_ANSWER: Final = -1  # `status` of a question that was not answered in time


class Queried(NamedTuple):
    """The answer to a query_sm (section 4.8.2). `state` is a message_state, 0 unless `status` is ESME_ROK.

    `error` is the network's own code; `final_date` is "" or as the operator writes it, YYMMDDhhmmsstnnp.
    """

    sequence: int
    status: int
    state: int
    final_date: str
    error: int


class Questions:
    """The questions of one bind that wait for their answer. Times are monotonic seconds."""

    def __init__(self, answer_s: float) -> None:
        self._answer_s = answer_s
        self._waiting: dict[int, tuple[int, float]] = {}  # by sequence, the oldest first: command, when asked

    def __contains__(self, sequence: int) -> bool:
        return sequence in self._waiting

    def ask(self, pdu: Pdu, now: float) -> bytes:
        """The octets of a query_sm or cancel_sm, noted as under way. Raises PduError when a field does not fit."""
        octets = encode(pdu)
        self._waiting[pdu.sequence] = pdu.command_id, now
        return octets

    def heard(
        self,
        frame: bytes,
        command: int,
        status: int,
        sequence: int,
        queried: list[Queried],
        cancelled: list[tuple[int, int]],
    ) -> bool:
        """Takes an answer, or a generic_nack, into one of the lists. False when no such question waits."""
        waiting = self._waiting.get(sequence)
        if waiting is None or command not in (GENERIC_NACK, waiting[0] | RESPONSE):
            return False
        del self._waiting[sequence]
        if command == GENERIC_NACK:
            status = status or ESME_RUNKNOWNERR
        if waiting[0] == CANCEL_SM:
            cancelled.append((sequence, status))
        else:
            queried.append(_answer(frame, status, sequence))
        return True

    def late(self, now: float, queried: list[Queried], cancelled: list[tuple[int, int]]) -> None:
        """Gives up what was not answered in time: the bind is not judged by it, some operators just do not answer."""
        for sequence, (command, asked_s) in list(self._waiting.items()):
            if now - asked_s < self._answer_s:
                return
            del self._waiting[sequence]
            if command == CANCEL_SM:
                cancelled.append((sequence, NO_ANSWER))
            else:
                queried.append(Queried(sequence, NO_ANSWER, 0, "", 0))

    def next_s(self) -> float:
        """When `late` next has something to do; infinity when it has not."""
        for _, asked_s in self._waiting.values():
            return asked_s + self._answer_s
        return float("inf")

    def clear(self) -> None:
        self._waiting.clear()


def query(message_id: str, source: Asked) -> Pdu:
    """A query_sm (section 4.8.1), its sequence still to be set: the operator compares `source` with the submit's."""
    ton, npi, octets = source
    return Pdu(
        QUERY_SM,
        fields={
            "message_id": message_id.encode("latin-1", "replace"),
            "source_addr_ton": ton,
            "source_addr_npi": npi,
            "source_addr": octets,
        },
    )


def cancel(message_id: str, source: Asked, dest: Asked) -> Pdu:
    """A cancel_sm (section 4.9.1) of the one message with this id."""
    pdu = query(message_id, source)
    ton, npi, octets = dest
    fields = {**pdu.fields, "dest_addr_ton": ton, "dest_addr_npi": npi, "destination_addr": octets}
    return Pdu(CANCEL_SM, fields=fields)


def _answer(frame: bytes, status: int, sequence: int) -> Queried:
    if status != ESME_ROK:
        return Queried(sequence, status, 0, "", 0)
    try:
        pdu = decode(frame)
        state, error = pdu.fields["message_state"], pdu.fields["error_code"]
        assert isinstance(state, int) and isinstance(error, int)
        return Queried(sequence, status, state, text_of(pdu, "final_date"), error)
    except (PduError, KeyError):
        return Queried(sequence, ESME_RUNKNOWNERR, 0, "", 0)

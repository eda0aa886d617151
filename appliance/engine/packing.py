"""HOT: from a queue into a link's window; the intention of each segment becomes a row before its submit may leave."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from appliance.message import OTP
from appliance.smpp import ClientSession, PduError, relative_validity, status_name
from appliance.text import parts_with_udh

from .bind import Bind
from .ledger import Ledger
from .link import Link
from .waiting import Waiting

DATA_CODING: Final = (0, 8)  # by encoding: SMSC default alphabet, UCS-2 (SMPP 3.4 section 5.2.19)
UDHI: Final = 0x40  # section 5.2.12
RECEIPT_WANTED: Final = 1  # section 5.2.17


class Staged(NamedTuple):
    """What a beat submits on one bind once its intentions are durable; only on the very session that gave the sequences."""

    bind: Bind
    session: ClientSession
    frames: list[bytes]
    sequences: list[int]
    parts: list[tuple[Waiting, int]]


def fill(ledger: Ledger, link: Link, queue: deque[Waiting], class_: int, room: int, now_ms: int) -> int:
    """Stages at most `room` segments of one queue on a link, in order; how many. What has expired leaves the queue."""
    staged = link.staged
    before = len(staged)
    while queue and room > 0:
        waiting = queue[0]
        if waiting.expires_ms <= now_ms:
            queue.popleft()
            ledger.queues.popped(class_)
            ledger.expired(waiting, now_ms)
            continue
        if waiting.segments == 1:
            waiting.todo = []
            staged.append((waiting, 1))
            room -= 1
            queue.popleft()
            ledger.queues.popped(class_)
            continue
        parts = waiting.take(room)
        room -= len(parts)
        staged += [(waiting, part) for part in parts]
        if not waiting.todo:
            queue.popleft()
            ledger.queues.popped(class_)
    return len(staged) - before


def pack(ledger: Ledger, link: Link, now_ms: int) -> list[Staged]:
    """What is staged on a link as submits, each bind's share by itself."""
    staged, link.staged = link.staged, []
    out: list[Staged] = []
    at = 0
    for bind, share in link.shares(len(staged)):
        out.append(_pack_on(ledger, link, bind, staged[at : at + share], now_ms))
        at += share
    return out


def _pack_on(ledger: Ledger, link: Link, bind: Bind, staged: list[tuple[Waiting, int]], now_ms: int) -> Staged:
    """Reserves sequences, packs the submits and notes the intentions."""
    session = bind.session
    sequences = session.reserve(len(staged))
    pack_one = link.packer.pack
    frames: list[bytes] = []
    kept: list[tuple[Waiting, int]] = []
    used: list[int] = []
    sender_default = link.settings.default_sender
    for sequence, (waiting, part) in zip(sequences, staged, strict=True):
        if waiting.parts is None:
            waiting.parts = _parts(waiting, link.settings.reference_bits)
        left_s = (waiting.expires_ms - now_ms) // 1000
        try:
            frames.append(
                pack_one(
                    sequence,
                    waiting.sender or sender_default,
                    waiting.to,
                    UDHI if waiting.segments > 1 else 0,
                    DATA_CODING[waiting.encoding],
                    RECEIPT_WANTED,
                    relative_validity(left_s if waiting.class_ == OTP else left_s - left_s % 60 + 60),
                    waiting.parts[part - 1],
                )
            )
        except PduError as e:
            ledger.work[waiting.day].intents.append(
                (waiting.seq << 8 | part, ledger.link_numbers[waiting.day][link.name], now_ms)
            )
            ledger.refused(link.name, waiting, part, status_name(e.status), now_ms)
            continue
        used.append(sequence)
        kept.append((waiting, part))
        ledger.work[waiting.day].intents.append(
            (waiting.seq << 8 | part, ledger.link_numbers[waiting.day][link.name], now_ms)
        )
    link.paces.link.spent(len(kept))
    return Staged(bind, session, frames, used, kept)


def _parts(waiting: Waiting, reference_bits: int) -> list[bytes]:
    if waiting.segments == 1:
        return [waiting.payload]
    # Random octets of the id: two long messages to one telephone hardly ever share a reference, and after a restart
    # the parts still to send have that of the parts that left.
    reference = int.from_bytes(waiting.message_id[-2:], "big")
    return parts_with_udh(waiting.encoding, waiting.payload, reference, reference_bits)

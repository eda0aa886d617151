"""HOT: from a queue into a link's window; the intention of each segment becomes a row before its submit may leave."""

from __future__ import annotations

from typing import NamedTuple

from appliance.message import CLASSES, reference_of
from appliance.smpp import ClientSession, PduError, status_name

from .bind import Bind
from .fitting import intend
from .ledger import Ledger
from .link import Link
from .waiting import Waiting


class Staged(NamedTuple):
    """What a beat submits on one bind once its intentions are durable; only on the very session that gave the sequences."""

    bind: Bind
    session: ClientSession
    frames: list[bytes]
    sequences: list[int]
    parts: list[tuple[Waiting, int]]


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
    pack_one, prepare = link.packer.pack, link.packer.prepare
    stamp = link.stamp
    referenced = link.settings.user_message_reference
    frames: list[bytes] = []
    kept: list[tuple[Waiting, int]] = []
    used: list[int] = []
    for sequence, (waiting, part) in zip(sequences, staged, strict=True):
        parts = waiting.parts
        if parts is None:
            parts = waiting.parts = prepare(waiting.encoding, waiting.payload, 0)
        left_s = (waiting.expires_ms - now_ms) // 1000
        reference = reference_of(waiting.message_id, part) if referenced else 0
        sender, group = waiting.sender, waiting.group
        if group is not None and group.rewrites:
            sender = group.sender(sender, CLASSES[waiting.class_], now_ms)
            if link.settings.query_sm:
                ledger.work[waiting.day].sent_as.append((waiting.seq << 8 | part, sender))
        try:
            frame = pack_one(sequence, sender, waiting.to, parts, part, waiting.class_, left_s, now_ms, reference)
            frames.append(frame if stamp is None else stamp.on(frame, sender, waiting))
        except PduError as e:
            intend(ledger, link, waiting, part, now_ms)
            ledger.refused(link.name, waiting, part, status_name(e.status), now_ms)
            continue
        used.append(sequence)
        kept.append((waiting, part))
        intend(ledger, link, waiting, part, now_ms)
    link.paces.link.spent(len(kept))
    return Staged(bind, session, frames, used, kept)

"""Words every room shares about a message: its statuses, classes, encodings, identifiers, and the batch that carries many.

HOT: imported by the hot path; never formats, logs or reads a clock.
"""

from __future__ import annotations

import os
from typing import Final

import msgspec

STATUSES: Final = (
    "accepted",
    "scheduled",
    "queued",
    "sent",
    "delivered",
    "undelivered",
    "failed",
    "expired",
    "cancelled",
    "rejected",
    "indeterminate",
)
(
    ACCEPTED,
    SCHEDULED,
    QUEUED,
    SENT,
    DELIVERED,
    UNDELIVERED,
    FAILED,
    EXPIRED,
    CANCELLED,
    REJECTED,
    INDETERMINATE,
) = range(len(STATUSES))
#: Absorbing: nothing heard later moves a message out of these. `indeterminate` is not one: a late receipt resolves it.
FINAL: Final = frozenset({DELIVERED, UNDELIVERED, FAILED, EXPIRED, CANCELLED, REJECTED})

#: Not a status: in the events for the courier, "the content was erased: forget what you hold of it".
REDACTED: Final = 254
#: Nor this: what a customer wrote, on its way to a webhook.
RECEIVED: Final = 253
#: Nor this: what a workflow tells the bank.
WORKFLOW: Final = 252
#: Nor this: what two people of the console change.
CHANGE: Final = 251

#: Bits of a message's `notify`: the callback address in its content; the system that sent it through the SMPP door, of
#: every final status, or of those that are not `delivered`.
NOTIFY_WEBHOOK, NOTIFY_DOOR, NOTIFY_DOOR_FAILURES = 1, 2, 4
#: Above the bits: the number of the door account that sent the message and is told (`account << NOTIFY_ACCOUNT_SHIFT`).
NOTIFY_ACCOUNT_SHIFT: Final = 8

#: In order of priority: a class never waits behind one to its right.
CLASSES: Final = ("otp", "alert", "transaction", "bulk")
OTP, ALERT, TRANSACTION, BULK = range(len(CLASSES))

ENCODINGS: Final = ("gsm7", "ucs2")
GSM7, UCS2 = range(len(ENCODINGS))


#: What an id says of the shard that owns its message. RFC 9562 leaves 12 bits after the version and 62 after the variant to
#: us: of the 12 the low ten count within a call, the one above says that the first six of the 62 name a shard. Without it the
#: shard is 0: so it is in every id of a box with one shard, and of all that were given before there were shards.
SHARDS_MAX: Final = 64
_COUNT: Final = 0x3FF
_SHARDED: Final = 0x400


def new_ids(count: int, at_ms: int, shard: int = 0) -> list[bytes]:
    """`count` fresh UUIDv7 (RFC 9562 section 5.7), 16 octets each, all with the time `at_ms`, of messages that `shard` owns.

    The low ten of the 12 bits after the version count, so that a request of 1,000 keeps its order in an index.
    """
    stamp = at_ms.to_bytes(6, "big")
    random = os.urandom(8 * count)
    out = []
    if shard:
        owner = bytes((0x80 | shard,))
        for k in range(count):
            out.append(
                stamp + (0x7000 | _SHARDED | k & _COUNT).to_bytes(2, "big") + owner + random[8 * k + 1 : 8 * k + 8]
            )
        return out
    for k in range(count):
        tail = random[8 * k : 8 * k + 8]
        out.append(stamp + (0x7000 | k & _COUNT).to_bytes(2, "big") + bytes((0x80 | (tail[0] & 0x3F),)) + tail[1:])
    return out


def shard_of(message_id: bytes) -> int:
    """The shard that owns a message."""
    return message_id[8] & 0x3F if message_id[6] & 0x04 else 0


def id_text(message_id: bytes) -> str:
    """The canonical 36-character form of a 16-octet id."""
    h = message_id.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def id_octets(text: str) -> bytes | None:
    """The 16 octets of a canonical id, or None when `text` is not one (lower-case UUIDv7 only)."""
    if len(text) != 36 or text[8] + text[13] + text[18] + text[23] != "----" or text[14] != "7":
        return None
    packed = text.replace("-", "")
    if len(packed) != 32 or any(c not in "0123456789abcdef" for c in packed):
        return None
    return bytes.fromhex(packed)


def id_ms(message_id: bytes) -> int:
    """The time within an id, milliseconds since 1970; its day is the message's partition."""
    return int.from_bytes(message_id[:6], "big")


def reference_of(message_id: bytes, part: int = 1) -> int:
    """16 random bits of an id: what an operator may give back of part `part`, and what joins a long message's parts.

    The same after a restart; two messages to one telephone hardly ever share it.
    """
    return (message_id[-2] << 8 | message_id[-1]) + part - 1 & 0xFFFF


class IdempotentRequest(msgspec.Struct, array_like=True):
    """A request inside a batch that came with an Idempotency-Key: rows `first` to `first + count` are its own."""

    first: int
    count: int
    key_mac: bytes  # 16 octets: HMAC of caller and key
    body_mac: bytes  # 16 octets: HMAC of the request body
    answer: bytes  # the answer to give again, sealed under the batch's key with AAD b"a" + key_mac


class Batch(msgspec.Struct, array_like=True):
    """Equal-length columns, one row a message, all of one UTC day: what a gateway hands to an engine.

    `numbers` and `contents` are sealed and are what is stored; `to` and `payloads` are the same in clear, live only in
    memory and save the engine from opening what was sealed a millisecond ago.
    """

    day: int
    accepted_ms: int
    key_id: int
    ids: list[bytes]
    callers: list[int]  # API key's number
    classes: list[int]
    encodings: list[int]
    segments: list[int]
    senders: list[str]
    calling_codes: list[int]  # 39 for Italy; kept in clear for routing and usage
    number_indexes: list[bytes]  # 16 octets, keyed blind index
    numbers: list[bytes]  # sealed, AAD b"n" + id
    contents: list[bytes]  # sealed Content, AAD b"c" + id
    send_at_ms: list[int]  # 0: now
    expires_ms: list[int]
    notify: list[int]  # NOTIFY_ bits: who is told of a message's statuses
    to: list[str]  # clear, with the plus
    payloads: list[bytes]  # clear, encoded: unpacked septets or UTF-16BE
    requests: list[IdempotentRequest]
    basis: str = ""  # versions of the rules by which its messages were let through, as `appliance.evidence` names them
    operators: dict[str, str] = {}  # number -> code of the operator that ENUM knows it to be of; memory only


class DoorNote(msgspec.Struct, array_like=True):
    """What a message that came through the SMPP door must say again in its receipt, as the bank's system wrote it.

    Addresses are (type of number, numbering plan, text) as submitted; the receipt has them the other way round.
    """

    source: tuple[int, int, str]
    dest: tuple[int, int, str]
    ids: list[str]  # as given in each submit_sm_resp whose receipt is wanted; empty: one, the message's own id
    service_type: str = ""
    data_coding: int = 0  # as submitted: a replace_sm has none of its own and is read like it


class Content(msgspec.Struct, array_like=True):
    """What is sealed as one blob: the encoded text and what the bank attached to it."""

    encoding: int
    payload: bytes
    reference: str | None = None
    callback_url: str | None = None
    metadata: dict[str, str] | None = None
    door: DoorNote | None = None
    ruled: list[str] | None = (
        None  # what rules made of it on its way in: `template:NAME@3`, `content:card_masked`, `quiet_hours:NAME`
    )

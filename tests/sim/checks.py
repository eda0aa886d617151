"""What must hold when everything has healed and settled: nothing lost, nothing twice that does not say so, all told, all counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from appliance.audit.note import Verifier, signed
from appliance.audit.publish import Publisher, log_folder
from appliance.audit.shelf import Shelf
from appliance.message import (
    BULK,
    CANCELLED,
    DELIVERED,
    EXPIRED,
    FAILED,
    FINAL,
    INDETERMINATE,
    NOTIFY_DOOR,
    NOTIFY_WEBHOOK,
    QUEUED,
    REDACTED,
    REJECTED,
    SCHEDULED,
    SENT,
    STATUSES,
    UNDELIVERED,
)
from appliance.smpp import spec
from appliance.store import stored
from appliance.store.doubts import HELD

from .others import chained, index_of

if TYPE_CHECKING:
    from .bank import Message
    from .world import World

#: What a message of one segment becomes when its receipt says this.
FATES = {
    spec.STATE_DELIVERED: DELIVERED,
    spec.STATE_EXPIRED: EXPIRED,
    spec.STATE_DELETED: UNDELIVERED,
    spec.STATE_UNDELIVERABLE: UNDELIVERED,
    spec.STATE_UNKNOWN: UNDELIVERED,
    spec.STATE_REJECTED: REJECTED,
}
OUTBOXES = {"audit": "audit_outbox", "webhooks": "webhook_outbox", "doors": "door_outbox"}
OPEN = frozenset({0, SCHEDULED, QUEUED, SENT})
ENDED = frozenset({CANCELLED, EXPIRED, FAILED, REJECTED})  # as this box decides
ENDED_BY = frozenset({"close", "close?", "redact", "redact?"})  # people, whatever became of it


def statuses_of(engine: Any) -> dict[bytes, int]:
    """Message id -> status, of every day that is open."""
    out: dict[bytes, int] = {}
    for partition in engine.ledger.partitions.values():
        out.update(stored.statuses(partition.conn.inner))
    return out


def committing(engine: Any) -> bool:
    """Whether a commit is under way: what its connection reads may still not be on the disk."""
    return any(partition.conn.in_transaction for partition in engine.ledger.partitions.values())


def held(world: World) -> list[bytes]:
    """Ids of the bank's messages that wait for a person, oldest first."""
    if world.engine is None:
        return []
    sql = "SELECT DISTINCT m.id FROM undecided u JOIN message m ON m.seq=u.key>>8 WHERE u.act=? ORDER BY m.seq"
    ids = [row[0] for p in world.engine.ledger.partitions.values() for row in p.conn.inner.execute(sql, (HELD,))]
    return [each for each in ids if each in world.bank.by_id]


def unsettled(world: World) -> list[str]:
    """What is still to happen."""
    engine = world.engine
    if engine is None or not engine.ready or engine.stopping.is_set():
        return ["the engine is not ready"]
    if world.bank.busy:
        return ["the bank is still handing in"]
    if committing(engine):
        return ["a commit is under way"]
    now_ms = world.now_ms()
    found = statuses_of(engine)
    out = []
    for message_id, status in found.items():
        message = world.bank.by_id.get(message_id)
        if status == SENT and _nameless(world):
            continue  # its receipt may have been one that two messages could mean
        if status in OPEN and (message is None or message.send_at_ms < now_ms):
            out.append(f"{world.named(message_id)} is {STATUSES[status]}")
        elif status == SCHEDULED:
            out.append(f"{world.named(message_id)} is scheduled")
    for day, partition in engine.ledger.partitions.items():
        for kind, table in OUTBOXES.items():
            upto = engine.outward.settled.get((kind, day), 0)
            (n,) = partition.conn.inner.execute(f"SELECT count(*) FROM {table} WHERE n>?", (upto,)).fetchone()
            if n:
                out.append(f"{n} rows in {table} of {day}")
    for customer in sorted(world.bank.wrote_stop):
        if world.bank.watch.consent.suppressed.first_of(("", "marketing"), index_of(customer)) is None:
            out.append(f"the STOP of {customer} is not in force")
    heard = _heard(world)
    for n, text in world.bank.written.items():
        if heard[text] == 0:
            out.append(f"letter {n} was not heard")
    return out


def _heard(world: World) -> Counter[str]:
    """Texts of customers as they are kept."""
    out: Counter[str] = Counter()
    assert world.engine is not None
    for partition in world.engine.ledger.partitions.values():
        for message_id, key_id, content in partition.conn.inner.execute("SELECT id,key_id,content FROM heard"):
            opened = msgspec.msgpack.decode(world.keys.of_day(key_id).open(content, b"h" + message_id))
            out[opened["text"]] += 1
    return out


def at_the_end(world: World) -> None:
    engine = world.engine
    assert engine is not None
    found = statuses_of(engine)
    world.statuses.all_there(found)
    events: dict[bytes, list[tuple[int, str]]] = defaultdict(list)
    for partition in engine.ledger.partitions.values():
        for message_id, status, detail in partition.conn.inner.execute(
            "SELECT m.id,e.status,e.detail FROM event e JOIN message m ON m.seq=e.seq ORDER BY e.n"
        ):
            events[message_id].append((status, detail))
    for message_id in found.keys() & world.bank.by_id.keys():
        world.bank.by_id[message_id].left = 1  # as a batch has it; what is a row says it itself
    for partition in engine.ledger.partitions.values():
        for message_id, segments in partition.conn.inner.execute("SELECT id,segments FROM message"):
            if message_id in world.bank.by_id:  # a link that takes long messages whole makes one of many
                world.bank.by_id[message_id].left = segments
    for message in world.bank.messages.values():
        _message(world, message, found.get(message.id), events[message.id])
    _told(world, found)
    _left_alone(world)
    _counted(world, engine, found)
    _audited(world, engine)


def _message(world: World, message: Message, status: int | None, events: list[tuple[int, str]]) -> None:
    said = f"message {message.number} ({message.word}, {STATUSES[status] if status is not None else 'nowhere'})"
    reached = world.truth.reached.get(message.number)
    if message.word in ("refused", "never"):
        if status is not None:
            world.violated(f"{said} is in the store")
        if reached is not None:
            world.violated(f"{said} reached an operator")
        return
    if status is None:
        if reached is not None:
            world.violated(f"{said} reached an operator and is in no store")
        return
    parts = reached.parts if reached is not None else {}
    # Each time a segment was in doubt is an event of its own; only then may it leave once more.
    doubts = sum(1 for s, detail in events if s == INDETERMINATE and detail.startswith("no answer"))
    doubts += sum(1 for s, detail in events if "sent again as a person decided" in detail)
    world.doubted += doubts
    again = sum(max(0, len(times) - 1) for times in parts.values())
    if again > doubts:
        world.violated(f"{said}: taken {again} times too often, {doubts} doubts on record: {dict(parts)}")
    nameless = status == SENT and _nameless(world)
    if status in OPEN and not nameless:
        world.violated(f"{said}: nothing moves it")
    told = [detail for _, detail in events if "resolved by receipt (" in detail]
    world.told_by.update(detail.partition("(")[2].partition(")")[0] for detail in told)
    if doubts:
        # What became of it is its policy's to say, and that nothing was lost or doubled in silence was seen above: but no guess.
        # By the cut of the link that it left over last.
        last = [parts.get(part, []) for part in range(1, message.left + 1)]
        if status == DELIVERED and not all(any(fate == spec.STATE_DELIVERED for *_, fate in times) for times in last):
            world.violated(f"{said}: was in doubt, and no handset has it: {dict(parts)}")
        fates = {FATES[fate] for times in last for *_, fate in times}
        if told and message.left == 1 and status in FATES.values() and status not in fates:
            world.violated(f"{said}: a receipt settled it, and it was another's: {dict(parts)}")
        if message.left == 1 and status in ENDED - fates and not ENDED_BY.intersection(message.acts):
            world.violated(f"{said}: was in doubt, and the box ended it alone: {dict(parts)}")
        return
    whole = len(parts) >= message.left
    if nameless and (whole or message.left > 1):  # a refused part counts when the others have theirs
        return
    fates = [times[0][2] for times in parts.values()]
    if whole and message.left == 1 and status != FATES[fates[0]]:
        world.violated(
            f"{said}: its handset says {STATUSES[FATES[fates[0]]]}, and it was never in doubt: {dict(parts)}"
        )
    elif whole and (status == DELIVERED) != all(fate == spec.STATE_DELIVERED for fate in fates):
        world.violated(f"{said}: its handset says otherwise, and it was never in doubt: {dict(parts)}")
    elif not whole and status in (DELIVERED, SENT):
        world.violated(f"{said}: not all of it left: {dict(parts)}")
    elif status == INDETERMINATE:
        world.violated(f"{said}: without a doubt on record")


def _nameless(world: World) -> bool:
    """Whether an operator's receipts have no ids."""
    return any(link.get("receipt_format") == "csv" for link in world.plan.links)


def _told(world: World, found: dict[bytes, int]) -> None:
    """Courier and door heard of every final status once, and of nothing after it."""
    for taker, bit in ((world.courier, NOTIFY_WEBHOOK), (world.door, NOTIFY_DOOR)):
        for gap in taker.gaps:
            world.violated(f"the outbox for {taker.name} has a gap: {gap}")
        finals: Counter[bytes] = Counter()
        for message_id, _, _, status, *_ in taker.events:
            if status == REDACTED:
                continue  # no status: its content is to be forgotten
            if finals[message_id]:
                world.violated(f"{world.named(message_id)}: {taker.name} was told {status} after its end")
            if status in FINAL:
                finals[message_id] += 1
                if found.get(message_id) != status:
                    world.violated(f"{world.named(message_id)}: {taker.name} was told {STATUSES[status]}, it is not")
        for message_id, status in found.items():
            message = world.bank.by_id.get(message_id)
            if message is not None and message.notify & bit and status in FINAL and not finals[message_id]:
                if "redact" in message.acts or "redact?" in message.acts:
                    continue
                world.violated(f"{world.named(message_id)}: {taker.name} never heard that it is {STATUSES[status]}")


def _left_alone(world: World) -> None:
    """Who was told "no more" got no more of it."""
    told: dict[str, float] = {}
    for to, at_s, text in world.truth.answers:
        if "no more messages" in text:
            told.setdefault(to, at_s)
    for number, reached in world.truth.reached.items():
        message = world.bank.messages[number]
        if message.class_ != BULK or message.to not in told:
            continue
        # What was on another link's wire when the customer's word took effect may arrive a moment after the confirmation.
        late = [at_s for times in reached.parts.values() for _, at_s, _ in times if at_s > told[message.to] + 1.5]
        if late:
            world.violated(
                f"message {number} reached {message.to} {late[0] - told[message.to]:.1f} s after its confirmation"
            )


def _counted(world: World, engine: Any, found: dict[bytes, int]) -> None:
    """Segments told, stored and left agree."""
    kept = 0
    for partition in engine.ledger.partitions.values():
        rows = partition.conn.inner.execute("SELECT id,segments FROM message").fetchall()
        # What is in a batch and is no row has one segment.
        kept += sum(n for _, n in rows) + len(stored.statuses(partition.conn.inner).keys() - {i for i, _ in rows})
    told = sum(m.left if _fitted(world) else m.segments for m in world.bank.messages.values() if m.id in found)
    own = sum(1 for message_id in found if message_id not in world.bank.by_id)
    if kept != told + own:
        world.violated(f"{kept} segments in the store, {told} accepted and {own} of its own")


def _fitted(world: World) -> bool:
    return any(link["long_message"] == "payload" for link in world.plan.links)


def _audited(world: World, engine: Any) -> None:
    """The log counts every batch, and other people's checks find it whole."""
    auditor = world.auditor
    assert auditor is not None and auditor.journal is not None
    journal = auditor.journal
    messages = 0
    for text in journal.entries(0, journal.size()):
        entry = msgspec.json.decode(text)
        if entry["what"] == "batch.committed":
            messages += entry["detail"]["messages"]
        elif entry["what"] == "audit.gap":
            world.violated("the audit log has a gap")
    head, at = b"", 0
    for size in sorted(world.heads):
        head, at = chained(head, journal.entries(at, size)), size
        if head != world.heads[size]:
            world.violated(f"the audit log is not what it was when it had {size} entries")
            break
    kept = len(statuses_of(engine))
    if messages != kept:
        world.violated(f"the audit log has {messages} messages, the store {kept}")
    _verified(world, journal)


def _verified(world: World, journal: Any) -> None:
    """The whole log published and read back by the verifier that imports nothing of this house."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
    origin = "bank.example/audit"
    verifier = Verifier(origin, private.public_key().public_bytes_raw())
    publisher = Publisher(journal, Shelf(log_folder(world.settings.home)), origin)
    checkpoint = publisher.advance(journal.size())
    note = signed(checkpoint, verifier, private.sign(checkpoint.body()))
    publisher.accept(checkpoint, verifier, note)
    publisher.restore(journal.size(), {"vkey": verifier.vkey(), "checkpoint": note})

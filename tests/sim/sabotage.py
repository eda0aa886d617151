"""Bugs put in on purpose, to see that the checks see them. Each is one thing that the engine or its disk promises and then does not do.

Each names the check that has to see it, by what that says, and a seed in which it does: other checks may see it, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NamedTuple

from appliance import limits
from appliance.audit.journal import Journal
from appliance.engine import acts, ahead, beat, matching, paging, undecided, unsent
from appliance.engine.beat import Beat
from appliance.engine.bind import Bind
from appliance.engine.joining import Joiner
from appliance.engine.ledger import Ledger
from appliance.engine.left_alone import Stops
from appliance.engine.link import Link
from appliance.engine.outward import Outward
from appliance.engine.pace import Pace
from appliance.message import CANCELLED, FINAL, QUEUED
from appliance.store import Partition

from .sqlite import Connection
from .world import World


@contextmanager
def _instead(owner: Any, name: str, what: Any) -> Iterator[None]:
    before = owner.__dict__[name]
    setattr(owner, name, what)
    try:
        yield
    finally:
        setattr(owner, name, before)


# --- what is durable -------------------------------------------------------------------------------------


@contextmanager
def lying_disk() -> Iterator[None]:
    """A disk whose syncs do nothing."""
    made = World.__init__

    def init(self: World, *given: Any, **named: Any) -> None:
        made(self, *given, **named)
        self.disk.lies = True

    with _instead(World, "__init__", init):
        yield


@contextmanager
def no_syncs() -> Iterator[None]:
    """A store that is written without waiting for the disk: what was not synced is lost, torn, or there in another order."""
    execute = Connection.execute

    def loose(self: Connection, sql: str, parameters: Any = ()) -> Any:
        if sql == "BEGIN IMMEDIATE" and self.path.name.startswith("messages-"):
            self.inner.execute("PRAGMA synchronous=OFF")
        return execute(self, sql, parameters)

    with _instead(Connection, "execute", loose):
        yield


@contextmanager
def told_too_soon() -> Iterator[None]:
    """A gateway is answered before its batch is on disk."""
    durable = Beat.__dict__["_make_durable"]

    async def make_durable(self: Beat, now_ms: int, replies: list[Any]) -> None:
        for future, reply, _ in replies:
            if not future.done():
                future.set_result(reply)
        await durable(self, now_ms, replies)

    with _instead(Beat, "_make_durable", make_durable):
        yield


@contextmanager
def receipts_acknowledged_first() -> Iterator[None]:
    """Receipts are acknowledged before the commit."""
    delivers = Beat.__dict__["_delivers"]

    def early(self: Beat, now_ms: int, most: int, heard: dict[str, int]) -> list[Any]:
        out = delivers(self, now_ms, most, heard)
        for bind, session, answers in out:
            if bind.transport is not None and bind.session is session:
                bind.session.acknowledge(answers)
                bind.flush()
        return []

    with _instead(Beat, "_delivers", early):
        yield


@contextmanager
def told_with_the_beat_before() -> Iterator[None]:
    """What is decided while a commit is under way is told at once."""
    stepped = ahead.step

    def step(self: Beat) -> bool:
        more = stepped(self)
        for future, reply, _ in self.ahead.replies:
            if not future.done():
                future.set_result(reply)
        return more

    with _instead(ahead, "step", step):
        yield


@contextmanager
def dropped_when_it_fails() -> Iterator[None]:
    """What was decided while a commit was under way is forgotten when that fails."""

    def rejoin(self: Ledger) -> None:
        if self.committing is not None:
            self._decide(self.committing)
            self.committing = None

    with _instead(Ledger, "rejoin", rejoin):
        yield


@contextmanager
def refused_and_kept() -> Iterator[None]:
    """A transaction whose commit failed stays in the log: a restart finds whole what was refused."""
    with _instead(Partition, "write_over", lambda self, now_ms: self.rollback()):
        yield


@contextmanager
def read_in_the_midst() -> Iterator[None]:
    """Somebody reads a store whenever a link ticks, also while its commit waits for the disk."""
    ticked, worlds = Link.tick, World.__init__
    seen: list[World] = []

    def init(self: World, *given: Any, **named: Any) -> None:
        worlds(self, *given, **named)
        seen[:] = [self]

    def tick(self: Link, now_s: float) -> None:
        ticked(self, now_s)
        for partition in seen[0].engine.ledger.partitions.values() if seen[0].engine is not None else ():
            partition.mark("floor")

    with _instead(World, "__init__", init), _instead(Link, "tick", tick):
        yield


# --- what leaves -----------------------------------------------------------------------------------------


@contextmanager
def forgotten_intentions() -> Iterator[None]:
    """A restart does not look for segments that were under way."""
    with _instead(Partition, "interrupted", lambda self, floor: []):
        yield


@contextmanager
def sent_again_in_silence() -> Iterator[None]:
    """What was under way when a bind or the engine went is sent again and no doubt is on record."""

    def silent(ledger: Any, day: int, key: int, *_: Any) -> bool:
        undecided.unfold_now(ledger, day, [key >> 8])
        ledger.work[day].requeued.append((QUEUED, None, key))
        return True

    with _instead(undecided, "interrupted", silent), _instead(paging, "interrupted", silent):
        yield


@contextmanager
def wide_window() -> Iterator[None]:
    """A bind's window is wider than its link's settings say."""
    session = Bind.__dict__["_session"]

    def wide(self: Bind) -> Any:
        made = session(self)
        made.window += 20
        return made

    with _instead(Bind, "_session", wide):
        yield


@contextmanager
def no_pace() -> Iterator[None]:
    """A pace lets everything go."""
    with _instead(Pace, "allowed", lambda self, now_s: 1 << 30):
        yield


@contextmanager
def deaf_to_stop() -> Iterator[None]:
    """A customer's STOP is confirmed, and what waits for the customer leaves all the same."""
    with _instead(Stops, "sweep", lambda self, *_: 0), _instead(Stops, "accepted", lambda self, *_: None):
        yield


# --- what becomes of it ----------------------------------------------------------------------------------


@contextmanager
def final_moves() -> Iterator[None]:
    """What is over can still be cancelled."""

    def cancel(ledger: Any, day: int, message_id: bytes, who: str, now_ms: int, why: str | None = None) -> str:
        acts.known_by_id(ledger, day, message_id)
        row = ledger.partitions[day].by_id(message_id)
        if row is None:
            return "not_found"
        if row[1] in FINAL:
            ledger.message_ended(day, row[0], CANCELLED, why, row[2], now_ms)
            return "cancelled"
        return "not_cancellable"

    with _instead(acts, "cancel", cancel):
        yield


@contextmanager
def guesses() -> Iterator[None]:
    """A receipt of an unknown id settles whatever is in doubt to that number."""

    def any_one(claims: list[Any], candidates: list[Any], *_: Any) -> list[Any]:
        pairs = zip(claims, [c for c in candidates if c.act >= 0 and c.here], strict=False)
        return [matching.Fit(claim, candidate, "time") for claim, candidate in pairs]

    from appliance.engine import resolving

    with _instead(resolving, "fits", any_one):
        yield


@contextmanager
def doubts_forgotten() -> Iterator[None]:
    """What was in doubt and does not leave again ends as if it had never left."""
    with _instead(unsent, "_in_doubt", lambda *_: False):
        yield


@contextmanager
def never_settled() -> Iterator[None]:
    """The outboxes never forget what was taken."""
    with _instead(Outward, "settle", lambda self: None), _instead(Outward, "committed", lambda self, days: None):
        yield


@contextmanager
def untold() -> Iterator[None]:
    """One in five statuses is told to nobody."""
    from appliance.store import Work

    tell = Work.tell
    count = [0]

    def sometimes(self: Work, *given: Any) -> None:
        count[0] += 1
        if count[0] % 5:
            tell(self, *given)

    with _instead(Work, "tell", sometimes):
        yield


@contextmanager
def letters_lost() -> Iterator[None]:
    """Of a customer's long letter the last part is dropped."""
    take = Joiner.take

    def some(self: Joiner, piece: Any, now_ms: int) -> Any:
        if piece.part is not None and piece.part[2] == piece.part[3]:
            return []
        return take(self, piece, now_ms)

    with _instead(Joiner, "take", some):
        yield


# --- what is counted -------------------------------------------------------------------------------------


@contextmanager
def miscounted() -> Iterator[None]:
    """A message that is cancelled or expires has a segment more than was accepted."""
    write = Partition.write

    def more(self: Partition, work: Any) -> None:
        write(self, work)
        for status, *_, seq in work.progress:
            if status in FINAL:
                self.conn.execute("UPDATE message SET segments=segments+1 WHERE seq=?", (seq,))

    with _instead(Partition, "write", more):
        yield


@contextmanager
def unaudited() -> Iterator[None]:
    """A batch is committed without its entry for the audit log."""
    accepted = beat.accept
    count = [0]

    def accept(ledger: Any, batch: Any, now_ms: int) -> Any:
        answer = accepted(ledger, batch, now_ms)
        count[0] += 1
        if not count[0] % 3:
            work = ledger.work[batch.day]
            work.audit = [each for each in work.audit if each["what"] != "batch.committed"]
        return answer

    with _instead(beat, "accept", accept):
        yield


@contextmanager
def rewritten_history() -> Iterator[None]:
    """Somebody changes an entry of the audit log that was acknowledged long ago."""
    commit = Journal.commit

    def changed(self: Journal, size: int, calls: Any) -> Any:
        if size > 5:
            self._conn.execute("UPDATE entry SET entry=replace(entry,'\"ok\"','\"no\"') WHERE place=2")
        return commit(self, size, calls)

    with _instead(Journal, "commit", changed):
        yield


@contextmanager
def boundless_memory() -> Iterator[None]:
    """Queues take whatever comes, whatever their bound."""
    accepted = beat.accept

    def accept(ledger: Any, batch: Any, now_ms: int) -> Any:
        before, limits.QUEUE_MESSAGES_MAX = limits.QUEUE_MESSAGES_MAX, 1 << 30  # type: ignore[misc]
        try:
            return accepted(ledger, batch, now_ms)
        finally:
            limits.QUEUE_MESSAGES_MAX = before  # type: ignore[misc]

    with ExitStack() as stack:
        stack.enter_context(_instead(beat, "accept", accept))
        yield


class Sabotage(NamedTuple):
    """`said`: what the check that is meant says of it, a regular expression. `seed`: from which on it is looked for."""

    begun: Callable[[], Any]
    said: str
    seed: int = 1


SABOTAGE: Final[dict[str, Sabotage]] = {
    each.begun.__name__: each
    for each in (
        Sabotage(lying_disk, "was accepted and is not in the store|was committed and is not in the store"),
        Sabotage(no_syncs, "is not in the store"),
        Sabotage(told_too_soon, "was accepted and is not in the store|is in no store"),
        Sabotage(receipts_acknowledged_first, "not settled .* is sent"),
        Sabotage(told_with_the_beat_before, "was accepted and is not in the store", 3_000_005),
        Sabotage(dropped_when_it_fails, "reached an operator|never heard that it is", 3_000_010),
        Sabotage(refused_and_kept, "refused.* is in the store|refused.* reached an operator|refused, and then", 10_065),
        Sabotage(read_in_the_midst, "is used while its commit is under way"),
        Sabotage(forgotten_intentions, "not settled"),
        Sabotage(sent_again_in_silence, "times too often, 0 doubts on record"),
        Sabotage(wide_window, "under way in a window of"),
        Sabotage(no_pace, "faster than its pace"),
        Sabotage(deaf_to_stop, "after its confirmation"),
        Sabotage(final_moves, "was delivered and is cancelled|was told cancelled after its end|after its end"),
        Sabotage(guesses, "was in doubt, and no handset has it"),
        Sabotage(doubts_forgotten, "was in doubt, and the box ended it alone"),
        Sabotage(never_settled, "not settled .* rows in"),
        Sabotage(untold, "never heard that it is"),
        Sabotage(letters_lost, "letter .* was not heard"),
        Sabotage(miscounted, "segments in the store, .* accepted"),
        Sabotage(unaudited, "the audit log has .* messages, the store"),
        Sabotage(rewritten_history, "the audit log is not what it was"),
        Sabotage(boundless_memory, "messages of class . in memory"),
    )
}

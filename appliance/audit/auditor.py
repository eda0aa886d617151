"""The auditor process: the one writer of the audit log. Appends are durable before they are answered; checkpoints follow.

Three threads, each with its own connection: one commits, one publishes tiles and checkpoints, one reads for people.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from appliance.clock import now_ms
from appliance.errors import Error
from appliance.intercom import Client, Peer, Server
from appliance.limits import (
    AUDIT_CALL_ENTRIES_MAX,
    AUDIT_PENDING_ENTRIES_MAX,
    AUDIT_PRUNED_ENTRIES,
    AUDIT_REVIEW_LOOK_S,
    CHECKPOINT_S_MAX,
    HSM_CALL_S_MAX,
)
from appliance.settings import Settings

from .asked import Asked
from .cosigning import cosigners_of
from .entry import canonical, entry, impersonal
from .failing import Failing, told
from .forwarding import Forwarder, KeyFile, Source
from .guarding import REMEMBERED, Guard
from .journal import Call, Journal, Outcome
from .note import Verifier, check_name, genuine
from .payloads import call_of
from .promptness import Promptness
from .publish import Publisher, log_folder
from .reading import Reading
from .shelf import Shelf
from .witness import Witnesses, as_state, check_witnesses

log = logging.getLogger(__name__)

PURPOSE: Final = "audit checkpoint"
WHO: Final = "process:auditor"
PAUSE_S: Final = CHECKPOINT_S_MAX / 2  # from the first unsigned entry to the next checkpoint, with room to write it
RETRY_S_MAX: Final = 2.0
STOP_S_MAX: Final = 4.0  # for the last checkpoint

T = TypeVar("T")


class Auditor:
    """The log of one box, served on the socket `auditor`."""

    def __init__(self, settings: Settings, clear_key: KeyFile = contextlib.nullcontext) -> None:
        self.guard, self._clear_key = Guard(settings), clear_key
        self.origin = check_name(settings["audit.origin"])
        check_witnesses(list(settings["audit.witnesses"]))
        self.on = f"log:{impersonal(self.origin)}"
        self.size = 0
        self.asked = Asked(self)
        self.failing = Failing()
        self.refused: Error | None = None  # why nothing is taken: the log on disk does not agree with itself
        self.unsigned_since_ms: int | None = None  # since when a checkpoint has been due and could not be made
        self.unsigned_why = ""
        self.checkpoint_ms = 0
        self._waiting: list[tuple[Call, asyncio.Future[Outcome]]] = []
        self._waiting_entries = 0
        self._work = asyncio.Event()
        self._fresh = asyncio.Event()
        self._stalled = asyncio.Event()
        self._publishing = asyncio.Lock()
        self._threads = {
            name: ThreadPoolExecutor(1, f"audit-{name}") for name in ("commit", "publish", "read", "forward")
        }
        self._verifier: Verifier | None = None
        self._keys = Client(settings.socket("keys"))
        self.prompt = Promptness()
        self._tasks: list[asyncio.Task[None]] = []
        self._server = Server(
            {
                "append": self._append,
                "checkpoint": self._checkpoint,
                "entries": self.asked.entries,
                "proof": self.asked.proof,
                "request": self.asked.request,
                "cosigned": self.asked.cosigned,
                "verify": self.asked.verify,
                "export": self.asked.export,
                "review": self.asked.review,
                "reviewed": self.asked.reviewed,
                "prune": self.asked.prune,
                "accept": self.asked.accept,
                "state": self._state,
                "ping": self._ping,
            }
        )

    @property
    def settings(self) -> Settings:
        """Those in force."""
        return self.guard.settings

    async def start(self) -> None:
        """Opens the store, checks the log against its last checkpoint, listens.

        A log that does not agree with its checkpoint is not added to: every `append` is refused with `audit_invalid`
        until a person has looked, while reading, verifying and exporting the evidence go on.
        """
        path = self.settings.home / "audit" / "audit.db"
        shelf = Shelf(log_folder(self.settings.home))
        self._journal = await self.run("commit", Journal, path)
        self.publisher = Publisher(await self.run("publish", Journal, path, True), shelf, self.origin)
        self._forward = await self.run("forward", Journal, path, True)
        self.guard.begin(await self.run("forward", self._forward.said, REMEMBERED))
        self.witnesses = Witnesses(shelf.folder, check_witnesses(list(self.settings["audit.witnesses"])))
        source = Source(lambda: self.size, self._to_forward, self._forwarded, self.record)
        self._siem = Forwarder(self.settings, source, self._clear_key)
        self.cosigners = cosigners_of(self.settings, self.asked.cosigning())
        self.reading = Reading(await self.run("read", Journal, path, True), shelf, self.witnesses)
        try:
            self.size = await self.run("commit", self._journal.size)
            said = {
                n: await self.run("commit", self._journal.said, n) for n in ("vkey", "checkpoint", "at_ms", "minimum")
            }
            await self.run("publish", self.publisher.restore, self.size, said)
            self.checkpoint_ms = int(said["at_ms"] or 0)
        except Error as e:
            if e.code != "audit_invalid":
                raise
            self.refused = e
            log.critical("audit: nothing is recorded any more: %s", e)
        loops = [self._committing, self._checkpointing, self._recovering, self._reviewing]
        if self.refused is None:
            loops += [each.run for each in self.cosigners]
        self._tasks = [asyncio.create_task(each()) for each in loops]
        if self.refused is None:
            await self.record("process.start", "process:auditor", pid=os.getpid())
            await self.asked.tell_weaker()
        if self._siem.target:
            cursor = await self.run("forward", self._forward.said, "siem")
            self._tasks.append(asyncio.create_task(self._siem.run(int(cursor or 0))))
        await self._server.start(self.settings.socket("auditor"))

    async def stop(self) -> None:
        """Answers what was taken, records the stop, signs a last checkpoint if the keys process still answers."""
        await self._server.stop()
        with contextlib.suppress(Error):
            if self.refused is None:
                await self.record("process.stop", "process:auditor", pid=os.getpid())
        try:
            async with asyncio.timeout(STOP_S_MAX):
                await self.publish()
        except (Error, TimeoutError) as e:
            log.warning("audit: stopped without a last checkpoint: %s; it is made at the next start", e)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._keys.close()
        for name, journal in (
            ("forward", self._forward),
            ("read", self.reading.journal),
            ("publish", self.publisher.journal),
            ("commit", self._journal),
        ):
            await self.run(name, journal.close)
            self._threads[name].shutdown()

    async def run(self, thread: str, what: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads[thread], what, *args)

    # --- taking entries ------------------------------------------------------------------------------------

    async def _append(self, payload: Any, peer: Peer) -> dict[str, int]:
        call = call_of(payload)
        outcome = await self._take(call)
        return {"index": outcome.size - 1, "size": outcome.size}

    async def _take(self, call: Call) -> Outcome:
        """Durable when it returns. Raises Error `overloaded`, `store_full`, `audit_invalid`."""
        if self.refused is not None:
            raise self.refused
        if self.failing.now is not None and self.failing.now.damaged:
            raise self.failing.now.error
        if self._waiting_entries + len(call.entries) > AUDIT_PENDING_ENTRIES_MAX:
            raise Error("overloaded", "the audit log takes entries faster than its disk writes them", "try again")
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, future))
        self._waiting_entries += len(call.entries)
        self._work.set()
        outcome = await future
        if outcome.error is not None:
            raise outcome.error
        if outcome.gap is not None:
            expected, got = outcome.gap
            log.error("audit: %s skipped from %d to %d", call.source, expected, got)
            on = f"source:{impersonal(call.source)}"
            await self.record("audit.gap", on, "failed", expected_index=expected, got_index=got)
        return outcome

    async def record(self, what: str, on: str, outcome: str = "ok", who: str = WHO, **detail: str | int | bool) -> None:
        await self._take(Call("", 0, [canonical(entry(now_ms(), who, what, on, outcome, **detail))]))

    async def _committing(self) -> None:
        """Whatever waits goes into one transaction: the disk decides how large a group is."""
        while True:
            await self._work.wait()
            group, entries = [], 0
            while self._waiting and entries < AUDIT_CALL_ENTRIES_MAX:
                group.append(self._waiting.pop(0))
                entries += len(group[-1][0].entries)
            if not self._waiting:
                self._work.clear()
            self._waiting_entries -= entries
            try:
                outcomes = await self.run("commit", self._journal.commit, self.size, [call for call, _ in group])
            except Exception as e:
                if not isinstance(e, Error):
                    log.exception("audit: a commit failed")
                refusal = e if isinstance(e, Error) else Error("internal", "the audit log could not be written")
                outcomes = [Outcome(self.size, refusal)] * len(group)
                self.failing.failed(refusal, now_ms())
                self._stalled.set()
            if outcomes[-1].size > self.size:
                self.size = outcomes[-1].size
                self.prompt.sequenced((call for call, _ in group), now_ms())
                self._fresh.set()
                self._siem.poke()
            for (_, future), outcome in zip(group, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)

    async def _recovering(self) -> None:
        """While the store does not take anything: tries by itself, and says in the log since when it could not."""
        while True:
            await self._stalled.wait()
            await asyncio.sleep(RETRY_S_MAX)
            failure = self.failing.now
            if failure is None or failure.damaged:
                self._stalled.clear()
                continue
            with contextlib.suppress(Error):
                code = failure.error.code
                await self.record("audit.stalled", self.on, "failed", WHO, since_ms=failure.since_ms, code=code)
                self.failing.mended(now_ms())

    async def _reviewing(self) -> None:
        """Once a day, soon after midnight UTC. The first day of a log has nothing before it."""
        while True:
            try:
                await self.asked.review_if_due(now_ms())
            except Error as e:
                log.error("audit: the daily review could not be made: %s", e)
            except Exception:
                log.exception("audit: the daily review failed")
            await asyncio.sleep(AUDIT_REVIEW_LOOK_S)

    @property
    def siem_cursor(self) -> int:
        return self._siem.cursor

    async def remember(self, **values: str) -> None:
        await self.run("commit", lambda: self._journal.say(**values))

    async def prune(self, first: int, minimum: int) -> int:
        """Lets go of the entries from `first` to before `minimum`, in portions; returns how many files went."""
        for place in range(first + AUDIT_PRUNED_ENTRIES, minimum, AUDIT_PRUNED_ENTRIES):
            await self.run("commit", self._journal.prune, place)
        await self.run("commit", self._journal.prune, minimum)
        return await self.run("publish", self.publisher.prune, minimum)

    async def _to_forward(self, low: int, high: int) -> list[bytes]:
        return await self.run("forward", lambda: list(self._forward.entries(low, high)))

    async def _forwarded(self, cursor: int) -> None:
        await self.remember(siem=str(cursor))

    # --- checkpoints ---------------------------------------------------------------------------------------

    async def _checkpointing(self) -> None:
        retry_s = 0.0
        if self.unsigned():
            self._fresh.set()
        while True:
            await self._fresh.wait()
            await asyncio.sleep(max(PAUSE_S, retry_s))
            self._fresh.clear()
            try:
                await self.publish()
                retry_s = 0.0
            except Exception as e:
                if not isinstance(e, Error):
                    log.exception("audit: a checkpoint failed")
                retry_s = min(RETRY_S_MAX, 2 * retry_s + 0.1)
                self._fresh.set()

    def unsigned(self) -> int:
        """Entries that no checkpoint covers yet."""
        checkpoint = self.publisher.checkpoint
        return max(0, self.size - (checkpoint.size if checkpoint else 0))

    async def publish(self) -> None:
        """A checkpoint over everything durable now, unless there is one. Raises Error when it cannot be made."""
        if self.refused is not None:
            raise self.refused
        async with self._publishing:
            if not self.unsigned():
                return
            try:
                begun_ms = now_ms()
                checkpoint = await self.run("publish", self.publisher.advance, self.size)
                verifier, signature = await self.sign(PURPOSE, checkpoint.body())
                at_ms = now_ms()
                publisher = self.publisher
                note = publisher.note_of(checkpoint, verifier, signature)
                remember = {"vkey": verifier.vkey(), "checkpoint": note, "at_ms": str(at_ms)}
                await self.run("commit", lambda: self._journal.say(**remember))
                await self.run("publish", publisher.accept, checkpoint, verifier, note)
            except Error as e:
                if self.unsigned_since_ms is None:
                    self.unsigned_since_ms = now_ms()
                    log.error("audit: entries are durable but not signed: %s", e)
                self.unsigned_why = e.code
                raise
            since_ms, why = self.unsigned_since_ms, self.unsigned_why
            self.unsigned_since_ms, self.unsigned_why, self.checkpoint_ms = None, "", at_ms
            self.prompt.signed(begun_ms if self.unsigned() else None, now_ms())
        if since_ms is not None:
            log.warning("audit: entries are signed again")
            await self.record("audit.unsigned", self.on, "failed", WHO, since_ms=since_ms, code=why)

    async def ask_keys(self, op: str, payload: dict[str, Any]) -> Any:
        return await self._keys.call(op, payload, HSM_CALL_S_MAX)

    async def sign(self, purpose: str, body: bytes) -> tuple[Verifier, bytes]:
        """By the log's key. Raises Error `audit_invalid` when the HSM's is another, `key_refused`, or the keys process's own."""
        if self._verifier is None:  # once a run: is the token's key still the one of this log?
            key = (await self._keys.call("public_key", {"purpose": PURPOSE}, HSM_CALL_S_MAX))["key"]
            verifier = Verifier(self.origin, key)
            if self.publisher.verifier not in (None, verifier):
                raise Error(
                    "audit_invalid", "the HSM's audit key is not the one this log began with", "see the keys page"
                )
            self._verifier = verifier
        signature = (await self._keys.call("sign", {"purpose": purpose, "body": body}, HSM_CALL_S_MAX))["signature"]
        verifier = self._verifier
        if not genuine(verifier.key, body, signature):
            self._verifier = None
            raise Error("key_refused", "the signature that the HSM made does not verify")
        return verifier, signature

    async def _checkpoint(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """Answers when everything that was under way before the question is durable and under a signed checkpoint."""
        await self._take(Call("", 0, []))
        await self.publish()
        checkpoint = self.publisher.checkpoint
        if checkpoint is None:
            raise Error("not_found", "the audit log has no entries yet")
        return {
            "checkpoint": self.publisher.note,
            "size": checkpoint.size,
            "root": checkpoint.root,
            "at_ms": self.checkpoint_ms,
        }

    # --- how it is ---------------------------------------------------------------------------------------

    async def _state(self, payload: Any, peer: Peer) -> dict[str, Any]:
        checkpoint = self.publisher.checkpoint
        return {
            "ready": not self._why(),
            "why": self._why(),
            "failing_since_ms": self.failing.now.since_ms if self.failing.now else None,
            "origin": self.origin,
            "size": self.size,
            "checkpoint_size": checkpoint.size if checkpoint else 0,
            "checkpoint_ms": self.checkpoint_ms,
            "checkpoint": self.publisher.note,
            "vkey": self.publisher.verifier.vkey() if self.publisher.verifier else "",
            "unsigned": self.unsigned(),
            "unsigned_since_ms": self.unsigned_since_ms,
            "unsigned_why": self.unsigned_why,
            "waiting": self._waiting_entries,
            "minimum": self.publisher.minimum,
            "siem": self._siem.state(),
            "network_witnesses": [each.state() for each in self.cosigners],
            **self.prompt.state(),
            **self.guard.state(),
            **as_state(await self.run("read", self.witnesses.vouched), self.size, len(self.witnesses.vkeys)),
        }

    async def _ping(self, payload: Any, peer: Peer) -> dict[str, Any]:
        return {"process": "auditor", "pid": os.getpid(), "ready": not self._why(), "why": self._why()}

    def _why(self) -> str:
        """Why nothing can be recorded; empty when it can."""
        return told(self.refused or (self.failing.now.error if self.failing.now else None))

"""What people ask of the auditor over its socket: pages, proofs, the witness's request, the check, the export."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final

from appliance.clock import day_of, now_ms
from appliance.errors import Error
from appliance.intercom import Peer
from appliance.invoker import named
from appliance.limits import AUDIT_PAGE_ENTRIES_MAX
from appliance.settings import Hours

from .cosigning import Cosigning
from .entry import impersonal
from .guarding import ACT, REMEMBERED, TOLD
from .journal import Sought
from .note import Checkpoint
from .payloads import table_of
from .pruning import Needed, cutoff, upto
from .review import Bounds, Finding, counted, review
from .witness import Vouched

if TYPE_CHECKING:
    from .auditor import Auditor


log = logging.getLogger(__name__)

FORMS: Final = ("folder", "archive", "csv", "pdf")
EXPORT_ACT: Final = "export-log"


class Asked:
    """Operations over the log of `auditor`, in its reading thread."""

    def __init__(self, auditor: Auditor) -> None:
        self._log = auditor
        self._whole = asyncio.Lock()  # who reads all of the log, and who prunes it, wait for each other
        hours = Hours.read(tuple(auditor.settings["review.hours"]), auditor.settings["review.timezone"])
        self._bounds = Bounds(hours, auditor.settings["review.failures_max"], auditor.settings["review.searches_max"])

    async def entries(self, payload: Any, peer: Peer) -> dict[str, Any]:
        given = table_of(payload, {"before": int, "limit": int, **dict.fromkeys(Sought._fields, str)})
        sought = Sought(*(given[name] or "" for name in Sought._fields))
        limit = max(1, min(given["limit"] or 50, AUDIT_PAGE_ENTRIES_MAX))
        found = await self._log.run("read", self._log.reading.page, given["before"], limit, sought)
        return {"entries": found}

    async def proof(self, payload: Any, peer: Peer) -> dict[str, str]:
        index = table_of(payload, {"index": int})["index"]
        if index is None or not 0 <= index < self._log.size:
            raise Error("not_found", "the audit log has no entry of that number")
        if index < self._log.publisher.minimum:
            raise Error(
                "not_found",
                f"the entries before {self._log.publisher.minimum} were pruned",
                "see an export made before",
            )
        checkpoint = self._log.publisher.checkpoint
        if checkpoint is None or index >= checkpoint.size:
            await self._log.publish()
        return {"tlog_proof": await self._log.run("read", self._log.reading.proof, index, *self._signed())}

    async def request(self, payload: Any, peer: Peer) -> dict[str, Any]:
        old = table_of(payload, {"old": int})["old"]
        await self._log.publish()
        return {"request": await self._log.run("read", self._log.witnesses.request, old, *self._signed())}

    async def cosigned(self, payload: Any, peer: Peer) -> dict[str, Any]:
        given = table_of(payload, {"note": str, "who": str})
        await self._log.publish()
        return (await self._brought(given["note"] or "", given["who"] or named(peer.uid)))._asdict()

    async def _brought(self, note: str, who: str, often: bool = False) -> Vouched:
        checkpoint, _ = self._signed()
        assert self._log.publisher.verifier is not None
        said = await self._log.run(
            "read", self._log.witnesses.take, note, self._log.publisher.verifier, checkpoint, often
        )
        await self._log.record("audit.cosigned", f"witness:{impersonal(said.name)}", "ok", who, size_count=said.size)
        return said

    def cosigning(self) -> Cosigning:
        """What witnesses on the network are asked with, and who keeps their answers."""

        async def request(old: int | None) -> tuple[int, str, str]:
            await self._log.publish()
            checkpoint, note = self._signed()
            body = await self._log.run("read", self._log.witnesses.request, old, checkpoint, note)
            return checkpoint.size, body, note

        async def take(text: str) -> int:
            return (await self._brought(text, "process:auditor", often=True)).size

        return Cosigning(request, take, self._log.record)

    async def verify(self, payload: Any, peer: Peer) -> dict[str, Any]:
        who = table_of(payload, {"who": str})["who"] or named(peer.uid)
        unsigned = await self._try_publish()
        _, note = self._signed()
        async with self._whole:
            result = await self._log.run("read", self._log.reading.verify, note)
        if self._log.refused is not None:
            result["problems"].insert(0, {"code": "refused", "place": "audit.db", "text": self._log.refused.message})
            result["ok"] = False
        else:
            outcome = "ok" if result["ok"] else "failed"
            found = len(result["problems"])
            await self._log.record(
                "audit.verified", self._log.on, outcome, who, size_count=result["size"], problem_count=found
            )
        result["unsigned"] = unsigned
        return result

    async def export(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """`form`: `folder`, `archive` (one file, which the log's key signs), `csv`; `pdf` is written by who asks. `sought`: only these entries.

        Where two people decide, `request` is what another person approved; it is used up here.
        """
        given = table_of(payload, {"path": str, "who": str, "form": str, "sought": dict, "request": int})
        who, form, path = given["who"] or named(peer.uid), given["form"] or "folder", given["path"] or ""
        chosen = table_of(given["sought"], dict.fromkeys(Sought._fields, str)) if given["sought"] else None
        sought = None if chosen is None else Sought(*(chosen[name] or "" for name in Sought._fields))
        if form not in FORMS or (form != "pdf" and not path.startswith("/")):
            raise Error(
                "invalid",
                "`path` is not the full path of a folder or of a file, or `form` not one of these",
                forms=", ".join(FORMS),
            )
        if sought is not None and form == "folder":
            raise Error("invalid", "a folder holds the whole log", "chosen entries go into an archive, CSV or PDF")
        if form != "pdf":
            self._log.reading.check_target(path, form != "folder")
        async with self._whole:
            return await self._exported(path, form, sought, given["request"] or 0, who)

    async def _exported(self, path: str, form: str, sought: Sought | None, request: int, who: str) -> dict[str, Any]:
        await self._approved(request, who)
        if self._log.refused is None:  # first the record of it, so that the export holds its own
            shown = "chosen" if sought and form == "archive" else form
            await self._log.record("audit.exported", self._log.on, "ok", who, form=shown)
        unsigned = await self._try_publish()
        checkpoint, note = self._signed()
        try:
            if form == "archive":
                files = await self._archive(path, checkpoint, note, sought)
            elif form == "csv":
                files = await self._log.run("read", self._log.reading.csv, path, checkpoint.size, sought or Sought())
            elif form == "folder":
                files = await self._log.run("read", self._log.reading.export, path, checkpoint, note)
            else:
                files = 0
        except Error:
            if self._log.refused is None:
                await self._log.record("audit.exported", self._log.on, "failed", who, form=form)
            raise
        return {
            "size": checkpoint.size,
            "root": checkpoint.root,
            "origin": checkpoint.origin,
            "files": files,
            "unsigned": unsigned,
        }

    async def _approved(self, request: int, who: str) -> None:
        """Raises Error `forbidden` where the settings want two people and another has not approved it."""
        if not self._log.settings["audit.export_approval"]:
            return
        if not request:
            raise Error(
                "forbidden",
                "an export of the log needs the approval of another person",
                f"`casemate keys ask {EXPORT_ACT}`, approved by another, then name the request",
            )
        await self._log.ask_keys("use", {"request": request, "act": EXPORT_ACT, "on": 0, "who": who})

    async def _archive(self, path: str, checkpoint: Checkpoint, note: str, sought: Sought | None) -> int:
        """Raises Error of the keys process when the log's key cannot sign: then nothing is left."""
        made = await self._log.run("read", self._log.reading.archive, path, checkpoint, note, sought)
        try:
            statement = made.statement(checkpoint)
            verifier, signature = await self._log.sign("audit export", statement)
            await self._log.run("read", made.seal, statement, verifier, signature)
        finally:
            await self._log.run("read", made.drop)
        return made.files

    async def _try_publish(self) -> int:
        """A fresh checkpoint if one can be had; otherwise the last one serves. Returns how many entries it leaves out."""
        with contextlib.suppress(Error):
            await self._log.publish()
        return self._log.unsigned()

    def _signed(self) -> tuple[Checkpoint, str]:
        checkpoint = self._log.publisher.checkpoint
        if checkpoint is None:
            raise Error(
                "audit_unavailable", "the audit log has no signed checkpoint yet", "the keys process must answer first"
            )
        return checkpoint, self._log.publisher.note

    # --- settings that weaken the log ----------------------------------------------------------------------

    async def tell_weaker(self) -> None:
        """Says once that a settings file would weaken the log and is not obeyed; remembers what is in force."""
        guard = self._log.guard
        told = str(guard.number())
        if guard.changes:
            log.critical(
                "audit: %s would weaken the log and waits for two people: `casemate audit weaker`", guard.names()
            )
            if await self._log.run("read", self._log.reading.journal.said, TOLD) != told:
                await self._log.record("audit.weakened", self._log.on, "refused", changed=guard.names())
        await self._log.remember(**{REMEMBERED: guard.agreed(), TOLD: told})

    async def accept(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """Agrees to the weaker settings that request `request` was approved for; they are in force from the next start on."""
        given = table_of(payload, {"who": str, "request": int})
        who, guard = given["who"] or named(peer.uid), self._log.guard
        names = guard.names()
        if not names:
            raise Error("invalid", "no setting waits for two people", "see `casemate audit weaker`")
        asked = {"request": given["request"] or 0, "act": ACT, "on": guard.number(), "who": who}
        await self._log.ask_keys("use", asked)
        await self._log.record("audit.weakened", self._log.on, "ok", who, changed=names)
        await self._log.remember(**{REMEMBERED: guard.accept(), TOLD: "0"})
        return {"accepted": names.split()}

    # --- the review ----------------------------------------------------------------------------------------

    async def review_if_due(self, at_ms: int) -> bool:
        """The review of what came before today, unless it was made. Its entry is durable before it is remembered as made."""
        today, said = day_of(at_ms), await self._said("reviewed")
        if said is None:
            await self._log.remember(reviewed=f"{today} 0 0")
            return False
        day, _, low = said
        high = self._log.size
        if day >= today or self._log.refused is not None:
            return False
        findings = await self._found(low, high)
        numbers = {"from_index": low, "upto_index": high, "findings": len(findings), **counted(findings)}
        await self._log.record("audit.review", self._log.on, "ok", "process:auditor", **numbers)
        await self._log.remember(reviewed=f"{today} {low} {high}")
        if self._log.settings["audit.keep_days"]:
            await self._pruned(at_ms, "process:auditor", True)
        return True

    async def prune(self, payload: Any, peer: Peer) -> dict[str, int]:
        """What the settings let go now: `first` to before `upto`. Only with `now` it goes."""
        given = table_of(payload, {"who": str, "now": bool})
        if not self._log.settings["audit.keep_days"]:
            raise Error("invalid", "the log is kept for ever: audit.keep_days is 0", "nothing is pruned without it")
        if self._log.refused is not None:
            raise self._log.refused
        return await self._pruned(now_ms(), given["who"] or named(peer.uid), bool(given["now"]))

    async def _pruned(self, at_ms: int, who: str, now: bool) -> dict[str, int]:
        """First the record of it, then the store, then the tiles. Raises Error when the keys process cannot say what is held."""
        held = (await self._log.ask_keys("held", {}))["days"]
        journal, settings = self._log.reading.journal, self._log.settings
        vouched = await self._log.run("read", self._log.witnesses.vouched)
        _, _, reviewed = await self._said("reviewed") or (0, 0, 0)
        needed = Needed(
            self._signed()[0].size,
            reviewed,
            (vouched.size if vouched else 0) if settings["audit.witnesses"] else None,
            self._log.siem_cursor if settings["siem.target"] else None,
        )
        first, stays = self._log.publisher.minimum, cutoff(at_ms, settings["audit.keep_days"], held)
        minimum = await self._log.run("read", upto, first, needed, stays, journal.newest)
        if now and minimum > first:
            await self._log.record("audit.pruned", self._log.on, "ok", who, from_index=first, upto_index=minimum)
            async with self._whole:
                await self._log.prune(first, minimum)
        return {"first": first, "upto": minimum}

    async def review(self, payload: Any, peer: Peer) -> dict[str, Any]:
        given = table_of(payload, {"low": int, "high": int})
        _, low, high = await self._said("reviewed") or (0, 0, 0)
        low = max(low, self._log.publisher.minimum) if given["low"] is None else given["low"]
        high = min(high if given["high"] is None else given["high"], self._log.size)
        if not self._log.publisher.minimum <= low <= high:
            hint = "see the sizes in `casemate audit checkpoint`"
            raise Error("invalid", "the review ends before it begins, or begins before what was pruned", hint)
        found = await self._found(low, high)
        return {"low": low, "high": high, "findings": [f._asdict() for f in found]}

    async def reviewed(self, payload: Any, peer: Peer) -> dict[str, int]:
        given = table_of(payload, {"upto": int, "who": str})
        upto = given["upto"]
        if upto is None or not 0 < upto <= self._log.size:
            raise Error("invalid", f"the log has {self._log.size} entries", "say up to which one it was reviewed")
        await self._log.record("audit.reviewed", self._log.on, "ok", given["who"] or named(peer.uid), upto_index=upto)
        return {"upto": upto}

    async def _found(self, low: int, high: int) -> list[Finding]:
        journal = self._log.reading.journal
        return await self._log.run("read", lambda: review(enumerate(journal.entries(low, high), low), self._bounds))

    async def _said(self, name: str) -> tuple[int, int, int] | None:
        """Day, first entry and end of the last review."""
        text = await self._log.run("read", self._log.reading.journal.said, name)
        if text is None:
            return None
        day, low, high = map(int, text.split())
        return day, low, high

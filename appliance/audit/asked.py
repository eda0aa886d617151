"""What people ask of the auditor over its socket: pages, proofs, the witness's request, the check, the export."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from appliance.errors import Error
from appliance.intercom import Peer
from appliance.limits import AUDIT_PAGE_ENTRIES_MAX

from .entry import impersonal
from .journal import Sought
from .note import Checkpoint
from .payloads import table_of
from .reading import cli_name

if TYPE_CHECKING:
    from .auditor import Auditor


class Asked:
    """Operations over the log of `auditor`, in its reading thread."""

    def __init__(self, auditor: Auditor) -> None:
        self._log = auditor

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
        who = given["who"] or cli_name(peer.uid)
        await self._log.publish()
        checkpoint, _ = self._signed()
        assert self._log.publisher.verifier is not None
        said = await self._log.run(
            "read", self._log.witnesses.take, given["note"] or "", self._log.publisher.verifier, checkpoint
        )
        await self._log.record("audit.cosigned", f"witness:{impersonal(said.name)}", "ok", who, size_count=said.size)
        return said._asdict()

    async def verify(self, payload: Any, peer: Peer) -> dict[str, Any]:
        who = table_of(payload, {"who": str})["who"] or cli_name(peer.uid)
        unsigned = await self._try_publish()
        _, note = self._signed()
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
        given = table_of(payload, {"path": str, "who": str})
        who = given["who"] or cli_name(peer.uid)
        if not given["path"] or not given["path"].startswith("/"):
            raise Error("invalid", "`path` is not the full path of a folder")
        self._log.reading.check_target(given["path"])
        if self._log.refused is None:  # first the record of it, so that the export holds its own
            await self._log.record("audit.exported", self._log.on, "ok", who)
        unsigned = await self._try_publish()
        checkpoint, note = self._signed()
        try:
            files = await self._log.run("read", self._log.reading.export, given["path"], checkpoint, note)
        except Error:
            if self._log.refused is None:
                await self._log.record("audit.exported", self._log.on, "failed", who)
            raise
        return {"size": checkpoint.size, "files": files, "unsigned": unsigned}

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

"""query_sm, cancel_sm, replace_sm and submit_multi: what a system asks about its messages, or sends to many at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from appliance.access import DoorAccount
from appliance.clock import now_ms
from appliance.errors import Error
from appliance.message import (
    ACCEPTED,
    CANCELLED,
    DELIVERED,
    EXPIRED,
    FAILED,
    FINAL,
    INDETERMINATE,
    QUEUED,
    REJECTED,
    SCHEDULED,
    SENT,
    STATUSES,
    UNDELIVERED,
    id_text,
    new_ids,
)
from appliance.smpp import Pdu, PduError, destinations, pack_failures, spec, submission_of
from appliance.store import Found

from . import statuses
from .long import message_of
from .reading import Row, letterhead, row_of
from .replacing import content_of, replacement

if TYPE_CHECKING:
    from .connection import Connection
    from .desk import Desk

#: A message's status as SMPP 3.4 section 5.2.28 has it.
STATES: Final[dict[int, int]] = {
    ACCEPTED: spec.STATE_ENROUTE,
    SCHEDULED: spec.STATE_ENROUTE,
    QUEUED: spec.STATE_ENROUTE,
    SENT: spec.STATE_ENROUTE,
    DELIVERED: spec.STATE_DELIVERED,
    UNDELIVERED: spec.STATE_UNDELIVERABLE,
    FAILED: spec.STATE_UNDELIVERABLE,
    EXPIRED: spec.STATE_EXPIRED,
    CANCELLED: spec.STATE_DELETED,
    REJECTED: spec.STATE_REJECTED,
    INDETERMINATE: spec.STATE_UNKNOWN,
}
assert len(STATES) == len(STATUSES)


class Asking:
    """One request at a time of each connection's many; none is on the hot path."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._acts = {
            spec.QUERY_SM: self._query,
            spec.CANCEL_SM: self._cancel,
            spec.REPLACE_SM: self._replace,
            spec.SUBMIT_MULTI: self._multi,
        }

    def take(self, connection: Connection, pdu: Pdu) -> None:
        account = connection.account
        if account is not None:
            self.desk.task(self._take(connection, account, pdu))

    async def _take(self, connection: Connection, account: DoorAccount, pdu: Pdu) -> None:
        try:
            connection.answer_with(pdu.sequence, await self._acts[pdu.command_id](account, pdu))
        except (Error, PduError) as e:
            connection.answer([(pdu.sequence, statuses.status_of(e), "")])
        except Exception:
            connection.answer([(pdu.sequence, spec.ESME_RSYSERR, "")])
            raise

    async def _query(self, account: DoorAccount, pdu: Pdu) -> dict[str, int | bytes]:
        """Section 4.8. A part of a message that is not whole yet is on its way."""
        asked = _octets(pdu, "message_id")
        message_id = message_of(str(asked, "latin-1"))
        found = await self._own(account, message_id)
        if found is None:
            if message_id is None or await self.desk.long.waits(message_id) != account.id:
                raise PduError(spec.ESME_RINVMSGID, pdu.sequence, "no such message of this account")
            return {"message_id": asked, "message_state": spec.STATE_ENROUTE}
        final = b""
        if found.status in FINAL:
            at = datetime.fromtimestamp(found.changed_ms / 1000, UTC)
            final = at.strftime("%y%m%d%H%M%S").encode("ascii") + b"000+"
        return {"message_id": asked, "final_date": final, "message_state": STATES[found.status]}

    async def _cancel(self, account: DoorAccount, pdu: Pdu) -> dict[str, int | bytes]:
        """Section 4.9, by message id only: a number may have many messages, and which was meant is not guessed."""
        message_id = message_of(str(_octets(pdu, "message_id"), "latin-1"))
        if not _octets(pdu, "message_id"):
            raise PduError(statuses.ESME_RCANCELFAIL, pdu.sequence, "a message is cancelled by its id")
        found = await self._own(account, message_id)
        if found is None:
            if message_id is not None and await self.desk.long.waits(message_id) == account.id:
                raise PduError(statuses.ESME_RCANCELFAIL, pdu.sequence, "its message is not whole yet")
            raise PduError(spec.ESME_RINVMSGID, pdu.sequence, "no such message of this account")
        await self.desk.engine.call("cancel", {"id": found.id, "who": f"door:{account.system_id}"})
        return {}

    async def _replace(self, account: DoorAccount, pdu: Pdu) -> dict[str, int | bytes]:
        """Section 4.10, as long as nothing of the message has left."""
        message_id = message_of(str(_octets(pdu, "message_id"), "latin-1"))
        found = await self._own(account, message_id)
        if found is None:
            raise PduError(spec.ESME_RINVMSGID, pdu.sequence, "no such message of this account")
        self.desk.submitting.check_open(account, 1)
        if found.content is None:
            raise PduError(statuses.ESME_RREPLACEFAIL, pdu.sequence, "its content was erased")
        key = await self.desk.seals.ring.by_id(found.key_id)
        aad = b"c" + found.id
        before = content_of(key.open(found.content, aad))
        new = replacement(pdu, account, found, before, self.desk.guard, now_ms(), self.desk.settings.kept_days)
        asked = {
            **new.fields,
            "id": found.id,
            "content": key.seal(new.content, aad),
            "key_id": found.key_id,
            "who": f"door:{account.system_id}",
        }
        try:
            await self.desk.engine.call("replace", asked)
        except Error as e:
            if e.code == "not_cancellable":
                raise PduError(statuses.ESME_RREPLACEFAIL, pdu.sequence, e.message) from None
            raise
        self.desk.numbers.replaced += 1
        return {}

    async def _multi(self, account: DoorAccount, pdu: Pdu) -> dict[str, int | bytes]:
        """Section 4.5: a message for each destination. All have the first one's id, and their own receipts under it."""
        where = destinations(_octets(pdu, "dest_addresses"), pdu.sequence)
        if not where or len(where) > 254:
            raise PduError(spec.ESME_RINVNUMDESTS, pdu.sequence, "1 to 254 destinations")
        if any(ton < 0 for ton, _, _ in where):
            raise PduError(statuses.ESME_RCNTSUBDL, pdu.sequence, "distribution lists are not kept here")
        self.desk.submitting.check_open(account, len(where))
        at_ms = now_ms()
        ids = new_ids(len(where), at_ms, await self.desk.owner(None))
        rows: list[Row] = []
        at: list[int] = []
        failed: dict[int, int] = {}
        for n, (ton, npi, address) in enumerate(where):
            submission = submission_of(pdu, (ton, npi, str(address, "latin-1")))
            try:
                head = letterhead(submission, account)
                if head.part is not None:
                    raise PduError(statuses.ESME_RINVESMCLASS, pdu.sequence, "parts go to one destination each")
                self.desk.submitting.check_part(submission, head, account, at_ms)
                rows.append(row_of(submission, head, head.octets, [id_text(ids[0])], account, at_ms))
                at.append(n)
            except (PduError, Error) as e:
                failed[n] = statuses.status_of(e)
        if rows:
            _, errors = await self.desk.submitting.commit(account, rows, at_ms, ids[: len(rows)])
            failed.update({at[index]: statuses.status_of(e) for index, e in errors})
        if len(failed) == len(where):
            raise PduError(next(iter(failed.values())), pdu.sequence, "no destination was taken")
        unsuccess = [(*where[n], status) for n, status in sorted(failed.items())]
        return {"message_id": id_text(ids[0]).encode(), "unsuccess_smes": pack_failures(unsuccess)}

    async def _own(self, account: DoorAccount, message_id: bytes | None) -> Found | None:
        """The message, when it is the account's API key's: what REST sees, the door sees."""
        if message_id is None:
            return None
        found = await self.desk.look_up(lambda reader: reader.message(message_id))
        return found if found is not None and found.caller == account.caller else None


def _octets(pdu: Pdu, name: str) -> bytes:
    value = pdu.fields.get(name, b"")
    return value if isinstance(value, bytes) else b""

"""HOT: submissions on their way to the engine: what came in one read is one request, many requests are one batch.

A submission is answered when its message is durable, never before; one that cannot be sent is answered at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from appliance.access import DoorAccount
from appliance.clock import now_ms
from appliance.errors import Error
from appliance.intake import CLASS, Intake, no_route
from appliance.message import IdempotentRequest
from appliance.numbering import normalise, sender_kind
from appliance.smpp import PduError, Submission

from .reading import Letterhead, Row, letterhead, row_of
from .statuses import status_of

if TYPE_CHECKING:
    from .connection import Answer, Connection
    from .desk import Desk


def no_callback(_: str) -> None:
    """The door has no callbacks."""


class Submitting:
    """Whole messages; parts of long ones are handed to `Long`."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def take(self, connection: Connection, submissions: list[Submission]) -> None:
        """Every submission is answered, now or when its message is durable."""
        account = connection.account
        if account is None:
            return
        desk, at_ms = self.desk, now_ms()
        try:
            self.check_open(account, len(submissions))
        except Error as e:
            status = status_of(e)
            connection.answer([(s.sequence, status, "") for s in submissions])
            return
        rows: list[Row] = []
        sequences: list[int] = []
        parts: list[tuple[Submission, Letterhead]] = []
        refused: list[Answer] = []
        for submission in submissions:
            try:
                head = letterhead(submission, account)
                if head.part is None:
                    rows.append(row_of(submission, head, head.octets, [], account, at_ms))
                    sequences.append(submission.sequence)
                else:
                    self.check_part(submission, head, account, at_ms)
                    parts.append((submission, head))
            except (PduError, Error) as e:
                refused.append((submission.sequence, status_of(e), ""))
        if refused:
            connection.answer(refused)
        if rows:
            desk.task(self._send(connection, account, rows, sequences, at_ms))
        if parts:
            desk.long.take(connection, account, parts)

    def check_open(self, account: DoorAccount, count: int) -> None:
        """Raises Error when nothing can be accepted now, or not from this account."""
        desk = self.desk
        desk.peers.check_open()
        desk.charge(account, count)
        desk.funnel.check_room(count, CLASS[account.class_])

    def check_part(self, submission: Submission, head: Letterhead, account: DoorAccount, at_ms: int) -> None:
        """What can be known of the whole from one part is told now. Raises PduError or Error."""
        row = row_of(submission, head, b"", [], account, at_ms)
        to, calling_code = normalise(row.to)
        if row.from_ is not None:
            sender_kind(row.from_)
        class_, sender = CLASS[row.class_ or account.class_], row.from_ or ""
        if not self.desk.serves(to, class_, sender):
            raise no_route()
        check_sender = self.check_sender(at_ms)
        if check_sender is not None:
            check_sender(to, calling_code, class_, sender)

    def check_sender(self, at_ms: int) -> Callable[..., str] | None:
        """Raises for a sender that is not registered where it has to be; None: nowhere."""
        return self.desk.senders.now.checker(self.desk.routing.table.group, at_ms)

    async def _send(
        self, connection: Connection, account: DoorAccount, rows: list[Row], sequences: list[int], at_ms: int
    ) -> None:
        answers: list[Answer]
        try:
            accepted, errors = await self.commit(account, rows, at_ms)
            answers = [(sequences[index], 0, message_id) for index, message_id in accepted]
            answers += [(sequences[index], status_of(e), "") for index, e in errors]
        except Exception as e:
            status = status_of(e)
            connection.answer([(sequence, status, "") for sequence in sequences])
            if not isinstance(e, Error):
                raise
            return
        connection.answer(answers)

    async def commit(
        self,
        account: DoorAccount,
        rows: list[Row],
        at_ms: int,
        ids: list[bytes] | None = None,
        request_macs: Sequence[bytes] = (),
    ) -> tuple[list[tuple[int, str]], list[tuple[int, Error]]]:
        """(row, message id) of what is durable now, (row, why) of what cannot be sent. Raises Error when nothing is.

        `request_macs`, one a row: a row that was committed under its own before is not written again.
        """
        desk = self.desk
        if desk.portability is not None:
            await desk.portability.learn(row.to for row in rows)
        sealing = await desk.seals.at(at_ms)
        intake = Intake(
            len(rows), account.caller, sealing, at_ms, no_callback, desk.serves, True, ids,
            [row.notify for row in rows], desk.guard, [row.door for row in rows], self.check_sender(at_ms),
            desk.consent.consent.check, desk.consent.quiet.wait if desk.consent.quiet else None, desk.basis(),
            shard=0 if ids is not None else await desk.owner(rows, account.class_), kept_days=desk.settings.kept_days,
        )  # fmt: skip
        intake.take(rows)
        for _, error in intake.errors:
            desk.evidence.refused(error)
        batch: Any = intake.batch
        if desk.portability is not None:
            batch.operators = desk.portability.of(batch.to)
        if batch.ids:
            if request_macs:
                macs = [request_macs[a.index] for a in intake.accepted if isinstance(a.index, int)]
                batch.requests += [IdempotentRequest(n, 1, mac, mac, b"") for n, mac in enumerate(macs)]
            if await desk.funnel.commit(batch) is None:
                desk.numbers.accepted += len(batch.ids)
        return [(a.index, a.id) for a in intake.accepted if isinstance(a.index, int)], intake.errors

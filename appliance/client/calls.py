"""The calls of the REST API as methods. Generated: do not edit."""

from __future__ import annotations

from typing import Any, Literal, cast

from . import types
from .asked import Asked, given


class Calls:
    """One method a call; `_ask` sends it."""

    def _ask(self, asked: Asked) -> Any:
        raise NotImplementedError

    def search_messages(
        self,
        *,
        status: Literal[
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
        ]
        | None = None,
        class_: Literal["otp", "alert", "transaction", "bulk"] | None = None,
        link: str | None = None,
        from_time: str | None = None,
        to_time: str | None = None,
        number: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> types.Page:
        """Search your messages, newest first."""
        asked = Asked(
            "GET",
            "/v1/messages",
            (),
            given(
                {
                    "status": status,
                    "class": class_,
                    "link": link,
                    "from_time": from_time,
                    "to_time": to_time,
                    "number": number,
                    "limit": limit,
                    "cursor": cursor,
                }
            ),
            None,
            False,
            None,
        )
        return cast(types.Page, self._ask(asked))

    def send_message(
        self,
        *,
        to: str,
        text: str | None = None,
        from_: str | None = None,
        class_: Literal["alert", "bulk", "otp", "transaction"] | None = None,
        channel: str | None = None,
        fallback: list[str | types.AskedWay] | None = None,
        reference: str | None = None,
        validity_s: int | None = None,
        send_at: str | None = None,
        callback_url: str | None = None,
        metadata: dict[str, str] | None = None,
        template: str | None = None,
        params: dict[str, str | int | dict[str, str]] | None = None,
        locale: str | None = None,
        idempotency_key: str | None = None,
    ) -> types.Accepted:
        """Send one message."""
        asked = Asked(
            "POST",
            "/v1/messages",
            (),
            {},
            given(
                {
                    "to": to,
                    "text": text,
                    "from": from_,
                    "class": class_,
                    "channel": channel,
                    "fallback": fallback,
                    "reference": reference,
                    "validity_s": validity_s,
                    "send_at": send_at,
                    "callback_url": callback_url,
                    "metadata": metadata,
                    "template": template,
                    "params": params,
                    "locale": locale,
                }
            ),
            True,
            idempotency_key,
        )
        return cast(types.Accepted, self._ask(asked))

    def send_batch(
        self,
        *,
        messages: list[types.Message | Any],
        idempotency_key: str | None = None,
    ) -> types.BatchAnswer:
        """Send up to 1,000 messages; each is accepted or refused on its own."""
        asked = Asked("POST", "/v1/messages/batch", (), {}, given({"messages": messages}), True, idempotency_key)
        return cast(types.BatchAnswer, self._ask(asked))

    def get_message(
        self,
        id: str,
    ) -> types.MessageView:
        """One message with its history."""
        asked = Asked("GET", "/v1/messages/{id}", (id,), {}, None, False, None)
        return cast(types.MessageView, self._ask(asked))

    def cancel_message(
        self,
        id: str,
    ) -> types.Cancelled:
        """Cancel what has not left."""
        asked = Asked("POST", "/v1/messages/{id}/cancel", (id,), {}, None, False, None)
        return cast(types.Cancelled, self._ask(asked))

    def redact_message(
        self,
        id: str,
    ) -> types.Redacted:
        """Erase the content of a message."""
        asked = Asked("POST", "/v1/messages/{id}/redact", (id,), {}, None, False, None)
        return cast(types.Redacted, self._ask(asked))

    def redact_inbound(
        self,
        id: str,
    ) -> types.Redacted:
        """Erase what a customer wrote."""
        asked = Asked("POST", "/v1/inbound/{id}/redact", (id,), {}, None, False, None)
        return cast(types.Redacted, self._ask(asked))

    def preview(
        self,
        *,
        text: str | None = None,
        to: str | None = None,
        from_: str | None = None,
        class_: Literal["alert", "bulk", "otp", "transaction"] | None = None,
        template: str | None = None,
        params: dict[str, str | int | dict[str, str]] | None = None,
        locale: str | None = None,
        validity_s: int | None = None,
        send_at: str | None = None,
    ) -> types.Previewed:
        """Encoding, segments and route of a text, without sending it."""
        asked = Asked(
            "POST",
            "/v1/preview",
            (),
            {},
            given(
                {
                    "text": text,
                    "to": to,
                    "from": from_,
                    "class": class_,
                    "template": template,
                    "params": params,
                    "locale": locale,
                    "validity_s": validity_s,
                    "send_at": send_at,
                }
            ),
            False,
            None,
        )
        return cast(types.Previewed, self._ask(asked))

    def list_templates(
        self,
        *,
        cursor: str | None = None,
    ) -> types.TemplateList:
        """Templates in use."""
        asked = Asked("GET", "/v1/templates", (), given({"cursor": cursor}), None, False, None)
        return cast(types.TemplateList, self._ask(asked))

    def get_template(
        self,
        id: str,
    ) -> types.TemplateView:
        """One template."""
        asked = Asked("GET", "/v1/templates/{id}", (id,), {}, None, False, None)
        return cast(types.TemplateView, self._ask(asked))

    def save_template(
        self,
        id: str,
        *,
        texts: dict[str, str],
        locale: str,
        zone: str | None = None,
    ) -> types.TemplateView:
        """Save a template; every text is checked against every other."""
        asked = Asked(
            "PUT", "/v1/templates/{id}", (id,), {}, given({"texts": texts, "locale": locale, "zone": zone}), False, None
        )
        return cast(types.TemplateView, self._ask(asked))

    def remove_template(
        self,
        id: str,
    ) -> types.TemplateView:
        """Take a template out of use; its versions stay on record."""
        asked = Asked("DELETE", "/v1/templates/{id}", (id,), {}, None, False, None)
        return cast(types.TemplateView, self._ask(asked))

    def list_senders(
        self,
        *,
        cursor: str | None = None,
    ) -> types.SenderList:
        """Registrations of senders."""
        asked = Asked("GET", "/v1/senders", (), given({"cursor": cursor}), None, False, None)
        return cast(types.SenderList, self._ask(asked))

    def request_sender(
        self,
        *,
        sender: str,
        country: str,
        details: types.Details | None = None,
    ) -> types.SenderView:
        """Note that a sender's registration in a country was asked for."""
        asked = Asked(
            "POST",
            "/v1/senders",
            (),
            {},
            given({"sender": sender, "country": country, "details": details}),
            False,
            None,
        )
        return cast(types.SenderView, self._ask(asked))

    def get_sender(
        self,
        id: str,
    ) -> types.SenderView:
        """One registration."""
        asked = Asked("GET", "/v1/senders/{id}", (id,), {}, None, False, None)
        return cast(types.SenderView, self._ask(asked))

    def change_sender(
        self,
        id: str,
        *,
        state: Literal["confirmed", "expired"],
        valid_from: str | None = None,
        expires: str | None = None,
        details: types.Details | None = None,
    ) -> types.SenderView:
        """Confirm a registration with its evidence, or end it."""
        asked = Asked(
            "PUT",
            "/v1/senders/{id}",
            (id,),
            {},
            given({"state": state, "valid_from": valid_from, "expires": expires, "details": details}),
            False,
            None,
        )
        return cast(types.SenderView, self._ask(asked))

    def look_up_number(
        self,
        id: str,
    ) -> types.LookupView:
        """Country, validity and operator of a number."""
        asked = Asked("GET", "/v1/lookup/{id}", (id,), {}, None, False, None)
        return cast(types.LookupView, self._ask(asked))

    def list_inbound(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> types.InboundPage:
        """What customers wrote, oldest first, joined from its parts."""
        asked = Asked("GET", "/v1/inbound", (), given({"limit": limit, "cursor": cursor}), None, False, None)
        return cast(types.InboundPage, self._ask(asked))

    def list_suppressions(
        self,
        *,
        cursor: str | None = None,
    ) -> types.SuppressionList:
        """Customers who asked not to be written to."""
        asked = Asked("GET", "/v1/suppressions", (), given({"cursor": cursor}), None, False, None)
        return cast(types.SuppressionList, self._ask(asked))

    def add_suppression(
        self,
        *,
        number: str,
        programme: str | None = None,
    ) -> types.SuppressionView:
        """Write to a number no more; what is queued for it is cancelled."""
        asked = Asked(
            "POST", "/v1/suppressions", (), {}, given({"number": number, "programme": programme}), False, None
        )
        return cast(types.SuppressionView, self._ask(asked))

    def end_suppression(
        self,
        id: str,
    ) -> types.SuppressionView:
        """Write to a number again; what was decided stays on record."""
        asked = Asked("DELETE", "/v1/suppressions/{id}", (id,), {}, None, False, None)
        return cast(types.SuppressionView, self._ask(asked))

    def begin_verification(
        self,
        *,
        to: str,
        purpose: str,
        locale: str | None = None,
        channels: list[str | types.AskedWay] | None = None,
        payee: str | None = None,
        payees: list[str] | None = None,
        amount: str | None = None,
        currency: str | None = None,
        length: int | None = None,
        life_s: int | None = None,
        template: str | None = None,
        user: str | None = None,
        address: str | None = None,
        idempotency_key: str | None = None,
    ) -> types.VerificationBegun:
        """Send a one-time code, bound to payee and amount where there is a payment."""
        asked = Asked(
            "POST",
            "/v1/verifications",
            (),
            {},
            given(
                {
                    "to": to,
                    "purpose": purpose,
                    "locale": locale,
                    "channels": channels,
                    "payee": payee,
                    "payees": payees,
                    "amount": amount,
                    "currency": currency,
                    "length": length,
                    "life_s": life_s,
                    "template": template,
                    "user": user,
                    "address": address,
                }
            ),
            True,
            idempotency_key,
        )
        return cast(types.VerificationBegun, self._ask(asked))

    def get_verification(
        self,
        id: str,
    ) -> types.VerificationView:
        """How a verification stands."""
        asked = Asked("GET", "/v1/verifications/{id}", (id,), {}, None, False, None)
        return cast(types.VerificationView, self._ask(asked))

    def check_verification(
        self,
        id: str,
        *,
        code: str,
        payee: str | None = None,
        amount: str | None = None,
        currency: str | None = None,
        payees: list[str] | None = None,
    ) -> types.VerificationChecked:
        """Try a code: approved once, or denied, whatever was wrong."""
        asked = Asked(
            "POST",
            "/v1/verifications/{id}/check",
            (id,),
            {},
            given({"code": code, "payee": payee, "amount": amount, "currency": currency, "payees": payees}),
            False,
            None,
        )
        return cast(types.VerificationChecked, self._ask(asked))

    def cancel_verification(
        self,
        id: str,
    ) -> types.VerificationView:
        """End a verification: its code is worth nothing any more."""
        asked = Asked("POST", "/v1/verifications/{id}/cancel", (id,), {}, None, False, None)
        return cast(types.VerificationView, self._ask(asked))

    def verification_evidence(
        self,
        id: str,
        *,
        payee: str | None = None,
        amount: str | None = None,
        currency: str | None = None,
        payees: list[str] | None = None,
    ) -> types.EvidenceFiles:
        """What the audit log has of an authentication, with its proofs, for a dispute; without the number."""
        asked = Asked(
            "POST",
            "/v1/verifications/{id}/evidence",
            (id,),
            {},
            given({"payee": payee, "amount": amount, "currency": currency, "payees": payees}),
            False,
            None,
        )
        return cast(types.EvidenceFiles, self._ask(asked))

    def resend_verification(
        self,
        id: str,
        *,
        idempotency_key: str | None = None,
    ) -> types.VerificationView:
        """Send its message again, with a new code unless the settings say the same."""
        asked = Asked("POST", "/v1/verifications/{id}/resend", (id,), {}, None, True, idempotency_key)
        return cast(types.VerificationView, self._ask(asked))

    def workflow_schema(
        self,
    ) -> Any:
        """The JSON Schema (2020-12) of a workflow's definition."""
        asked = Asked("GET", "/v1/workflow-schema.json", (), {}, None, False, None)
        return cast(Any, self._ask(asked))

    def list_workflows(
        self,
    ) -> types.WorkflowList:
        """Workflows and how they stand."""
        asked = Asked("GET", "/v1/workflows", (), {}, None, False, None)
        return cast(types.WorkflowList, self._ask(asked))

    def get_workflow(
        self,
        id: str,
    ) -> types.WorkflowView:
        """One workflow with its definition."""
        asked = Asked("GET", "/v1/workflows/{id}", (id,), {}, None, False, None)
        return cast(types.WorkflowView, self._ask(asked))

    def save_workflow(
        self,
        id: str,
        *,
        definition: str | dict[str, Any],
    ) -> types.WorkflowView:
        """Save a draft; two people activate it in the console."""
        asked = Asked("PUT", "/v1/workflows/{id}", (id,), {}, given({"definition": definition}), False, None)
        return cast(types.WorkflowView, self._ask(asked))

    def check_workflow(
        self,
        *,
        definition: str | dict[str, Any],
    ) -> types.WorkflowChecked:
        """Is a definition right, and do its tests pass; nothing is saved."""
        asked = Asked("POST", "/v1/workflow-checks", (), {}, given({"definition": definition}), False, None)
        return cast(types.WorkflowChecked, self._ask(asked))

    def try_workflow(
        self,
        *,
        workflow: str | None = None,
        definition: str | dict[str, Any] | None = None,
        params: dict[str, str | int | dict[str, str]] | None = None,
        locale: str | None = None,
        happens: list[dict[str, Any]] | None = None,
    ) -> types.TrialView:
        """Step through a workflow without sending anything."""
        asked = Asked(
            "POST",
            "/v1/workflow-trials",
            (),
            {},
            given(
                {"workflow": workflow, "definition": definition, "params": params, "locale": locale, "happens": happens}
            ),
            False,
            None,
        )
        return cast(types.TrialView, self._ask(asked))

    def start_run(
        self,
        *,
        workflow: str,
        to: str,
        params: dict[str, str | int | dict[str, str]] | None = None,
        locale: str | None = None,
        reference: str | None = None,
        callback_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> types.RunBegun:
        """Start a workflow for one customer."""
        asked = Asked(
            "POST",
            "/v1/runs",
            (),
            {},
            given(
                {
                    "workflow": workflow,
                    "to": to,
                    "params": params,
                    "locale": locale,
                    "reference": reference,
                    "callback_url": callback_url,
                }
            ),
            True,
            idempotency_key,
        )
        return cast(types.RunBegun, self._ask(asked))

    def get_run(
        self,
        id: str,
    ) -> types.RunView:
        """How a run stands, and its story."""
        asked = Asked("GET", "/v1/runs/{id}", (id,), {}, None, False, None)
        return cast(types.RunView, self._ask(asked))

    def check_run(
        self,
        id: str,
        *,
        code: str,
        payee: str | None = None,
        amount: str | None = None,
        currency: str | None = None,
    ) -> types.VerificationChecked:
        """Try the code of a run: approved once, or denied, whatever was wrong."""
        asked = Asked(
            "POST",
            "/v1/runs/{id}/check",
            (id,),
            {},
            given({"code": code, "payee": payee, "amount": amount, "currency": currency}),
            False,
            None,
        )
        return cast(types.VerificationChecked, self._ask(asked))

    def answer_run(
        self,
        id: str,
        *,
        answer: str,
        who: str,
    ) -> types.RunView:
        """What a person of the bank decided."""
        asked = Asked("POST", "/v1/runs/{id}/answer", (id,), {}, given({"answer": answer, "who": who}), False, None)
        return cast(types.RunView, self._ask(asked))

    def cancel_run(
        self,
        id: str,
    ) -> types.RunView:
        """End a run."""
        asked = Asked("POST", "/v1/runs/{id}/cancel", (id,), {}, None, False, None)
        return cast(types.RunView, self._ask(asked))

    def ask_exemption(
        self,
        *,
        payer: str,
        kind: Literal["account_access", "contactless", "corporate", "remote_card", "transfer", "unattended"],
        amount: str | None = None,
        currency: str | None = None,
        amount_eur: str | None = None,
        payee: str | None = None,
        own_account: bool | None = None,
        risks: types.Risks | None = None,
    ) -> types.ExemptionAnswer:
        """Is strong authentication required, or is the payment a candidate for an exemption, and why."""
        asked = Asked(
            "POST",
            "/v1/exemptions",
            (),
            {},
            given(
                {
                    "payer": payer,
                    "kind": kind,
                    "amount": amount,
                    "currency": currency,
                    "amount_eur": amount_eur,
                    "payee": payee,
                    "own_account": own_account,
                    "risks": risks,
                }
            ),
            False,
            None,
        )
        return cast(types.ExemptionAnswer, self._ask(asked))

    def report_payment(
        self,
        *,
        reference: str,
        payer: str,
        kind: Literal["account_access", "contactless", "corporate", "remote_card", "transfer", "unattended"],
        authenticated: bool,
        amount: str | None = None,
        currency: str | None = None,
        amount_eur: str | None = None,
        payee: str | None = None,
        series: bool | None = None,
        article: Literal["10", "11", "12", "13", "14", "15", "16", "17", "18"] | None = None,
    ) -> types.Noted:
        """What was done: it counts until the next strong authentication."""
        asked = Asked(
            "POST",
            "/v1/exemptions/reports",
            (),
            {},
            given(
                {
                    "reference": reference,
                    "payer": payer,
                    "kind": kind,
                    "authenticated": authenticated,
                    "amount": amount,
                    "currency": currency,
                    "amount_eur": amount_eur,
                    "payee": payee,
                    "series": series,
                    "article": article,
                }
            ),
            False,
            None,
        )
        return cast(types.Noted, self._ask(asked))

    def trust_payee(
        self,
        *,
        payer: str,
        payee: str,
        trusted: bool,
    ) -> types.Noted:
        """Put a payee on a payer's list of trusted beneficiaries, or take it off."""
        asked = Asked(
            "POST",
            "/v1/exemptions/trusted",
            (),
            {},
            given({"payer": payer, "payee": payee, "trusted": trusted}),
            False,
            None,
        )
        return cast(types.Noted, self._ask(asked))

    def forget_payer(
        self,
        *,
        payer: str,
    ) -> types.Noted:
        """Erase a payer's counters, trusted payees and series."""
        asked = Asked("POST", "/v1/exemptions/forget", (), {}, given({"payer": payer}), False, None)
        return cast(types.Noted, self._ask(asked))

    def tell_fraud_rate(
        self,
        id: str,
        *,
        kind: Literal["remote_card", "transfer"],
        fraud: str,
        total: str,
    ) -> types.Noted:
        """The fraud of a quarter that is over, for transaction risk analysis."""
        asked = Asked(
            "PUT",
            "/v1/exemptions/rates/{id}",
            (id,),
            {},
            given({"kind": kind, "fraud": fraud, "total": total}),
            False,
            None,
        )
        return cast(types.Noted, self._ask(asked))

    def list_links(
        self,
    ) -> types.Links:
        """The operator links."""
        asked = Asked("GET", "/v1/links", (), {}, None, False, None)
        return cast(types.Links, self._ask(asked))

    def healthz(
        self,
    ) -> types.Alive:
        """The process is alive."""
        asked = Asked("GET", "/healthz", (), {}, None, False, None)
        return cast(types.Alive, self._ask(asked))

    def readyz(
        self,
    ) -> types.Ready:
        """New messages are accepted."""
        asked = Asked("GET", "/readyz", (), {}, None, False, None)
        return cast(types.Ready, self._ask(asked))


class AsyncCalls:
    """The same for an event loop."""

    async def _ask(self, asked: Asked) -> Any:
        raise NotImplementedError

    async def search_messages(
        self,
        *,
        status: Literal[
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
        ]
        | None = None,
        class_: Literal["otp", "alert", "transaction", "bulk"] | None = None,
        link: str | None = None,
        from_time: str | None = None,
        to_time: str | None = None,
        number: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> types.Page:
        """Search your messages, newest first."""
        asked = Asked(
            "GET",
            "/v1/messages",
            (),
            given(
                {
                    "status": status,
                    "class": class_,
                    "link": link,
                    "from_time": from_time,
                    "to_time": to_time,
                    "number": number,
                    "limit": limit,
                    "cursor": cursor,
                }
            ),
            None,
            False,
            None,
        )
        return cast(types.Page, await self._ask(asked))

    async def send_message(
        self,
        *,
        to: str,
        text: str | None = None,
        from_: str | None = None,
        class_: Literal["alert", "bulk", "otp", "transaction"] | None = None,
        channel: str | None = None,
        fallback: list[str | types.AskedWay] | None = None,
        reference: str | None = None,
        validity_s: int | None = None,
        send_at: str | None = None,
        callback_url: str | None = None,
        metadata: dict[str, str] | None = None,
        template: str | None = None,
        params: dict[str, str | int | dict[str, str]] | None = None,
        locale: str | None = None,
        idempotency_key: str | None = None,
    ) -> types.Accepted:
        """Send one message."""
        asked = Asked(
            "POST",
            "/v1/messages",
            (),
            {},
            given(
                {
                    "to": to,
                    "text": text,
                    "from": from_,
                    "class": class_,
                    "channel": channel,
                    "fallback": fallback,
                    "reference": reference,
                    "validity_s": validity_s,
                    "send_at": send_at,
                    "callback_url": callback_url,
                    "metadata": metadata,
                    "template": template,
                    "params": params,
                    "locale": locale,
                }
            ),
            True,
            idempotency_key,
        )
        return cast(types.Accepted, await self._ask(asked))

    async def send_batch(
        self,
        *,
        messages: list[types.Message | Any],
        idempotency_key: str | None = None,
    ) -> types.BatchAnswer:
        """Send up to 1,000 messages; each is accepted or refused on its own."""
        asked = Asked("POST", "/v1/messages/batch", (), {}, given({"messages": messages}), True, idempotency_key)
        return cast(types.BatchAnswer, await self._ask(asked))

    async def get_message(
        self,
        id: str,
    ) -> types.MessageView:
        """One message with its history."""
        asked = Asked("GET", "/v1/messages/{id}", (id,), {}, None, False, None)
        return cast(types.MessageView, await self._ask(asked))

    async def cancel_message(
        self,
        id: str,
    ) -> types.Cancelled:
        """Cancel what has not left."""
        asked = Asked("POST", "/v1/messages/{id}/cancel", (id,), {}, None, False, None)
        return cast(types.Cancelled, await self._ask(asked))

    async def redact_message(
        self,
        id: str,
    ) -> types.Redacted:
        """Erase the content of a message."""
        asked = Asked("POST", "/v1/messages/{id}/redact", (id,), {}, None, False, None)
        return cast(types.Redacted, await self._ask(asked))

    async def redact_inbound(
        self,
        id: str,
    ) -> types.Redacted:
        """Erase what a customer wrote."""
        asked = Asked("POST", "/v1/inbound/{id}/redact", (id,), {}, None, False, None)
        return cast(types.Redacted, await self._ask(asked))

    async def preview(
        self,
        *,
        text: str | None = None,
        to: str | None = None,
        from_: str | None = None,
        class_: Literal["alert", "bulk", "otp", "transaction"] | None = None,
        template: str | None = None,
        params: dict[str, str | int | dict[str, str]] | None = None,
        locale: str | None = None,
        validity_s: int | None = None,
        send_at: str | None = None,
    ) -> types.Previewed:
        """Encoding, segments and route of a text, without sending it."""
        asked = Asked(
            "POST",
            "/v1/preview",
            (),
            {},
            given(
                {
                    "text": text,
                    "to": to,
                    "from": from_,
                    "class": class_,
                    "template": template,
                    "params": params,
                    "locale": locale,
                    "validity_s": validity_s,
                    "send_at": send_at,
                }
            ),
            False,
            None,
        )
        return cast(types.Previewed, await self._ask(asked))

    async def list_templates(
        self,
        *,
        cursor: str | None = None,
    ) -> types.TemplateList:
        """Templates in use."""
        asked = Asked("GET", "/v1/templates", (), given({"cursor": cursor}), None, False, None)
        return cast(types.TemplateList, await self._ask(asked))

    async def get_template(
        self,
        id: str,
    ) -> types.TemplateView:
        """One template."""
        asked = Asked("GET", "/v1/templates/{id}", (id,), {}, None, False, None)
        return cast(types.TemplateView, await self._ask(asked))

    async def save_template(
        self,
        id: str,
        *,
        texts: dict[str, str],
        locale: str,
        zone: str | None = None,
    ) -> types.TemplateView:
        """Save a template; every text is checked against every other."""
        asked = Asked(
            "PUT", "/v1/templates/{id}", (id,), {}, given({"texts": texts, "locale": locale, "zone": zone}), False, None
        )
        return cast(types.TemplateView, await self._ask(asked))

    async def remove_template(
        self,
        id: str,
    ) -> types.TemplateView:
        """Take a template out of use; its versions stay on record."""
        asked = Asked("DELETE", "/v1/templates/{id}", (id,), {}, None, False, None)
        return cast(types.TemplateView, await self._ask(asked))

    async def list_senders(
        self,
        *,
        cursor: str | None = None,
    ) -> types.SenderList:
        """Registrations of senders."""
        asked = Asked("GET", "/v1/senders", (), given({"cursor": cursor}), None, False, None)
        return cast(types.SenderList, await self._ask(asked))

    async def request_sender(
        self,
        *,
        sender: str,
        country: str,
        details: types.Details | None = None,
    ) -> types.SenderView:
        """Note that a sender's registration in a country was asked for."""
        asked = Asked(
            "POST",
            "/v1/senders",
            (),
            {},
            given({"sender": sender, "country": country, "details": details}),
            False,
            None,
        )
        return cast(types.SenderView, await self._ask(asked))

    async def get_sender(
        self,
        id: str,
    ) -> types.SenderView:
        """One registration."""
        asked = Asked("GET", "/v1/senders/{id}", (id,), {}, None, False, None)
        return cast(types.SenderView, await self._ask(asked))

    async def change_sender(
        self,
        id: str,
        *,
        state: Literal["confirmed", "expired"],
        valid_from: str | None = None,
        expires: str | None = None,
        details: types.Details | None = None,
    ) -> types.SenderView:
        """Confirm a registration with its evidence, or end it."""
        asked = Asked(
            "PUT",
            "/v1/senders/{id}",
            (id,),
            {},
            given({"state": state, "valid_from": valid_from, "expires": expires, "details": details}),
            False,
            None,
        )
        return cast(types.SenderView, await self._ask(asked))

    async def look_up_number(
        self,
        id: str,
    ) -> types.LookupView:
        """Country, validity and operator of a number."""
        asked = Asked("GET", "/v1/lookup/{id}", (id,), {}, None, False, None)
        return cast(types.LookupView, await self._ask(asked))

    async def list_inbound(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> types.InboundPage:
        """What customers wrote, oldest first, joined from its parts."""
        asked = Asked("GET", "/v1/inbound", (), given({"limit": limit, "cursor": cursor}), None, False, None)
        return cast(types.InboundPage, await self._ask(asked))

    async def list_suppressions(
        self,
        *,
        cursor: str | None = None,
    ) -> types.SuppressionList:
        """Customers who asked not to be written to."""
        asked = Asked("GET", "/v1/suppressions", (), given({"cursor": cursor}), None, False, None)
        return cast(types.SuppressionList, await self._ask(asked))

    async def add_suppression(
        self,
        *,
        number: str,
        programme: str | None = None,
    ) -> types.SuppressionView:
        """Write to a number no more; what is queued for it is cancelled."""
        asked = Asked(
            "POST", "/v1/suppressions", (), {}, given({"number": number, "programme": programme}), False, None
        )
        return cast(types.SuppressionView, await self._ask(asked))

    async def end_suppression(
        self,
        id: str,
    ) -> types.SuppressionView:
        """Write to a number again; what was decided stays on record."""
        asked = Asked("DELETE", "/v1/suppressions/{id}", (id,), {}, None, False, None)
        return cast(types.SuppressionView, await self._ask(asked))

    async def begin_verification(
        self,
        *,
        to: str,
        purpose: str,
        locale: str | None = None,
        channels: list[str | types.AskedWay] | None = None,
        payee: str | None = None,
        payees: list[str] | None = None,
        amount: str | None = None,
        currency: str | None = None,
        length: int | None = None,
        life_s: int | None = None,
        template: str | None = None,
        user: str | None = None,
        address: str | None = None,
        idempotency_key: str | None = None,
    ) -> types.VerificationBegun:
        """Send a one-time code, bound to payee and amount where there is a payment."""
        asked = Asked(
            "POST",
            "/v1/verifications",
            (),
            {},
            given(
                {
                    "to": to,
                    "purpose": purpose,
                    "locale": locale,
                    "channels": channels,
                    "payee": payee,
                    "payees": payees,
                    "amount": amount,
                    "currency": currency,
                    "length": length,
                    "life_s": life_s,
                    "template": template,
                    "user": user,
                    "address": address,
                }
            ),
            True,
            idempotency_key,
        )
        return cast(types.VerificationBegun, await self._ask(asked))

    async def get_verification(
        self,
        id: str,
    ) -> types.VerificationView:
        """How a verification stands."""
        asked = Asked("GET", "/v1/verifications/{id}", (id,), {}, None, False, None)
        return cast(types.VerificationView, await self._ask(asked))

    async def check_verification(
        self,
        id: str,
        *,
        code: str,
        payee: str | None = None,
        amount: str | None = None,
        currency: str | None = None,
        payees: list[str] | None = None,
    ) -> types.VerificationChecked:
        """Try a code: approved once, or denied, whatever was wrong."""
        asked = Asked(
            "POST",
            "/v1/verifications/{id}/check",
            (id,),
            {},
            given({"code": code, "payee": payee, "amount": amount, "currency": currency, "payees": payees}),
            False,
            None,
        )
        return cast(types.VerificationChecked, await self._ask(asked))

    async def cancel_verification(
        self,
        id: str,
    ) -> types.VerificationView:
        """End a verification: its code is worth nothing any more."""
        asked = Asked("POST", "/v1/verifications/{id}/cancel", (id,), {}, None, False, None)
        return cast(types.VerificationView, await self._ask(asked))

    async def verification_evidence(
        self,
        id: str,
        *,
        payee: str | None = None,
        amount: str | None = None,
        currency: str | None = None,
        payees: list[str] | None = None,
    ) -> types.EvidenceFiles:
        """What the audit log has of an authentication, with its proofs, for a dispute; without the number."""
        asked = Asked(
            "POST",
            "/v1/verifications/{id}/evidence",
            (id,),
            {},
            given({"payee": payee, "amount": amount, "currency": currency, "payees": payees}),
            False,
            None,
        )
        return cast(types.EvidenceFiles, await self._ask(asked))

    async def resend_verification(
        self,
        id: str,
        *,
        idempotency_key: str | None = None,
    ) -> types.VerificationView:
        """Send its message again, with a new code unless the settings say the same."""
        asked = Asked("POST", "/v1/verifications/{id}/resend", (id,), {}, None, True, idempotency_key)
        return cast(types.VerificationView, await self._ask(asked))

    async def workflow_schema(
        self,
    ) -> Any:
        """The JSON Schema (2020-12) of a workflow's definition."""
        asked = Asked("GET", "/v1/workflow-schema.json", (), {}, None, False, None)
        return cast(Any, await self._ask(asked))

    async def list_workflows(
        self,
    ) -> types.WorkflowList:
        """Workflows and how they stand."""
        asked = Asked("GET", "/v1/workflows", (), {}, None, False, None)
        return cast(types.WorkflowList, await self._ask(asked))

    async def get_workflow(
        self,
        id: str,
    ) -> types.WorkflowView:
        """One workflow with its definition."""
        asked = Asked("GET", "/v1/workflows/{id}", (id,), {}, None, False, None)
        return cast(types.WorkflowView, await self._ask(asked))

    async def save_workflow(
        self,
        id: str,
        *,
        definition: str | dict[str, Any],
    ) -> types.WorkflowView:
        """Save a draft; two people activate it in the console."""
        asked = Asked("PUT", "/v1/workflows/{id}", (id,), {}, given({"definition": definition}), False, None)
        return cast(types.WorkflowView, await self._ask(asked))

    async def check_workflow(
        self,
        *,
        definition: str | dict[str, Any],
    ) -> types.WorkflowChecked:
        """Is a definition right, and do its tests pass; nothing is saved."""
        asked = Asked("POST", "/v1/workflow-checks", (), {}, given({"definition": definition}), False, None)
        return cast(types.WorkflowChecked, await self._ask(asked))

    async def try_workflow(
        self,
        *,
        workflow: str | None = None,
        definition: str | dict[str, Any] | None = None,
        params: dict[str, str | int | dict[str, str]] | None = None,
        locale: str | None = None,
        happens: list[dict[str, Any]] | None = None,
    ) -> types.TrialView:
        """Step through a workflow without sending anything."""
        asked = Asked(
            "POST",
            "/v1/workflow-trials",
            (),
            {},
            given(
                {"workflow": workflow, "definition": definition, "params": params, "locale": locale, "happens": happens}
            ),
            False,
            None,
        )
        return cast(types.TrialView, await self._ask(asked))

    async def start_run(
        self,
        *,
        workflow: str,
        to: str,
        params: dict[str, str | int | dict[str, str]] | None = None,
        locale: str | None = None,
        reference: str | None = None,
        callback_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> types.RunBegun:
        """Start a workflow for one customer."""
        asked = Asked(
            "POST",
            "/v1/runs",
            (),
            {},
            given(
                {
                    "workflow": workflow,
                    "to": to,
                    "params": params,
                    "locale": locale,
                    "reference": reference,
                    "callback_url": callback_url,
                }
            ),
            True,
            idempotency_key,
        )
        return cast(types.RunBegun, await self._ask(asked))

    async def get_run(
        self,
        id: str,
    ) -> types.RunView:
        """How a run stands, and its story."""
        asked = Asked("GET", "/v1/runs/{id}", (id,), {}, None, False, None)
        return cast(types.RunView, await self._ask(asked))

    async def check_run(
        self,
        id: str,
        *,
        code: str,
        payee: str | None = None,
        amount: str | None = None,
        currency: str | None = None,
    ) -> types.VerificationChecked:
        """Try the code of a run: approved once, or denied, whatever was wrong."""
        asked = Asked(
            "POST",
            "/v1/runs/{id}/check",
            (id,),
            {},
            given({"code": code, "payee": payee, "amount": amount, "currency": currency}),
            False,
            None,
        )
        return cast(types.VerificationChecked, await self._ask(asked))

    async def answer_run(
        self,
        id: str,
        *,
        answer: str,
        who: str,
    ) -> types.RunView:
        """What a person of the bank decided."""
        asked = Asked("POST", "/v1/runs/{id}/answer", (id,), {}, given({"answer": answer, "who": who}), False, None)
        return cast(types.RunView, await self._ask(asked))

    async def cancel_run(
        self,
        id: str,
    ) -> types.RunView:
        """End a run."""
        asked = Asked("POST", "/v1/runs/{id}/cancel", (id,), {}, None, False, None)
        return cast(types.RunView, await self._ask(asked))

    async def ask_exemption(
        self,
        *,
        payer: str,
        kind: Literal["account_access", "contactless", "corporate", "remote_card", "transfer", "unattended"],
        amount: str | None = None,
        currency: str | None = None,
        amount_eur: str | None = None,
        payee: str | None = None,
        own_account: bool | None = None,
        risks: types.Risks | None = None,
    ) -> types.ExemptionAnswer:
        """Is strong authentication required, or is the payment a candidate for an exemption, and why."""
        asked = Asked(
            "POST",
            "/v1/exemptions",
            (),
            {},
            given(
                {
                    "payer": payer,
                    "kind": kind,
                    "amount": amount,
                    "currency": currency,
                    "amount_eur": amount_eur,
                    "payee": payee,
                    "own_account": own_account,
                    "risks": risks,
                }
            ),
            False,
            None,
        )
        return cast(types.ExemptionAnswer, await self._ask(asked))

    async def report_payment(
        self,
        *,
        reference: str,
        payer: str,
        kind: Literal["account_access", "contactless", "corporate", "remote_card", "transfer", "unattended"],
        authenticated: bool,
        amount: str | None = None,
        currency: str | None = None,
        amount_eur: str | None = None,
        payee: str | None = None,
        series: bool | None = None,
        article: Literal["10", "11", "12", "13", "14", "15", "16", "17", "18"] | None = None,
    ) -> types.Noted:
        """What was done: it counts until the next strong authentication."""
        asked = Asked(
            "POST",
            "/v1/exemptions/reports",
            (),
            {},
            given(
                {
                    "reference": reference,
                    "payer": payer,
                    "kind": kind,
                    "authenticated": authenticated,
                    "amount": amount,
                    "currency": currency,
                    "amount_eur": amount_eur,
                    "payee": payee,
                    "series": series,
                    "article": article,
                }
            ),
            False,
            None,
        )
        return cast(types.Noted, await self._ask(asked))

    async def trust_payee(
        self,
        *,
        payer: str,
        payee: str,
        trusted: bool,
    ) -> types.Noted:
        """Put a payee on a payer's list of trusted beneficiaries, or take it off."""
        asked = Asked(
            "POST",
            "/v1/exemptions/trusted",
            (),
            {},
            given({"payer": payer, "payee": payee, "trusted": trusted}),
            False,
            None,
        )
        return cast(types.Noted, await self._ask(asked))

    async def forget_payer(
        self,
        *,
        payer: str,
    ) -> types.Noted:
        """Erase a payer's counters, trusted payees and series."""
        asked = Asked("POST", "/v1/exemptions/forget", (), {}, given({"payer": payer}), False, None)
        return cast(types.Noted, await self._ask(asked))

    async def tell_fraud_rate(
        self,
        id: str,
        *,
        kind: Literal["remote_card", "transfer"],
        fraud: str,
        total: str,
    ) -> types.Noted:
        """The fraud of a quarter that is over, for transaction risk analysis."""
        asked = Asked(
            "PUT",
            "/v1/exemptions/rates/{id}",
            (id,),
            {},
            given({"kind": kind, "fraud": fraud, "total": total}),
            False,
            None,
        )
        return cast(types.Noted, await self._ask(asked))

    async def list_links(
        self,
    ) -> types.Links:
        """The operator links."""
        asked = Asked("GET", "/v1/links", (), {}, None, False, None)
        return cast(types.Links, await self._ask(asked))

    async def healthz(
        self,
    ) -> types.Alive:
        """The process is alive."""
        asked = Asked("GET", "/healthz", (), {}, None, False, None)
        return cast(types.Alive, await self._ask(asked))

    async def readyz(
        self,
    ) -> types.Ready:
        """New messages are accepted."""
        asked = Asked("GET", "/readyz", (), {}, None, False, None)
        return cast(types.Ready, await self._ask(asked))

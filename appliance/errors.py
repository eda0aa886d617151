"""The one error type of the house and the closed list of its codes.

A code is what programs rely on, a message is what a person reads, a hint is what that person can do next.
None of the three ever carries a telephone number, a message body, a key or a PIN.
"""

from __future__ import annotations

from typing import Any, Final

CODES: Final[dict[str, str]] = {
    # what a caller sent
    "malformed": "the request could not be read at all",
    "invalid": "a field is missing, unknown, of the wrong type or out of range",
    "too_large": "the request is larger than its limit",
    "unsupported_media": "the request's media type is not one this door reads",
    "number_invalid": "the number is not a valid E.164 number",
    "sender_invalid": "the sender is neither a number, a short code nor an alphanumeric sender",
    "sender_unregistered": "the sender is not registered in a country where it has to be; the hint says what to do",
    "text_too_long": "the text is longer than the appliance sends",
    "text_unmappable": "the text has characters that no encoding of this link can carry",
    "template_invalid": "a template or its locale has a mistake",
    "params_invalid": "the parameters are not those of the template",
    "content_refused": "the text has something in it that the policy on content refuses; `rule` says which",
    "destination_blocked": "no codes go to this country or prefix; `rule` says which of the two it is",
    "number_at_risk": "the operator says that the number's SIM, or its contract, is too young for this code; `rule` says which",
    "suppressed": "the customer asked not to be written to; `rule` names the programme",
    "quiet_hours": "the validity ends before the quiet hours that the message has to wait for; `rule` names them",
    "expired_before_sent": "the validity ends before the message could be sent",
    "callback_not_allowed": "the callback address is not on the list of allowed hosts",
    "not_found": "there is no such thing, or it is not the caller's to see",
    "method_not_allowed": "the address exists, the method does not",
    "not_acceptable": "the answer cannot be given in a media type the caller reads",
    "not_cancellable": "the message has already left",
    "not_held": "the message does not wait for a person's decision",
    "not_redactable": "the message has not left yet: its content is still needed",
    "verification_ended": "the verification is not pending any more",
    "workflow_invalid": "a workflow's definition has mistakes; `problems` says each with its line",
    "workflow_state": "the version of the workflow, or its run, is not in a state for that",
    "idempotency_conflict": "the idempotency key was used before with another body",
    "rate_limited": "the caller sends faster than it was allowed to",
    "unauthorized": "no valid credential was presented",
    "forbidden": "the credential does not allow this",
    # what the appliance cannot do now
    "peer_unavailable": "another process of the appliance does not answer",
    "hsm_unavailable": "the HSM does not answer, so nothing can be sealed",
    "engine_unavailable": "the engine does not answer, so nothing can be made durable",
    "store_full": "the disk is full or not writable",
    "store_busy": "somebody reads a store whose log is to be emptied of what was erased",
    "overloaded": "the queues are full",
    "number_unchecked": "the operator does not say whether the number is safe, and codes of this purpose do not leave without",
    "no_route": "no link serves this destination",
    "audit_unavailable": "the audit log does not answer, so no privileged act is possible",
    "internal": "a mistake of the appliance's own",
    # what an administrator must mend
    "settings_invalid": "the settings file has a mistake",
    "sqlite_too_old": "this SQLite has the WAL-reset bug",
    "store_damaged": "a store does not open or does not match its schema",
    "pin_invalid": "the token refused the PIN",
    "sealed": "the token is closed until people open it: `casemate keys unseal`, or the ceremony `initialise`",
    "token_missing": "the PKCS#11 module or token is not there",
    "mechanism_missing": "the token offers no mechanism for what is asked",
    "key_missing": "a key that should be in the token or the key store is not there",
    "key_destroyed": "the key was destroyed: what it sealed was erased with it",
    "key_refused": "a key operation failed its check",
    "legal_hold": "a legal hold covers what was to be erased",
    "key_state": "the state of the key, or a legal hold on its day, does not allow this",
    "address_in_use": "the address to listen on is taken",
    "already_running": "another supervisor holds this state folder",
    "unsafe_listen": "clear-text listening is only allowed on loopback",
    "peer_refused": "the other end of the socket is not who it should be",
    "file_invalid": "a file could not be read as what it should be",
    "audit_invalid": "the audit log does not verify",
}


class Error(Exception):
    """An expected failure: `code` from CODES, `message` for a person, `hint` for what to do, `detail` for programs."""

    def __init__(self, code: str, message: str, hint: str = "", **detail: Any) -> None:
        assert code in CODES, code
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]" + (f" ({self.hint})" if self.hint else "")

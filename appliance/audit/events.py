"""The closed table of what can stand in the audit log: name of the event -> what it means. Nothing else is ever recorded.

A new privileged act gets its row here first; `appliance/audit/README.md` repeats the table and a test compares the two.
"""

from __future__ import annotations

from typing import Final

EVENTS: Final[dict[str, str]] = {
    # processes and settings
    "process.start": "a process of the appliance started",
    "process.stop": "a process of the appliance stopped on request",
    "process.died": "a process ended without being asked to and is started again",
    "settings.loaded": "a process read the settings; detail holds the digest of the file",
    "settings.changed": "the settings file differs from the one read before",
    # people and programs
    "console.login": "somebody signed in to the console, or tried to (outcome refused)",
    "console.logout": "somebody signed out, or the session ended by its limits",
    "console.user_created": "a console user was created",
    "console.user_changed": "a console user's role or password was changed",
    "console.user_removed": "a console user was removed",
    "apikey.created": "an API key was created",
    "apikey.revoked": "an API key was revoked",
    "apikey.secret_shown": "the secret that signs an API key's webhooks was shown",
    "apikey.refused": "a credential presented to the API was refused; recorded at most once a minute per address",
    "door.account_created": "an account of the SMPP door was created; detail holds its API key",
    "door.account_changed": "an account of the SMPP door was given other limits, networks or recipients",
    "door.account_password": "an account of the SMPP door was given a new password",
    "door.account_revoked": "an account of the SMPP door was revoked",
    "door.bound": "a system bound to the SMPP door; recorded at most once a minute per account and address",
    "door.refused": "a bind at the SMPP door was refused; recorded at most once a minute per address",
    "door.letters_again": "what a bank's system had refused at the SMPP door was made due to it again",
    # keys and HSM
    "token.initialised": "a token was initialised and its keys generated",
    "hsm.login": "the keys process logged in to the token",
    "hsm.commissioned": "a person had the token tried and measured with throw-away keys; detail says whether it is fit",
    "hsm.lost": "the HSM stopped answering",
    "hsm.back": "the HSM answers again",
    "key.created": "a data key was made and wrapped",
    "key.unwrapped": "a data key was unwrapped for a process",
    "key.index_derived": "the blind index key was derived for a process",
    "key.derived": "another key was derived for a process; detail holds the purpose",
    "key.state_changed": "a key's period began or ended; detail holds its new state (NIST SP 800-57)",
    "key.rewrapped": "a key was wrapped anew, under another key; the key itself and what it sealed stay as they are",
    "key.destroyed": "a data key was destroyed: what it sealed can no longer be read",
    # messages
    "batch.committed": "a batch of messages became durable; detail holds its count and digest",
    "messages.indeterminate": "segments were left without an answer when a link or the engine went; detail holds how many",
    "message.viewed": "the clear content of a message was shown to a person",
    "message.searched_by_number": "messages were looked up by a telephone number (the number is not recorded)",
    "number.looked_up": "the country and operator of a number were looked up (the number is not recorded)",
    "message.cancelled": "a message was cancelled before it left",
    "message.replaced": "a message that had not left was given another text, time or validity by the system that sent it",
    "message.decided": "a person decided on a message that nobody knew the fate of; detail holds what: resend or close",
    "consent.stopped": "a customer asked to be left alone, or a person noted it; detail holds programme and source",
    "consent.started": "that ended, by the customer's own word or by a person",
    "consent.help_asked": "a customer asked for help and was answered",
    "consent.review_listed": "a customer's message that may be a wish to be left alone waits for a person",
    "consent.reviewed": "a person decided on such a message; detail holds what: stop or none",
    "consent.looked_up": "a person looked up what a number's customer asked for (the number is not recorded)",
    "consent.imported": "a list of suppressed numbers was read in; detail holds how many",
    "consent.exported": "the suppressed numbers were written out; detail holds how many",
    "message.redacted": "the content of a message was erased",
    "partition.quarantined": "a day of messages is damaged and is left alone until it is mended",
    "partition.erased": "a day of messages reached the end of its retention and was erased",
    "template.saved": "a template was saved and is in use; detail holds how many languages it has",
    "template.removed": "a template was taken out of use",
    "sender.requested": "a sender's registration in a country was asked for; detail holds country and kind",
    "sender.confirmed": "a sender's registration was confirmed; detail holds country, kind and the days it holds",
    "sender.expired": "a sender's registration was ended",
    # operator links
    "link.up": "an operator link was bound",
    "link.down": "an operator link was lost or unbound",
    "link.drained": "a person took an operator link out of use: nothing new is submitted over it",
    "link.resumed": "a person put a drained operator link back into use",
    "link.tested": "a person had an operator link tried with a bind of its own; detail says whether a message was sent",
    "link.trace_on": "a person had the PDUs of an operator link shown, masked; detail holds for how many minutes",
    "link.trace_off": "that ended, by a person or by itself",
    "routes.explained": "a person asked why a number takes its link (the number is not recorded)",
    "routes.activated": "a person made another version of the routes the active one; detail holds its digest",
    "routes.loaded": "the engine took the active version of the routes",
    "routes.damaged": "the engine could not take the version that is active, or not all of it",
    "numbers.imported": "a national database of ported numbers was brought into use; detail holds book, rows and digest",
    "numbers.back": "the books of ported numbers that were in use before were brought back into use",
    "link.changed": "an operator link was paused, resumed or given other settings by a person",
    # the log itself
    "audit.verified": "somebody had the running log verified",
    "audit.exported": "somebody exported the log",
    "audit.cosigned": "a checkpoint came back cosigned by a witness; `on` names the witness",
    "audit.gap": "a process skipped numbers in what it sent to the log: entries of its own may be lost",
    # tools
    "bench.run": "a load test was run against the appliance",
}

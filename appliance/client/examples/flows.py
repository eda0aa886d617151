#!/usr/bin/env python3
"""The five flows of a bank with `casemate.client`: login, payment, password reset, access to an account, fraud question.

export CASEMATE_API=http://127.0.0.1:8080 CASEMATE_API_KEY=...   (var/demo.env of a demo has both)
python flows.py login +393331234567
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from casemate.client import Casemate, CasemateError

Typed = Callable[[], str]  # what the customer enters


def login(casemate: Casemate, number: str, typed: Typed) -> bool:
    """Two-factor login: a code, checked once."""
    begun = casemate.begin_verification(to=number, purpose="login", locale="it", user="customer-77")
    return casemate.check_verification(begun["id"], code=typed())["status"] == "approved"


def payment(casemate: Casemate, number: str, typed: Typed) -> bool:
    """A payment: is an exemption possible? Else a code that is worth nothing for another payee or amount."""
    paid = {"payee": "Rossi S.r.l.", "amount": "940.00", "currency": "EUR"}
    asked = casemate.ask_exemption(payer="customer-77", kind="transfer", **paid)
    if asked["answer"] == "required":
        begun = casemate.begin_verification(to=number, purpose="payment", locale="it", **paid)
        if casemate.check_verification(begun["id"], code=typed(), **paid)["status"] != "approved":
            return False
    casemate.report_payment(
        reference=f"payment-{time.time_ns()}",
        payer="customer-77",
        kind="transfer",
        authenticated=asked["answer"] == "required",
        **paid,
    )
    return True


def password_reset(casemate: Casemate, number: str, typed: Typed) -> bool:
    """A reset: the code, and a notice afterwards, so that a customer who did not ask for it learns of it."""
    begun = casemate.begin_verification(to=number, purpose="password-reset", life_s=300)
    approved = casemate.check_verification(begun["id"], code=typed())["status"] == "approved"
    if approved:
        casemate.send_message(to=number, text="Your password was changed. Not you? Call us.", class_="alert")
    return approved


def account_access(casemate: Casemate, number: str, typed: Typed) -> bool:
    """A look at the account: with a code when the last one is 180 days ago (article 10)."""
    asked = casemate.ask_exemption(payer="customer-77", kind="account_access")
    if asked["answer"] == "candidate":
        return True
    begun = casemate.begin_verification(to=number, purpose="account-access")
    approved = casemate.check_verification(begun["id"], code=typed())["status"] == "approved"
    if approved:
        casemate.report_payment(
            reference=f"access-{time.time_ns()}", payer="customer-77", kind="account_access", authenticated=True
        )
    return approved


def fraud_question(casemate: Casemate, number: str, typed: Typed, wait_s: float = 60.0) -> bool:
    """A question to the customer, whose answer comes back as a message; true when the payment was the customer's own."""
    seen = {row["id"] for row in casemate.list_inbound()["messages"]}
    casemate.send_message(to=number, text="Did you pay EUR 940.00 to Rossi S.r.l.? Reply YES or NO.", class_="alert")
    until = time.monotonic() + wait_s
    while time.monotonic() < until:
        for row in casemate.list_inbound()["messages"]:
            if row["id"] not in seen and row["from"] == number:
                return (row["text"] or "").strip().upper() == "YES"
        time.sleep(0.5)
    raise TimeoutError("the customer did not answer: hand over to a person")


FLOWS: dict[str, Callable[[Casemate, str, Typed], bool]] = {
    "login": login,
    "payment": payment,
    "password-reset": password_reset,
    "account-access": account_access,
    "fraud-question": fraud_question,
}


def main() -> int:
    if len(sys.argv) != 3 or sys.argv[1] not in FLOWS:
        print(f"usage: flows.py {'|'.join(FLOWS)} NUMBER", file=sys.stderr)
        return 2
    with Casemate(os.environ["CASEMATE_API"], os.environ["CASEMATE_API_KEY"]) as casemate:
        try:
            done = FLOWS[sys.argv[1]](casemate, sys.argv[2], lambda: input("code: "))
        except CasemateError as e:
            print(e, file=sys.stderr)
            return 1
    print("approved" if done else "denied")
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())

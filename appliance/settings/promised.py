"""Settings of what the bank promises itself and others, which reports are measured against, and of who the bank is on their forms."""

from __future__ import annotations

from typing import Final

from .setting import Setting

PROMISED_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting(
        "bank.country", "str", "", "ISO 3166 code of the bank's home country: codes go there, see verify.countries"
    ),
    Setting("bank.name", "str", "", "name of the bank as its reports and forms have it"),
    Setting("bank.lei", "str", "", "legal entity identifier of the bank (ISO 17442), for its incident forms"),
    Setting("sla.otp_s", "int", 10, "seconds within which an operator has taken a one-time code", 1, 600),
    Setting("sla.alert_s", "int", 30, "the same for alerts", 1, 600),
    Setting("sla.transaction_s", "int", 60, "the same for transactions", 1, 600),
    Setting("sla.bulk_minutes", "int", 60, "minutes for bulk", 1, 1_440),
    Setting("sla.taken_percent", "int", 99, "of a hundred messages so many are taken in that time", 1, 100),
    Setting("sla.delivered_percent", "int", 95, "of a hundred that ended so many are delivered", 1, 100),
    Setting("sla.link_percent", "int", 99, "of a hundred hours each operator link is up for so many", 1, 100),
)

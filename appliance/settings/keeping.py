"""Settings of how long messages are kept: the day and its key, and within that text and number by class."""

from __future__ import annotations

from typing import Final

from .setting import Setting

KEEPING_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting(
        "store.retention_days",
        "int",
        30,
        "days that a partition of messages is kept, and the key it is sealed under",
        1,
        3650,
    ),
    Setting(
        "store.otp_days",
        "int",
        3,
        "days that text and number of a one-time code are kept, as long as its partition at most: a code is worthless after minutes",
        1,
        3650,
    ),
    Setting("store.alert_days", "int", 30, "the same for alerts: a payer disputes what he was warned of", 1, 3650),
    Setting("store.transaction_days", "int", 30, "the same for transactions", 1, 3650),
    Setting("store.bulk_days", "int", 7, "the same for bulk, which is the same text to everybody", 1, 3650),
    Setting("store.inbound_days", "int", 30, "the same for what customers write", 1, 3650),
)

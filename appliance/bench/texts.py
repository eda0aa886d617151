"""Realistic notifications for a load: mostly one segment, some long, some in UCS-2; the same for the same seed. Pure."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any, Final

#: Weight, class, text. Fields are filled in from the seed.
TEXTS: Final[tuple[tuple[int, str, str], ...]] = (
    (30, "otp", "{code} is your one-time code for online banking. It is valid for 5 minutes. Never share it, not even with the bank."),
    (12, "otp", "Il tuo codice di conferma è {code}. Non comunicarlo a nessuno, la banca non te lo chiederà mai."),
    (20, "transaction", "Card ending {four}: payment of EUR {amount} at {shop} on {day}/11 at {hour}:{minute}. Not you? Call the number on your card."),
    (12, "alert", "Zahlung über {amount} EUR an {shop} wurde freigegeben. Waren Sie das nicht? Sperren Sie Ihre Karte in der App."),
    (8, "transaction", "Bonifico di {amount} € a favore di {shop} eseguito il {day}/11. Saldo disponibile aggiornato nell'app."),
    (5, "transaction", "Η πληρωμή {amount} € στο {shop} ολοκληρώθηκε. Κάρτα {four}."),
    (3, "alert", "आपके कार्ड {four} से {amount} यूरो का भुगतान हुआ।"),
    (10, "bulk", "Your statement for November is ready in online banking. Balance at the end of the month: EUR {amount}. Questions? Write to us from the app."),
)  # fmt: skip
LONG: Final = (
    "Dear customer, from 1 January the terms of your current account change. The monthly fee stays at EUR {amount}. "
    "Transfers in euro remain free of charge in the app and at our machines; at the counter they cost EUR 2.50. "
    "You find the full text under Documents. If you do not agree you may close the account free of charge until {day} December."
)
SHOPS: Final = (
    "SUPERMERCATO VERDI",
    "Bäckerei Huber",
    "RAIL EUROPE",
    "FARMACIA CENTRALE",
    "BOOKS & CO",
    "OTTICA ROSSI",
)


def messages(seed: int, count: int, long_share: float = 0.02) -> list[dict[str, Any]]:
    """`count` requests as the REST API takes them; `long_share` of them have several segments."""
    chance = random.Random(seed)
    weights = [weight for weight, _, _ in TEXTS]
    out: list[dict[str, Any]] = []
    for n in range(count):
        filled = {
            "code": f"{chance.randrange(10**6):06}",
            "four": f"{chance.randrange(10**4):04}",
            "amount": f"{chance.randrange(1, 2_000)}.{chance.randrange(100):02}",
            "shop": chance.choice(SHOPS),
            "day": f"{chance.randrange(1, 29):02}",
            "hour": f"{chance.randrange(24):02}",
            "minute": f"{chance.randrange(60):02}",
        }
        long = chance.random() < long_share
        _, class_, text = (0, "bulk", LONG) if long else chance.choices(TEXTS, weights)[0]
        out.append(
            {
                "to": f"+3933{chance.randrange(10**8):08}",
                "text": text.format(**filled),
                "class": class_,
                "from": "MYBANK",
                "reference": f"bench-{n}",
            }
        )
    return out


def bodies(seed: int, calls: int, per_call: int, class_: str = "", validity_s: int = 0) -> list[bytes]:
    """Bodies of `calls` batch calls, made before the clock starts so that the load costs little while it runs.

    `class_`, `validity_s`: of every message, when given.
    """
    rows = messages(seed, calls * per_call)
    for row in rows if class_ or validity_s else ():
        row |= {"class": class_ or row["class"]}
        row |= {"validity_s": validity_s} if validity_s else {}
    return bodies_of(rows, per_call)


def bodies_of(rows: Sequence[dict[str, Any]], per_call: int) -> list[bytes]:
    return [
        json.dumps({"messages": rows[at : at + per_call]}, ensure_ascii=False).encode()
        for at in range(0, len(rows), per_call)
    ]


def single_bodies(seed: int, count: int) -> list[bytes]:
    """The same messages, each as the body of a request of its own."""
    return [json.dumps(row, ensure_ascii=False).encode() for row in messages(seed, count)]

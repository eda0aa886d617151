"""A bank's day of notifications from a seed: four classes, six languages, emoji, one to dozens of segments, no two texts alike."""

from __future__ import annotations

import random
from typing import Any

#: Share in per mille, class, sender, text. `{ref}` makes every text one of its own.
TEMPLATES: tuple[tuple[int, str, str, str], ...] = (
    (150, "otp", "MYBANK", "{code} is your one-time code for online banking (ref {ref}). Never share it with anybody."),
    (130, "otp", "LAMIABANCA", "Il tuo codice di conferma è {code}. Operazione {ref}. Non comunicarlo mai a nessuno."),
    (
        60,
        "otp",
        "MEINEBANK",
        "Ihre TAN für Auftrag {ref} lautet {code}. Geben Sie sie niemals weiter – auch nicht uns.",
    ),
    (
        120,
        "alert",
        "LAMIABANCA",
        "Pagamento di {amount} € con carta *{four} presso {shop}. Non sei tu? Blocca la carta nell'app. {ref}",
    ),
    (
        110,
        "alert",
        "MEINEBANK",
        "Kartenzahlung über {amount} EUR bei {shop} am {day}.11. Nicht von Ihnen? Karte sofort sperren! Vorgang {ref}",
    ),
    (
        80,
        "transaction",
        "MYBANK",
        "Payment of €{amount} to {shop} [card ~{four}] is done. Balance {{updated}} in the app. {ref}",
    ),
    (70, "transaction", "Η ΤΡΑΠΕΖΑ", "Η πληρωμή {amount} € στο {shop} ολοκληρώθηκε. Κάρτα {four}. Κωδικός {ref}"),
    (60, "transaction", "MERABANK", "आपके कार्ड {four} से {shop} में {amount} यूरो का भुगतान हुआ। संदर्भ {ref}"),
    (50, "alert", "MYBANK", "⚠️ New sign-in from a device we do not know 📱. Was it you? If not, call us now ☎️. {ref}"),
    (40, "bulk", "LAMIABANCA", "🎉 Il tuo estratto conto di novembre è pronto nell'app 👍🏽. Rif. {ref}"),
    (
        90,
        "bulk",
        "MYBANK",
        "Your statement for November is ready in online banking. Questions? Write to us from the app. {ref}",
    ),
    (20, "bulk", "MEINEBANK", "{long_de}"),
    (12, "bulk", "LAMIABANCA", "{long_it}"),
    (5, "bulk", "", "{long_hi}"),
    (3, "transaction", "", "{long_emoji}"),
)
LONG = {
    "long_de": "Zum 1. Januar ändern sich die Bedingungen Ihres Girokontos; Überweisungen bleiben kostenlos. Fußnote [{n}]: Preis {amount} €. ",
    "long_it": "Dal 1° gennaio cambiano le condizioni del tuo conto corrente; i bonifici restano gratuiti. Nota {{{n}}}: costo {amount} €. ",
    "long_hi": "एक जनवरी से आपके खाते की शर्तें बदल रही हैं; ऑनलाइन भुगतान निःशुल्क रहेंगे। टिप्पणी {n}: शुल्क {amount} यूरो। ",
    "long_emoji": "👩‍👩‍👧‍👦 Conto famiglia 💶, novità n. {n} 🎁: canone {amount} € 🇮🇹. ",
}
SHOPS = ("SUPERMERCATO VERDI", "Bäckerei Groß", "RAIL & GO", "ΦΟΥΡΝΟΣ", "मेहता स्टोर", "OTTICA ROSSI")
#: Plausible mobile numbers of Italy, Germany, Greece, India and Spain: prefix and how many digits follow.
NUMBERS = (("+39333", 7), ("+39347", 7), ("+4915112", 6), ("+306944", 6), ("+919876", 6), ("+34612", 6))
#: Parts that every text has some of: none may be found in clear on the appliance's disk.
MARKS = tuple(
    mark
    for mark in (
        "is your one-time code", "codice di conferma", "lautet", "Blocca la carta", "sofort sperren", "Balance {updated}",
        "ολοκληρώθηκε", "भुगतान हुआ", "do not know", "estratto conto di novembre", "statement for November", "Girokontos",
        "conto corrente", "निःशुल्क", "Conto famiglia", *SHOPS,
    )
)  # fmt: skip


def notifications(seed: int, count: int) -> list[dict[str, Any]]:
    """`count` requests for the REST API. Among many there is a text of exactly 4,000 characters in each encoding."""
    chance = random.Random(seed)
    out: list[dict[str, Any]] = []
    for n in range(count):
        _, class_, sender, text = chance.choices(TEMPLATES, [t[0] for t in TEMPLATES])[0]
        ref = f"N{seed % 100:02}{n:06}"
        fields = {
            "ref": ref,
            "code": f"{chance.randrange(10**6):06}",
            "four": f"{chance.randrange(10**4):04}",
            "amount": f"{chance.randrange(1, 3_000)},{chance.randrange(100):02}",
            "shop": chance.choice(SHOPS),
            "day": f"{chance.randrange(1, 29):02}",
        }
        if text.startswith("{long"):
            text = _long(chance, LONG[text[1:-1]], fields)
        else:
            text = text.format(**fields)
        if n == 7:
            text = _cut(LONG["long_de"] * 60, fields, 4_000)
        if n == 8:
            text = _cut(LONG["long_hi"] * 60, fields, 4_000)
        prefix, digits = chance.choice(NUMBERS)
        row: dict[str, Any] = {"to": f"{prefix}{chance.randrange(10**digits):0{digits}}", "text": text, "class": class_}
        if sender and sender.isascii():
            row["from"] = sender
        if chance.random() < 0.5:
            row["reference"] = f"r-{n}"
        out.append(row)
    return out


def _long(chance: random.Random, sentence: str, fields: dict[str, str]) -> str:
    return _cut(sentence * 80, fields, chance.randrange(161, 4_001))


def _cut(sentences: str, fields: dict[str, str], characters: int) -> str:
    """`characters` of it as the API counts them, the reference first so that no two are alike."""
    whole = f"{fields['ref']}: " + sentences.format(n=fields["four"], amount=fields["amount"])
    return whole[:characters]

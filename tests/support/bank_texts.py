"""Ordinary bank texts for the content guard: all 87 locales, accounts, references, amounts, times, telephones. `python -m tests.support.bank_texts` judges 100,000."""

from __future__ import annotations

import random
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from appliance.bench.texts import messages
from appliance.content import Guard
from appliance.errors import Error
from appliance.templates import LOCALES, Body, Template
from appliance.text import transliterated

SAMPLES = tomllib.loads((Path(__file__).parents[1] / "vectors/templates/samples.toml").read_text(encoding="utf-8"))
COUNT = 100_000
#: Country, letters of a bank, digits behind it: IBANs are made with their check digits.
ACCOUNTS = (("IT", "X", 22), ("DE", "", 18), ("FR", "", 23), ("GB", "NWBK", 14), ("ES", "", 20), ("NL", "ABNA", 10))


def iban(chance: random.Random) -> str:
    country, bank, digits = chance.choice(ACCOUNTS)
    rest = bank + "".join(chance.choices("0123456789", k=digits))
    check = 98 - int("".join(str(int(c, 36)) for c in rest + country + "00")) % 97
    whole = f"{country}{check:02}{rest}"
    return whole if chance.random() < 0.5 else " ".join(whole[n : n + 4] for n in range(0, len(whole), 4))


def _digits(chance: random.Random, count: int) -> str:
    return "".join(chance.choices("0123456789", k=count))


def _sentence(chance: random.Random) -> str:
    """One of the bank's own, in several languages, with every kind of number that is no card."""
    amount = f"{chance.randrange(10**6) / 100:,.2f}"
    comma = amount.translate(str.maketrans(",.", ".,"))
    day = f"{chance.randrange(1, 29):02}/{chance.randrange(1, 13):02}/2026"
    time = f"{chance.randrange(24):02}:{chance.randrange(60):02}"
    stamp = f"2026{chance.randrange(1, 13):02}{chance.randrange(1, 29):02}"
    phone = f"+39 0{chance.randrange(2, 9)} {_digits(chance, 8)}"
    four = _digits(chance, 4)
    return chance.choice(
        (
            f"Bonifico di {comma} EUR a {iban(chance)} eseguito il {day} alle {time}. CRO {_digits(chance, 11)}",
            f"Transfer {_digits(chance, 10)} of EUR {amount} on {day} at {time} done, account {_digits(chance, 12)}",
            f"Ihre Überweisung über {comma} EUR an {iban(chance)} vom {day} {time} Uhr, Ref. {stamp}{_digits(chance, 8)}",
            f"Card **** **** **** {four}: EUR {amount} at {time} on {day}. Not you? Call {phone} or 800 {_digits(chance, 6)}",
            f"{_digits(chance, 6)} is your code for EUR {amount} to {iban(chance)}. Ref {stamp}-{_digits(chance, 6)}",
            f"Votre virement de {comma} € vers {iban(chance)} sera exécuté le {day}. Réf. RF18 {_digits(chance, 4)} {_digits(chance, 4)}",
            f"Saldo c/c {_digits(chance, 5)}/{_digits(chance, 8)}: {comma} EUR; disponibile {comma} EUR, ore {time} del {day}",
            f"Appointment {day} {time}, branch {_digits(chance, 5)}, ticket A-{_digits(chance, 7)}, tel. {phone}",
            f"Rate 3.{_digits(chance, 2)}% until {day}; instalment {chance.randrange(1, 360)} of 360: EUR {amount}, due {day}",
            f"Reset your password in the app or at https://bank.example/p?ref={_digits(chance, 8)} within 24 hours",
            f"Рахунок {iban(chance)}: {comma} EUR, {day} {time}. Картка *{four}",
            f"हिसाब {_digits(chance, 11)}: EUR {amount}, {day} {time}",
            f"رصيدك {amount} EUR في {day} الساعة {time}، الحساب {_digits(chance, 10)}",
        )
    )


def ordinary(seed: int, count: int) -> Iterator[str]:
    """A third each: the load's notifications, templates in the 87 locales, the bank's own sentences."""
    chance = random.Random(seed)
    made = Template("sample", 1, Body({each.tag: SAMPLES[each.tag] for each in LOCALES}, "en", "Europe/Rome"))
    notes = [m["text"] for m in messages(seed, count // 3 + 1)]
    for n in range(count):
        if n % 3 == 0:
            yield notes[n // 3]
        elif n % 3 == 1:
            given = {"n": chance.randrange(1, 2_000), "day": f"2026-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"} | {
                "sum": {"amount": f"{chance.randrange(10**8) / 100:.2f}", "currency": chance.choice(("EUR", "USD", "GBP"))}
            }  # fmt: skip
            yield made.text(given, LOCALES[n % len(LOCALES)].tag)
        else:
            yield _sentence(chance)


def alarms(seed: int, count: int) -> Counter[str]:
    """By rule, how many of so many texts the strictest guard refuses."""
    guard = Guard("refuse", "refuse", "refuse", ["bank.example"], transliterated)
    out: Counter[str] = Counter()
    for text in ordinary(seed, count):
        try:
            guard.check(text, True)
        except Error as e:
            out[str(e.detail["rule"])] += 1
    return out


if __name__ == "__main__":
    found = alarms(20_261_122, COUNT)
    print(f"{COUNT:,} texts, {found.total()} refused: {dict(found) or 'none'}")
    sys.exit(found.total() > COUNT // 10_000)

"""Seeds that once showed a bug, each with what it was: they are run for ever.

What a number means must stay: what `plan_of` comes to draw in addition is drawn after all the rest, from a stream of its own.
"""

from __future__ import annotations

import time
from typing import Final

#: Number -> what it showed first.
NAMED: Final[dict[int, str]] = {
    117: "a failed sync left pages that only the kernel's cache held; a restart told the auditor of them, and the power went:"
    " the audit outbox gave its numbers again. A store is now written back and synced when it is opened.",
    12: "a simulated operator that fell silent kept the last receipts for ever when nothing else happened afterwards",
    10_065: "a batch whose sync failed was refused, and a restart found it whole in the log and sent it",
    10_870: "the same with a request that was repeated",
    10_513: "a bulk message was under way when its customer wrote STOP, the operator put it off, and it was sent again",
    180: "the simulation took a store that could not be written at the end of a stop for a crash; the product was right",
    304: "the simulation took an auditor that found its disk full at a start for a crash; the product was right",
    313: "the simulation waited for a message that a clock set forth and back had scheduled hours ahead; the product was right",
    13_316: "the simulation closed what dead processes had open after their successors had begun, and SQLite took away the log that"
    " those wrote: accepted messages were gone. The product was right.",
    13_513: "the same: a final status was told, and its commit was gone",
    11_745: "the same: the audit outbox gave numbers again, and its entries waited for ever",
    36: "a clock set forth by an hour ended the wait for the last part of a customer's letter, which was in the store by then:"
    " the letter was kept with a gap. The wait is now by a clock that nobody sets, and what came is read before it ends.",
    11_722: "a bulk message of three segments whose first was lost on a link before its customer wrote STOP: the others left when"
    " the link was back, after the confirmation",
    20_207: "a bulk message in doubt waited to be sent again when its customer wrote STOP, and was sent after the confirmation",
    49: "the simulated person took a link out of use and back, and the first of these was done last; the product was right."
    " Until then nothing that the person asked for was ever done: the name by which it asked is none that the audit log takes",
    30_766: "a receipt came before its answer, and the clock was set forth by 25 hours in between: the receipt was taken for an old one",
    317: "a receipt that says nothing but number, sender and time was given to a segment in doubt; it was that of the first copy of another"
    " message, sent again since (while that rule was made)",
    22_718: "as many such receipts as segments in doubt, and one of these had two, having been sent again (while that rule was made)",
    41_144: "the same where the clock had been set back in between: receipts told by time now settle one segment alone or none",
    30_047: "the simulation took for committed what was read in the middle of a commit that power then cut; the product was right",
    10_016: "the same with a clock set forth by 25 hours between the parts",
    733_903_083_794: "a request was made again after the clock had been set forth by more than an Idempotency-Key is kept: the simulation took"
    " the first for undone; the product was right",
    410_001_050: "bulk messages that a gateway let through a moment after their customer's STOP was confirmed, and after a power cut in which"
    " the engine forgot it: an engine recalls at its start who asked last",
    800_002_297: 'an operator said "later" to all that it was sent, and the next were read from disk: what was put off counted nowhere, and'
    " more came back than the queues may hold",
    1_000_002_368: "a code in doubt waited to be sent again and expired: its first copy was forgotten with that, and the receipt of it was"
    " given to the next message in doubt whose text began alike",
    1_000_011_949: "the receipt of the second copy of a message came in the beat in which that of its first was asked whose it is: the message"
    " was left out as one that has its receipt, and another in doubt to that number was delivered by it",
    1_000_019_856: "the clock was set back over midnight with messages on disk: what came was of a day before theirs, and was taken into memory"
    " without a bound",
    1_000_024_672: "the simulated disk said that it was full without SQLite's number for that, and a day that was being made was taken for damaged"
    " until the next start; the product was right",
    1_000_052_601: "a receipt that waited in the file of a new day was given to its owner in the file of the day before, and power went between"
    " the two commits: it still waited after the restart, and settled a message in doubt whose text began alike",
    1_000_054_858: "the simulation counted long messages twice of which one part was put off and others waited; the product was right",
    1_000_039_464: "two troubles made the simulated network slow at once, and it stayed so for ever: every answer came too late",
}
#: The first ones of the fixed set, of those with receipts of every kind, and of those with commits that fail; and one in which a person
#: has a message in doubt sent again.
FIXED: Final = (*range(1, 31), 52, *range(500_000, 500_020), *range(3_000_000, 3_000_008))


def fresh(count: int) -> range:
    """Seeds that nobody has run, by the microsecond."""
    first = time.time_ns() // 1_000 % 10**12
    return range(first, first + count)

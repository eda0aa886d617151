"""The pages of the menu, one function each: what is shown, what is asked, what is called."""

from __future__ import annotations

import secrets
from functools import partial
from typing import Final

from appliance.clock import rfc3339
from appliance.errors import Error
from appliance.updates import asked_lines, left_lines

from . import capture, programs, screen, status_page
from .backup_page import backup
from .console import Console, Page
from .hardware_page import hardware
from .installing import install
from .keys_page import keys
from .network_page import network
from .ssh_page import ssh


def status(c: Console) -> None:
    c.show("Status", c.hands.status())


def link(c: Console) -> None:
    names = c.hands.links()
    if not names:
        raise Error("not_found", "the engine shows no link", "menu 1 shows the engine; links are in the settings file")
    c.show("Test an operator link", [f"{n:>3}  {name}" for n, name in enumerate(names, 1)])
    name = c.pick("link", names) if len(names) > 1 else names[0]
    if not name:
        return
    number = c.ask("number of yours that gets a test message (empty: none is sent)")
    c.tell("Trying; up to 40 seconds ...")
    c.show(f"Link {name}", c.hands.tested(name, number, c.who))


def reach(c: Console) -> None:
    what = ["ping", "trace", "cards", "addresses", "routes", "counters", "capture", "hardware"]
    c.show("Ping, cards, capture", [f"{n:>3}  {w}" for n, w in enumerate(what, 1)])
    word = c.pick("what", what)
    if word in ("ping", "trace"):
        c.show(word, programs.ran(word, programs.host(c.ask("name or address"))))
    elif word == "counters":
        c.show(word, programs.ran(word, programs.card(c.ask("card"))))
    elif word == "hardware":
        c.show("Firmware of the hardware", c.hands.hardware())
    elif word in ("cards", "addresses", "routes"):
        c.show(word, programs.ran(word))
    elif word == "capture":
        stick, name = c.hands.stick(), programs.card(c.ask("card"))
        seconds = c.ask("seconds, up to 300")
        if not (seconds.isascii() and seconds.isdigit() and 1 <= int(seconds) <= 300):
            raise Error("invalid", "that is no number from 1 to 300")
        c.hands.record(c.who, "box.captured", f"card:{name}", minutes=-(-int(seconds) // 60))
        c.tell("Headers only: what packets carry is not written.")
        c.tell(
            *capture.captured(
                name, float(seconds), stick / f"capture-{rfc3339(c.hands.clock())[:19].replace(':', '')}.pcap"
            )
        )


def logs(c: Console) -> None:
    names = c.hands.logs()
    if not names:
        raise Error(
            "not_found",
            "there are no logs here: neither in the state folder nor in this machine's journal",
            "menu 1 shows what each process says of itself",
        )
    c.show("Logs", [f"{n:>3}  {name}" for n, name in enumerate(names, 1)])
    name = c.pick("log", names)
    if name:
        lines = c.hands.log(name, c.ask("only lines with (empty: all)"))
        c.show(f"Log {name}, newest screen first", lines or ["no such line"], last_first=True)


def release(c: Console) -> None:
    updates = c.hands.updates
    waiting = [r for r in (updates.shown(r) for r in updates.book.requests()) if r["state"] in ("asked", "approved")]
    for r in waiting[:3]:
        c.tell(f"request {r['number']}: {r['version']}, {r['state']}, asked by {r['asked_by']}: {r['reason']}")
    if waiting and waiting[0]["state"] == "asked" and c.yes(f"Approve request {waiting[0]['number']}?"):
        c.tell(f"It is {updates.decide(waiting[0]['number'], True, c.who)}.")
        return
    path = c.from_stick("release", "raucb", "Release from USB")
    if path is None:
        return
    c.tell("Reading all of it; a minute or two ...")
    looked = updates.look(path, c.who, partial(c.progress, "reading"))
    c.show("This may be installed", asked_lines(looked))
    approved = next((r for r in waiting if r["state"] == "approved" and r["bundle"] == looked.bundle), None)
    two = c.hands.settings["firmware.two_people"]
    if two and approved is None:
        if c.yes("Another person has to approve it. Ask for it?"):
            c.tell(f"Request {updates.ask(path, c.ask('why'), c.who)}: another person signs in and chooses this entry.")
        return
    if c.yes("Compare signer and fingerprint. Install it into the other slot?"):
        version = updates.install(path, c.who, c.progress, approved["number"] if approved else None)
        c.tell(f"Release {version} is started next: menu 16.")


def slots(c: Console) -> None:
    found = c.hands.updates.state()
    if not found["slots"]:
        raise Error(
            "not_found",
            "this machine has no slots",
            "a host is updated from elsewhere with `ansible-playbook site.yml`",
        )
    lines = [
        f"slot {s['name']}  {s['version'] or '-':<12} {s['state']}{'  (runs)' if s['name'] == found['running'] else ''}"
        for s in found["slots"]
    ]
    c.show(
        "Slots",
        [
            *lines,
            *left_lines(found),
            "",
            "back     the other slot at the next start",
            "again    the other slot's release is tried again",
            "good     the running release is good",
        ],
    )
    word = c.ask("back, again, good (empty to leave)")
    if word == "back" and c.yes("Leave the running release at the next start?"):
        c.tell(f"{c.hands.updates.roll_back(c.who, c.ask('why'))} is left at the next start: menu 16.")
    elif word == "again" and c.yes("Try the other slot's release again?"):
        c.tell(f"{c.hands.updates.reinstate(c.who)} is tried at the next start: menu 16.")
    elif word == "good" and c.yes("Take the running release for good?"):
        c.tell(f"{c.hands.updates.bless(c.who)} is good.")


def support(c: Console) -> None:
    c.show(
        "Support bundle to USB",
        [
            "Status, settings and the ends of all logs; secrets and numbers are masked.",
            "It is encrypted to the certificate of the settings.",
        ],
    )
    if c.yes("Write it to the stick?"):
        c.tell(*c.hands.support(c.who))


def admin(c: Console) -> None:
    name = c.ask("name of the person at the console")
    if not name:
        return
    password = "-".join(secrets.token_hex(3) for _ in range(4))
    if c.yes(f"Give {name} a new password? The session there ends."):
        c.hands.reset_person(name, password, c.who)
        c.tell("The new password, shown once; to be changed at the first sign-in:", "", f"  {password}")
        if c.yes("Forget the second factor, too?"):
            had = c.hands.forget_factors(name, c.who)
            c.tell("Forgotten: another is enrolled at the next sign-in." if had else f"{name} had none.")


def recovery(c: Console) -> None:
    c.show(
        "Recovery key",
        [
            f"TPM            {c.hands.updates.machine.tpm or 'none'}",
            *c.hands.recovery(),
            "",
            "To confirm it, type the key from where the bank keeps it.",
        ],
    )
    typed = c.ask("recovery key (empty to leave)", secret=True)
    if typed:
        c.hands.recovery_confirmed(typed, c.who)
        c.tell("Confirmed: it is not shown again and stays valid.")


def accounts(c: Console) -> None:
    rows = [f"account   {a.name:<20} {a.role}" for a in c.field.store.accounts()]
    rows += [f"officer   {name}" for name in c.field.officers()]
    rows.append(f"envelope  {'sealed' if c.field.store.fact('envelope') else 'none: menu word   envelope   makes one'}")
    c.show("Accounts, officers", [*rows, "", "add, remove, officer, envelope"])
    word = c.ask("what (empty to leave)")
    if word == "add":
        name, role, password = (
            c.ask("name"),
            c.ask("role (administrator, compliance, viewer)"),
            c.ask("password", secret=True),
        )
        c.tell(
            "For the telephone's app, shown once:",
            "",
            f"  {screen.grouped(c.field.create(name, password, role, c.who))}",
        )
    elif word == "remove":
        name = c.ask("name")
        if c.person is not None and name.casefold() == c.person.name.casefold():
            raise Error("invalid", "that is you", "another administrator of this console can")
        c.field.remove(name, c.who)
        c.tell(f"{name} is removed.")
    elif word == "officer":
        name = c.ask("officer's name")
        c.tell(f"The box key for {c.field.serial}, 52 characters, as the officer's desk prints it:")
        c.field.enrol(name, c.ask("key"), c.who)
        c.tell("The officer can answer challenges of this box.")
    elif word == "envelope":
        c.tell(
            "Write it down, seal it, put it into the safe; it is shown once and works once:",
            "",
            f"  {screen.grouped(c.field.seal_envelope(c.who))}",
        )


def reset(c: Console) -> None:
    serial = c.hands.updates.serial
    c.show(
        "Factory reset",
        [
            "Destroys the keys first, then the state. What is on the disk afterwards is",
            "ciphertext that nobody can read. There is no way back but a backup and the HSM.",
        ],
    )
    if not serial:
        raise Error("not_found", "this box has no serial number to type", "set `firmware.serial`")
    if c.ask(f"type the serial number ({serial})") != serial:
        c.tell("That is not the serial number: nothing was done.")
        return
    c.tell(*c.hands.factory_reset(c.who), "Restart the box: menu 16. It begins as a new one.")


def restart(c: Console) -> None:
    word = c.ask("restart or off (empty to leave)")
    if word in ("restart", "off") and c.yes(f"{'Power off' if word == 'off' else 'Restart'} the box?"):
        c.hands.restart(word == "off", c.who)


def page(c: Console) -> None:
    status_page.shown(c.hands.status, c.idle_s)


PAGES: Final[dict[str, Page]] = {
    "status": status,
    "network": network,
    "link": link,
    "reach": reach,
    "logs": logs,
    "keys": keys,
    "release": release,
    "slots": slots,
    "backup": backup,
    "support": support,
    "admin": admin,
    "recovery": recovery,
    "accounts": accounts,
    "install": install,
    "reset": reset,
    "restart": restart,
    "page": page,
    "ssh": ssh,
    "hardware": hardware,
}

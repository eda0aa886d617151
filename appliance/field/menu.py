"""The menu as a table: what there is, who may, and what each does in one line. The manual's page and the screens are made from it."""

from __future__ import annotations

from typing import Final, NamedTuple


class Item(NamedTuple):
    """One entry: its number and its short command, what it is, the permission it needs (roles.py), and whether it changes something."""

    number: int
    word: str
    title: str
    permission: str
    changes: bool
    says: str


MENU: Final[tuple[Item, ...]] = (
    Item(
        1,
        "status",
        "Status of the box",
        "overview.read",
        False,
        "release, slots, Secure Boot, TPM, HSM, links, queues, disk, certificates, clock",
    ),
    Item(
        2,
        "network",
        "Network",
        "box.network",
        True,
        "address, VLAN, bond, routes, name and time servers, proxy: applied, then confirmed, or undone by itself",
    ),
    Item(
        3,
        "link",
        "Test an operator link",
        "links.write",
        True,
        "name, TCP, TLS, bind, one test message to a number of yours",
    ),
    Item(
        4,
        "reach",
        "Ping, cards, capture",
        "box.look",
        False,
        "ping, path, lights and counters of cards, capture of packet headers to USB",
    ),
    Item(5, "logs", "Logs", "box.look", False, "of each process from files or journal, of the kernel; filtered, paged"),
    Item(
        6,
        "keys",
        "Keys and HSM",
        "overview.read",
        True,
        "state of keys and token; a sealed token opened by PIN or custodians; another PIN; ceremonies",
    ),
    Item(
        7,
        "release",
        "Release from USB",
        "box.release",
        True,
        "check, show signer and fingerprint, ask, approve, install",
    ),
    Item(8, "slots", "Slots, going back", "box.release", True, "what is in each slot; back to the other one"),
    Item(
        9,
        "backup",
        "Backup by USB",
        "box.look",
        True,
        "stores and keys, encrypted to the bank's key; a box from a backup",
    ),
    Item(10, "support", "Support bundle to USB", "box.look", True, "status, settings and logs, redacted, encrypted"),
    Item(11, "admin", "Reset an administrator", "users.write", True, "a new password for a person of the console"),
    Item(
        12,
        "recovery",
        "Recovery key",
        "box.look",
        False,
        "whether the key that opens the state volume without the TPM is in the safe",
    ),
    Item(
        13,
        "accounts",
        "Accounts, officers",
        "users.write",
        True,
        "accounts of this console, break-glass officers, envelope",
    ),
    Item(14, "install", "Install to disk", "box.release", True, "writes the running system to an empty disk"),
    Item(15, "reset", "Factory reset", "box.reset", True, "destroys the keys, then everything; type the serial number"),
    Item(16, "restart", "Restart, power off", "box.restart", True, "the processes stop in their order first"),
    Item(17, "page", "Status page, moving", "overview.read", False, "drawn by curses, on request; any key leaves it"),
    Item(
        18,
        "ssh",
        "SSH for a time",
        "box.ssh",
        True,
        "opened to one key for minutes, from the management network alone; ends by itself",
    ),
    Item(
        19,
        "hardware",
        "Firmware of hardware",
        "box.release",
        True,
        "a vendor's cabinet from USB: shown, asked for, approved by another; the box writes it through fwupd",
    ),
    Item(0, "out", "Sign out", "account.write", False, "ends the session"),
)

assert len({i.number for i in MENU}) == len({i.word for i in MENU}) == len(MENU)


def chosen(typed: str) -> Item | None:
    """By number or by the beginning of a short command when only one begins like that. Pure."""
    text = typed.strip().lower()
    if text.isascii() and text.isdigit():
        return next((i for i in MENU if i.number == int(text)), None)
    exact = [i for i in MENU if i.word == text]
    found = exact or [i for i in MENU if text and i.word.startswith(text)]
    return found[0] if len(found) == 1 else None

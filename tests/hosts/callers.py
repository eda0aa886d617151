"""The programs of the matrix, run as `python -m tests.hosts.callers`: one listens at every destination, one knocks at all of them as one user, one does
so as many at once. They need Python and nothing else, so that they run on the box, too.

What counts is what arrives: each knock carries the name of who sent it.
"""

from __future__ import annotations

import json
import os
import pwd
import selectors
import socket
import sys
import time
from typing import Any

KNOCK_S = 8.0  # a SYN that was dropped is sent again after 1 s and 3 s; then it is given up


def _stream(kind: str) -> bool:
    return kind == "tcp"


def listen(places: list[list[Any]]) -> None:
    """Prints `USER NAME` for every knock that arrives at a place [name, address, port, transport]; ends with its input."""
    waits = selectors.DefaultSelector()
    for name, host, port, kind in places:
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if _stream(kind) else socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((host, port))
        if _stream(kind):
            s.listen(64)
        waits.register(s, selectors.EVENT_READ, (name, kind == "tcp"))
    waits.register(sys.stdin, selectors.EVENT_READ, None)
    print("listening", flush=True)
    while True:
        for key, _ in waits.select():
            if key.data is None:
                return
            name, accepts = key.data
            place: Any = key.fileobj
            if accepts:
                waits.register(place.accept()[0], selectors.EVENT_READ, (name, False))
                continue
            said = place.recv(200)
            if said:
                print(said.decode(), name, flush=True)
            else:
                waits.unregister(place)
                place.close()


def knock(user: str, number: int, places: list[list[Any]]) -> None:
    """Tries every place at once as the user with this number."""
    os.setgroups([])
    os.setresgid(number, number, number)
    os.setresuid(number, number, number)
    waits = selectors.DefaultSelector()
    for _name, host, port, kind in places:
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if _stream(kind) else socket.SOCK_DGRAM)
        s.setblocking(False)
        try:
            s.connect_ex((host, port))
            if not _stream(kind):
                s.send(user.encode())
        except OSError:
            continue  # refused by the kernel at once: as good as dropped
        waits.register(s, selectors.EVENT_WRITE, kind)
    until = time.monotonic() + KNOCK_S
    while time.monotonic() < until and waits.get_map():
        for key, _ in waits.select(0.5):
            place: Any = key.fileobj
            waits.unregister(place)
            if _stream(key.data) and not place.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                place.send(user.encode())


def crowd(users: list[str], places: list[list[Any]]) -> None:
    """Knocks as each of these users, all at once; prints how many there were."""
    children = []
    for user in users:
        number = pwd.getpwnam(user).pw_uid
        if child := os.fork():
            children.append(child)
            continue
        try:
            knock(user, number, places)
        finally:
            os._exit(0)
    for child in children:
        os.waitpid(child, 0)
    print(len(children))


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "listen":
        listen(json.loads(rest[0]))
    elif what == "crowd":
        crowd(*map(json.loads, rest))
    else:
        knock(rest[0], int(rest[1]), json.loads(rest[2]))

"""How the processes of one box talk: length-prefixed msgpack over Unix sockets, peers checked by SO_PEERCRED."""

from .client import BlockingClient, Client, share, tell_systemd
from .server import Peer, Server

__all__ = ["BlockingClient", "Client", "Peer", "Server", "share", "tell_systemd"]

"""How the processes of one box talk: length-prefixed msgpack over Unix sockets, peers checked by SO_PEERCRED."""

from .client import BlockingClient, Client, share, tell_systemd
from .server import Handler, Peer, Server

__all__ = ["BlockingClient", "Client", "Handler", "Peer", "Server", "share", "tell_systemd"]

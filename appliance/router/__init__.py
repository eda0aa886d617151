"""Which links may carry a message: an immutable table compiled from settings, asked once a message. No sockets, no clock."""

from .table import RouteTable

__all__ = ["RouteTable"]

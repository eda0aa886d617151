"""What a text must not carry: card numbers, passwords, links to strange places. Pure: no sockets, no clock, nothing kept."""

from .card import card_numbers
from .guard import Guard, Verdict
from .link import links
from .secret import secrets

__all__ = ["Guard", "Verdict", "card_numbers", "links", "secrets"]

"""Tells the bank what became of its messages: signed webhooks, tried again for a day, in order per message."""

from .addresses import callback_allowed
from .letter import secret_text
from .process import serve, webhook_secret

__all__ = ["callback_allowed", "secret_text", "serve", "webhook_secret"]

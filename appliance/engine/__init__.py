"""The engine: the one writer of its store; queues, pacing, operator links, receipts. Front door: `serve`; `parked_rate` measures."""

from .parked_rate import parked_rate
from .serve import serve

__all__ = ["parked_rate", "serve"]

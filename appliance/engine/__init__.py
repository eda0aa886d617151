"""The engine: the one writer of its store; queues, pacing, operator links, receipts. Front door: `serve`."""

from .serve import serve

__all__ = ["serve"]

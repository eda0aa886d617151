"""The engine: the one writer of its store; queues, pacing, operator links, receipts. Front door: `serve`; `parked_rate` and `stage_costs` measure."""

from .parked_rate import parked_rate
from .serve import serve
from .stages import stage_costs

__all__ = ["parked_rate", "serve", "stage_costs"]

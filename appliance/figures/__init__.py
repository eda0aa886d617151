"""Figures: what became of messages by day, hour, caller, class, operator and country; counted once and kept, recounted when it changed."""

from .book import FiguresBook
from .day import Figures, failed, percentile, together, within
from .watch import FiguresWatch

__all__ = ["Figures", "FiguresBook", "FiguresWatch", "failed", "percentile", "together", "within"]

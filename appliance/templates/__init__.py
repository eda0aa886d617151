"""Templates: texts in many languages with parameters, checked when they are saved."""

from .book import Saved, Snapshot, TemplateBook
from .locales import LOCALES, Named
from .template import Body, Template
from .watch import TemplateWatch

__all__ = ["LOCALES", "Body", "Named", "Saved", "Snapshot", "Template", "TemplateBook", "TemplateWatch"]

"""Templates: texts in many languages with parameters, checked when they are saved."""

from .book import Saved, Snapshot, TemplateBook
from .codes import PREFIX
from .locales import LOCALES, Named
from .rendering import CURRENCIES, decimals_of
from .template import Body, Template
from .watch import TemplateWatch

__all__ = [
    "CURRENCIES",
    "LOCALES",
    "PREFIX",
    "Body",
    "Named",
    "Saved",
    "Snapshot",
    "Template",
    "TemplateBook",
    "TemplateWatch",
    "decimals_of",
]

"""Which links may carry a message: an immutable table compiled from settings, versions of it, and how well each link does."""

from .binding import Bound, Layout
from .bookshelf import Bookshelf, InUse, Kept
from .checking import check_senders, warnings
from .drafting import Draft, drafted
from .explaining import Explained, Step, explain
from .group import Group, Way
from .health import CLOSED, HALF_OPEN, OPEN, Health, Heard, LinkHealth
from .operators import Learned, Numbers, Told
from .ported import Book
from .shelf import Active, Heading, Pointer, RouteShelf, digest_of, table_of, through
from .table import RouteTable
from .trial import Trial
from .watch import RouteWatch, Took, in_pieces

__all__ = [
    "CLOSED",
    "HALF_OPEN",
    "OPEN",
    "Active",
    "Book",
    "Bookshelf",
    "Bound",
    "Draft",
    "Explained",
    "Group",
    "Heading",
    "Health",
    "Heard",
    "InUse",
    "Kept",
    "Layout",
    "Learned",
    "LinkHealth",
    "Numbers",
    "Pointer",
    "RouteShelf",
    "RouteTable",
    "RouteWatch",
    "Step",
    "Told",
    "Took",
    "Trial",
    "Way",
    "check_senders",
    "digest_of",
    "drafted",
    "explain",
    "in_pieces",
    "table_of",
    "through",
    "warnings",
]

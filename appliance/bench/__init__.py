"""`casemate bench`: what this box does a second, measured over full lives of messages with everything on."""

from .audit import audit
from .command import bench
from .comparing import compare
from .flows import flows
from .hostile import hostile
from .numbers import numbers
from .parked import parked
from .routes import routes
from .stages import stages
from .suppressions import suppressions
from .unwraps import keys

for _more in (audit, compare, flows, hostile, keys, numbers, parked, routes, stages, suppressions):
    bench.add_command(_more)

__all__ = ["bench"]

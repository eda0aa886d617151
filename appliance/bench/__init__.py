"""`casemate bench`: what this box does a second, measured over full lives of messages with everything on."""

from .command import bench
from .parked import parked
from .routes import routes

bench.add_command(parked)
bench.add_command(routes)

__all__ = ["bench"]

"""`casemate bench`: what this box does a second, measured over full lives of messages with everything on."""

from .command import bench

__all__ = ["bench"]

"""What the settings say of the box's network, as the files that systemd, nftables, nginx and chrony read."""

from .firewall import Reach, firewall, reach_of
from .render import render

__all__ = ["Reach", "firewall", "reach_of", "render"]

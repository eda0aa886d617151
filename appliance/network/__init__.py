"""What the settings say of the box's network, as the files that systemd, nftables, nginx and chrony read; and SSH for a time."""

from . import ssh, tried
from .changing import KEYS, Changing, edited
from .firewall import Reach, firewall, networks, reach_of
from .render import render

__all__ = ["KEYS", "Changing", "Reach", "edited", "firewall", "networks", "reach_of", "render", "ssh", "tried"]

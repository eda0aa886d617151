"""What the settings say of the box's network, as the files that systemd, nftables, nginx and chrony read."""

from .changing import KEYS, Changing, edited
from .firewall import Reach, firewall, reach_of
from .render import render

__all__ = ["KEYS", "Changing", "Reach", "edited", "firewall", "reach_of", "render"]

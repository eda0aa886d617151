"""Builds the appliance image: Debian 13 on a signed, read-only root, from a lock file, in visible steps.

A leaf: imports nothing from `appliance/`. The recipe is data (`recipe.toml`, `debian.lock`), the steps are one file each.
"""

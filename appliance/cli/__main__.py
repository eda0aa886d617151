"""Lets the supervisor start a process as `python -m appliance.cli run NAME`."""

import sys

from .program import main

sys.exit(main())

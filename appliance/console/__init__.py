"""The admin console: server-rendered pages under gunicorn. Holds no key; reads the store, asks the other processes."""

from .application import create_app
from .serving import main

__all__ = ["create_app", "main"]

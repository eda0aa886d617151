"""RabbitMQ and Redis, which Jasmin needs beside it: processes of the bench's own, in its folder, on loopback alone.

As Debian ships them, but for ports and places: Redis writes its snapshot now and then, RabbitMQ keeps durable queues. Erlang's
name server (epmd) is one of its own, too: no node of the machine's is seen or touched. RabbitMQ's documentation, "Configuration"
and "Networking"; Redis' `redis.conf`; Erlang's `epmd(1)`.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final, NamedTuple

from appliance.errors import Error

#: Where Debian has RabbitMQ's own script: the one on the path wants to be root or `rabbitmq`, and to write in /var.
RABBITMQ: Final = "/usr/lib/rabbitmq/bin/rabbitmq-server"


class Ports(NamedTuple):
    """Where each of them listens."""

    redis: int
    amqp: int
    nodes: int  # of Erlang's nodes among themselves
    epmd: int


def programs() -> dict[str, str]:
    """Where they are. Raises Error `not_found` that names what to install."""
    path = f"/usr/sbin:/usr/bin:{os.environ.get('PATH', '')}"
    found = {name: shutil.which(name, path=path) for name in ("redis-server", "epmd")}
    found["rabbitmq-server"] = shutil.which(RABBITMQ)
    missing = [name for name, where in found.items() if where is None]
    if missing:
        raise Error(
            "not_found",
            f"Jasmin needs RabbitMQ and Redis; not installed: {', '.join(missing)}",
            "apt-get install redis-server rabbitmq-server",
        )
    return {name: where for name, where in found.items() if where is not None}


def redis_words(ports: Ports, folder: Path) -> list[str]:
    """Its command line; it takes no file. `set-proc-title`: so that it is known by its name among the processes measured."""
    return [
        *("--bind", "127.0.0.1", "--port", str(ports.redis), "--dir", str(folder), "--daemonize", "no"),
        *("--set-proc-title", "no", "--logfile", ""),
    ]  # fmt: skip


def epmd_words(ports: Ports) -> list[str]:
    return ["-port", str(ports.epmd), "-address", "127.0.0.1"]


def rabbit_env(ports: Ports, folder: Path) -> dict[str, str]:
    """Its whole environment. `detached`: the script becomes the server; HOME: where Erlang makes a cookie of its own."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "detached": "yes",
        "ERL_EPMD_PORT": str(ports.epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none.conf"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_NODENAME": f"bench{ports.nodes}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(ports.amqp),
        "RABBITMQ_DIST_PORT": str(ports.nodes),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_MNESIA_BASE": str(folder / "rabbit"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_PID_FILE": str(folder / "rabbit.pid"),
    }

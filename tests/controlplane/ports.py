"""Free TCP ports on 127.0.0.1.

Rule: they lie below the range from which Linux takes ports for outgoing connections, so that a
server can be restarted on its port and no client ever connects to itself.
"""

from __future__ import annotations

import contextlib
import random
import socket

RANGE = range(20000, 30000)


def choose_ports(count: int) -> list[int]:
    """Choose ports that nobody listens on; all are held until the last is found."""
    chance = random.SystemRandom()
    with contextlib.ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            listener = held.enter_context(socket.socket())
            port = chance.choice(RANGE)
            with contextlib.suppress(OSError):
                listener.bind(("127.0.0.1", port))
                ports.append(port)
        return ports


def answers(port: int) -> bool:
    """Tell whether somebody accepts connections on a port."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0

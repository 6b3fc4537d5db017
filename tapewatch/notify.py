"""systemd's readiness and watchdog protocol (sd_notify(3)): datagrams to NOTIFY_SOCKET, nothing without it.

Written here because a project folder called `systemd` hides any package of that name.
"""

from __future__ import annotations

import contextlib
import os
import socket


def notify(state: str) -> bool:
    """Sends e.g. ``READY=1``, ``WATCHDOG=1``, ``STATUS=connected`` or several, one a line; returns whether it was sent.

    A lost notification never stops a process: systemd's timeout notices it.
    """
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return False
    # "@" stands for the zero byte that begins the name of an abstract socket.
    address = "\0" + path[1:] if path.startswith("@") else path
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.setblocking(False)
        sock.sendto(state.encode(), address)
        return True
    return False

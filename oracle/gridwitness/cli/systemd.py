"""Telling systemd how a service is doing (sd_notify(3)): ready, alive, stopping, and what is wrong.

Twenty lines of ours: `sdnotify` was last released in 2017, and `systemd-python` needs a compiler and C headers.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Protocol

_LOOK_EVERY_S = 1.0
_LONGEST_STATUS = 500


class Watched(Protocol):
    """A running service."""

    def not_ready(self) -> list[str]:
        """Why it cannot do its work now; empty when it can."""
        ...


def notify(*lines: str) -> bool:
    """Send lines to the manager that started this process; False if none asked for them."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
        channel.send("\n".join(lines).encode())
    return True


async def keep_notified(service: Watched) -> None:
    """Until cancelled: READY=1 once the service is ready, then that its event loop lives, and what is wrong with it."""
    if not os.environ.get("NOTIFY_SOCKET"):
        return
    is_announced = False
    while True:
        problems = service.not_ready()
        if not problems and not is_announced:
            is_announced = notify("READY=1")
        notify("WATCHDOG=1", "STATUS=" + ("; ".join(problems).replace("\n", " ")[:_LONGEST_STATUS] or "ready"))
        await asyncio.sleep(_LOOK_EVERY_S)

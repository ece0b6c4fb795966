"""paho's client on the event loop, connected again and again.

paho's own loops wait with select(2), which knows no descriptor above 1,023: behind a thousand connections of devices
each new connection to the broker would end at once, for good. They also need a thread, whose hand-over costs more than
the reading. This is the external loop that paho documents, https://eclipse.dev/paho/files/paho.mqtt.python/html/.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client

_LEAST_DELAY_S, _MOST_DELAY_S = 1.0, 60.0
_MISC_INTERVAL_S = 1.0  # keepalive is counted in seconds


class MqttConnection:
    """Keeps a client connected; its callbacks run on the event loop."""

    def __init__(self, client: Client, failed: Callable[[OSError], None]) -> None:
        """`client` knows its broker by connect_async; `failed` hears why a connection could not be made."""
        self._client = client
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._closed = asyncio.Event()
        self._descriptor: int | None = None
        self._was_accepted = False
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_register_write
        client.on_socket_unregister_write = self._on_unregister_write

    async def run(self) -> None:
        """Until cancelled; then says goodbye to the broker, which keeps the session."""
        delay_s = _LEAST_DELAY_S
        try:
            while True:
                if await self._connect():
                    await self._serve()
                    if self._was_accepted:
                        delay_s = _LEAST_DELAY_S
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, _MOST_DELAY_S)
        finally:
            self._client.disconnect()
            self._client.loop_write()

    async def _connect(self) -> bool:
        try:
            # Names are resolved and TLS is negotiated with a blocking socket.
            await asyncio.to_thread(self._client.reconnect)
        except OSError as error:
            self._failed(error)
            return False
        return True

    async def _serve(self) -> None:
        """Until the connection ends."""
        connection: Any = self._client.socket()
        self._closed.clear()
        self._was_accepted = False
        self._descriptor = connection.fileno()
        self._loop.add_reader(self._descriptor, self._read)
        self._loop.add_writer(self._descriptor, self._client.loop_write)  # CONNECT waits already
        while not self._closed.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), _MISC_INTERVAL_S)
            self._client.loop_misc()

    def _read(self) -> None:
        self._client.loop_read()
        # What TLS has taken from the socket already does not make it ready any more.
        while getattr(self._client.socket(), "pending", int)():
            self._client.loop_read()
        self._was_accepted = self._was_accepted or self._client.is_connected()

    def _on_socket_close(self, *_: Any) -> None:
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            self._descriptor = None
        self._closed.set()

    def _on_register_write(self, *_: Any) -> None:
        if self._descriptor is not None:
            self._loop.add_writer(self._descriptor, self._client.loop_write)

    def _on_unregister_write(self, *_: Any) -> None:
        if self._descriptor is not None:
            self._loop.remove_writer(self._descriptor)

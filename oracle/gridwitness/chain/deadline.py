"""An end to whole HTTP exchanges: httpx's timeouts are for one read each, so a byte a second would go on for ever."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable

import httpcore
import httpx


class Deadline(threading.local):
    """When the exchange of the thread that asks must be over; monotonic seconds."""

    at = float("inf")

    def left_s(self, timeout_s: float | None) -> float:
        """A timeout that ends no later. Raises httpcore's ReadTimeout, which httpx makes its own, if it is over."""
        left_s = self.at - time.monotonic()
        if left_s <= 0:
            raise httpcore.ReadTimeout("the whole of it took too long")
        return left_s if timeout_s is None else min(left_s, timeout_s)


def keep_deadlines(client: httpx.Client) -> Deadline:
    """Have exchanges of a new client end by the deadline returned, which is to be set before each of them."""
    deadline = Deadline()
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            pool = transport._pool  # httpx takes no backend to give it
            pool._network_backend = _Backend(pool._network_backend, deadline)
    return deadline


class _Backend(httpcore.NetworkBackend):
    """Opens connections as another does."""

    def __init__(self, inner: httpcore.NetworkBackend, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        return _Stream(stream, self._deadline)


class _Stream(httpcore.NetworkStream):
    """A connection on which nothing is waited for beyond the deadline."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left_s(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left_s(timeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._inner.start_tls(ssl_context, server_hostname, self._deadline.left_s(timeout))
        return _Stream(stream, self._deadline)

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)

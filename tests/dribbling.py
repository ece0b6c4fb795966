"""A server that answers a byte now and then, or without end: what no timeout of one read ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socketserver import StreamRequestHandler, ThreadingTCPServer

HEAD = b"HTTP/1.1 200 OK\r\nx: "
BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n"
PAUSE_S = 0.05
_TIMES = 600
PATIENCE_S = 60.0  # far longer than any client here should stay, and than the whole answer


@dataclass
class Dribbler:
    """Where it answers; `left` is set when a client has closed its connection before the answer was over."""

    url: str = ""
    left: threading.Event = field(default_factory=threading.Event)


@contextmanager
def dribbling(begin: bytes, part: bytes = b"x", pause_s: float = PAUSE_S) -> Iterator[Dribbler]:
    """Takes any request, answers `begin` at once and then `part` some hundred times, with pauses."""
    dribbler = Dribbler()

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(1 << 16)
            try:
                self.request.sendall(begin)
                for _ in range(_TIMES):
                    if stopping.wait(pause_s):
                        return
                    self.request.sendall(part)
            except ConnectionError:
                dribbler.left.set()

    stopping = threading.Event()
    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        dribbler.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield dribbler
        finally:
            stopping.set()
            server.shutdown()
            thread.join()

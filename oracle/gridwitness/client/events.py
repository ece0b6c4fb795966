"""Live events of the API, read line by line."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import msgspec

from gridwitness.client.documents import Event
from gridwitness.errors import GridwitnessError

# The API sends a comment every 15 s.
_SILENCE_S = 60.0


def follow_events(client: httpx.Client, url: str, headers: dict[str, str], after: int | None) -> Iterator[Event]:
    """Events after a position, or from now on, until the API ends the stream. Raises GridwitnessError."""
    if after is not None:
        headers = {**headers, "last-event-id": str(after)}
    timeout = httpx.Timeout(10.0, read=_SILENCE_S)
    try:
        with client.stream("GET", url, headers=headers, timeout=timeout) as response:
            if not response.is_success:
                raise GridwitnessError(f"{url} answered HTTP {response.status_code}")
            for line in response.iter_lines():
                if line.startswith("data: "):
                    yield msgspec.json.decode(line[len("data: ") :], type=Event)
    except (httpx.TransportError, msgspec.DecodeError) as error:
        raise GridwitnessError(f"the events of {url} broke off ({error or type(error).__name__})") from error

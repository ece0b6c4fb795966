"""A client of the HTTP API and of the contracts, for programs of others: typed, and no need to trust the API.

with Api("http://127.0.0.1:8101") as api:
    for reading in api.all_readings(device=device, flagged=True):
        print(reading.time, reading.value, reading.reason)
"""

from __future__ import annotations

from collections.abc import Iterator

from gridwitness.client.api import Operations
from gridwitness.client.contracts import Contract, DataAttestation, DeviceRegistry, EnergyMarket, Node
from gridwitness.client.documents import Event
from gridwitness.client.events import follow_events
from gridwitness.client.http import ApiProblem
from gridwitness.client.proofs import ProfileProof, ReadingProof

__all__ = [
    "Api",
    "ApiProblem",
    "Contract",
    "DataAttestation",
    "DeviceRegistry",
    "EnergyMarket",
    "Node",
    "ProfileProof",
    "ReadingProof",
]


class Api(Operations):
    """The HTTP API at a URL."""

    def events(self, after: int | None = None) -> Iterator[Event]:
        """What happens, as it happens: from now on, or after the position of an event you have."""
        return follow_events(self._client, self._url + "/v1/events", self._headers, after)

"""How much one device may send: a token bucket each, in bounded memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_ID_CHARACTERS = 66


@dataclass(frozen=True, slots=True)
class DeviceRate:
    """`per_s` readings a second, `burst` at once after a pause; buckets are kept of at most `devices` devices."""

    per_s: float = 20.0
    burst: int = 2_000
    devices: int = 100_000


class DeviceRates:
    """Token buckets by device id, in the form of the generic cell rate algorithm: one instant per device, at which its
    bucket will be full again. To be asked before any signature is looked at, so ids may be anybody's claim.
    """

    def __init__(self, rate: DeviceRate, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._interval_s = 1 / rate.per_s
        self._burst_s = rate.burst / rate.per_s
        self._full_at: dict[str, float] = {}
        self._monotonic = monotonic

    def __len__(self) -> int:
        return len(self._full_at)

    def refused(self, device_ids: Sequence[str]) -> list[int]:
        """Indices of readings beyond their devices' rates; the others are counted. Ids are 0x-hex, in any case.

        What is no id is let through, to be refused for that.
        """
        now, interval_s, full_at = self._monotonic(), self._interval_s, self._full_at
        latest = now + self._burst_s - interval_s
        refused = []
        for index, text in enumerate(device_ids):
            if len(text) != _ID_CHARACTERS:
                continue
            device_id = text.lower()
            at = full_at.get(device_id, now)
            if at > latest:
                refused.append(index)
            else:
                full_at[device_id] = (at if at > now else now) + interval_s
        if len(full_at) > self._rate.devices:
            self._shrink(now)
        return refused

    def retry_after_s(self, device_ids: Sequence[str]) -> int:
        """When the last of some devices may send at least one reading again, in seconds from now."""
        latest = self._monotonic() + self._burst_s - self._interval_s
        waits = [self._full_at.get(text.lower(), 0.0) - latest for text in device_ids]
        return 1 + int(max(waits, default=0.0))

    def _shrink(self, now: float) -> None:
        """Forget full buckets, which are as good as none; if that is not enough, the longest known."""
        self._full_at = {device_id: at for device_id, at in self._full_at.items() if at > now}
        surplus = len(self._full_at) - self._rate.devices // 2
        if len(self._full_at) > self._rate.devices:
            for device_id in list(self._full_at)[:surplus]:
                del self._full_at[device_id]

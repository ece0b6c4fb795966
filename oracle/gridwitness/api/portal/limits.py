"""How often one may ask: per API key, or per address for those without one, signed in or not."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from gridwitness.errors import RateLimited

# A household's provider gives it a network of this size: counting each address would count nothing.
_IPV6_NETWORK_BITS = 64
_MINUTE_S = 60.0
MAX_BUCKETS = 100_000


@dataclass(frozen=True, slots=True)
class RequestRates:
    """Requests a minute: of a key, of an address without one, and attempts to sign in of an address."""

    per_key: int = 6_000
    per_address: int = 3_000
    sign_ins_per_address: int = 30


class Buckets:
    """Token buckets of a minute's worth each, as the generic cell rate algorithm has them: one instant for whoever
    asked, at which the bucket will be full again. In bounded memory, however many addresses strangers make up.
    """

    def __init__(self, per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._interval_s = _MINUTE_S / per_minute
        self._full_at: dict[str, float] = {}
        self._monotonic = monotonic

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, who: str) -> None:
        """Count a request. Raises RateLimited if the bucket is empty."""
        now = self._monotonic()
        full_at = max(self._full_at.get(who, now), now) + self._interval_s
        wait_s = full_at - now - _MINUTE_S
        if wait_s > self._interval_s / 2:  # half a request, for rounding
            raise RateLimited(f"{who}: more than {self._per_minute} a minute", math.ceil(wait_s))
        self._full_at[who] = full_at
        if len(self._full_at) > MAX_BUCKETS:
            self._shrink(now)

    def _shrink(self, now: float) -> None:
        """Forget full buckets, which are as good as none; if that is not enough, the longest known."""
        self._full_at = {who: at for who, at in self._full_at.items() if at > now}
        for who in list(self._full_at)[: max(0, len(self._full_at) - MAX_BUCKETS // 2)]:
            del self._full_at[who]


class RequestLimits:
    """Counts in this process's memory."""

    def __init__(self, rates: RequestRates) -> None:
        self._keys = Buckets(rates.per_key)
        self._addresses = Buckets(rates.per_address)
        self._sign_ins = Buckets(rates.sign_ins_per_address)

    def count_key(self, name: str) -> None:
        """A request with a key that is good. Raises RateLimited beyond its share."""
        self._keys.take(f"key {name}")

    def count_address(self, request: Request) -> None:
        """A request without, signed in or not: whoever likes has any number of wallets. Raises RateLimited."""
        self._addresses.take(f"address {address_of(request)}")

    def count_sign_in(self, request: Request) -> None:
        """An attempt to sign in. Raises RateLimited."""
        self._sign_ins.take(f"sign-ins from {address_of(request)}")


def address_of(request: Request) -> str:
    """Who sends, an IPv6 address by its network."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    if address.ipv4_mapped is not None:  # as some proxies write IPv4 addresses
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_NETWORK_BITS), strict=False))

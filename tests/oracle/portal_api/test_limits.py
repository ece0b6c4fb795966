"""Rates: a minute's worth at once, then as fast as they flow back, in bounded memory."""

from __future__ import annotations

import pytest
from fastapi import Request

from gridwitness.api.portal.limits import MAX_BUCKETS, Buckets, address_of
from gridwitness.errors import RateLimited
from tests.oracle.portal_api.test_proof_cache import Clock


def test_take__a_minutes_worth__is_there_at_once_and_flows_back() -> None:
    clock = Clock()
    buckets = Buckets(60, clock)
    for _ in range(60):
        buckets.take("a")
    with pytest.raises(RateLimited, match="a: more than 60 a minute") as raised:
        buckets.take("a")
    assert raised.value.retry_after_s == 1
    buckets.take("b")
    clock.now += 1
    buckets.take("a")
    with pytest.raises(RateLimited):
        buckets.take("a")
    clock.now += 3_600
    for _ in range(60):
        buckets.take("a")


def test_take__more_strangers_than_are_kept__stays_within_bounds() -> None:
    buckets = Buckets(60, Clock())
    for number in range(MAX_BUCKETS + 10):
        buckets.take(str(number))
    assert len(buckets) <= MAX_BUCKETS


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unix", "unix"),
    ],
)
def test_address_of__ipv6__is_its_network_or_the_ipv4_address_in_it(host: str, counted: str) -> None:
    assert address_of(Request({"type": "http", "client": (host, 1), "headers": []})) == counted

"""Which nodes are used, by what was seen of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gridwitness.chain.endpoint import Endpoint, RpcLimits
from gridwitness.chain.failover import Sighting, judge

CHAIN_ID = 100
NOW = 1_700_000_000.0
GOOD = Sighting(CHAIN_ID, "genesis", head=1_000, head_time=int(NOW) - 5, settled="settled")
LIMITS = RpcLimits(max_head_lag=3, max_head_age_s=60)


def reasons(*seen: Sighting) -> list[str]:
    return judge(seen, LIMITS, CHAIN_ID, NOW)


def test_judge__all_alike__all_are_used() -> None:
    assert reasons(GOOD, GOOD, GOOD) == ["", "", ""]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"chain_id": 5}, "is chain 5, not 100"),
        ({"genesis": "other"}, "has another genesis block"),
        ({"settled": "other"}, "follows another fork"),
        ({"head": 996}, "is 4 blocks behind; the limit is 3"),
        ({"head_time": int(NOW) - 61}, "its newest block is 61 s old"),
        ({"problem": "no answer"}, "no answer"),
    ],
)
def test_judge__one_is_different__only_that_is_left_out(changes: dict[str, object], reason: str) -> None:
    judged = reasons(GOOD, replace(GOOD, **changes), GOOD)
    assert reason in judged[1]
    assert (judged[0], judged[2]) == ("", "")


def test_judge__lag_at_the_limit__is_used() -> None:
    assert reasons(GOOD, replace(GOOD, head=997)) == ["", ""]


def test_judge__two_forks_of_one_each__the_first_listed_is_believed() -> None:
    other = replace(GOOD, settled="other", head=2_000)
    assert reasons(GOOD, other)[0] == ""
    assert "another fork" in reasons(GOOD, other)[1]


def test_judge__first_listed_alone_on_its_fork__the_majority_is_believed() -> None:
    lonely = replace(GOOD, settled="other", head=2_000)
    judged = reasons(lonely, GOOD, GOOD)
    assert "another fork" in judged[0]
    assert judged[1:] == ["", ""]


def test_judge__higher_head_on_a_fork_nobody_believes__does_not_make_the_others_late() -> None:
    assert reasons(GOOD, GOOD, replace(GOOD, settled="other", head=5_000))[:2] == ["", ""]


def test_judge__whole_chain_stands_still__all_are_used() -> None:
    old = replace(GOOD, head_time=int(NOW) - 900)
    assert reasons(old, old) == ["", ""]


def test_name_endpoint__credentials_and_key_in_the_path__are_left_out() -> None:
    endpoint = Endpoint("https://user:secret@rpc.example.org:8443/v3/0123456789abcdef?key=1", LIMITS)
    assert endpoint.name == "https://rpc.example.org:8443"

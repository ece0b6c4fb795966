"""Votes: what must be remembered of each, and how little of it is read."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from gridwitness.store import BatchLog, Database, Vote

STREAM = b"\x01" * 32
KEYS = "k" * (1 << 20)


def vote(number: int, content: bytes) -> Vote:
    """The vote of a window that ends just before the next one's begins."""
    return Vote(STREAM, 1, number.to_bytes(32, "big"), content, 10 * number, 10 * number + 9, KEYS, b"signature")


@pytest.fixture
def batches(tmp_path: Path) -> Iterator[BatchLog]:
    database = Database(tmp_path / "oracle.sqlite")
    yield BatchLog(database)
    database.close()


def test_ask__many_contents_voted_for__reads_the_keys_of_one_at_most(batches: BatchLog) -> None:
    given = [vote(number, bytes([number])) for number in range(8)]
    for one in given:
        batches.vote(one)
    tracemalloc.start()
    try:
        assert batches.standing_vote(STREAM, 1, 79) == given[7]
        assert batches.standing_vote(STREAM, 1, 80) is None
        assert batches.vote_against(STREAM, 1, given[7].content, 69) == (given[6].digest, 69)
        assert batches.vote_against(STREAM, 1, given[7].content, 70) is None
        assert batches.vote_signature(STREAM, 1, given[0].digest) == b"signature"
        assert batches.vote_signature(STREAM, 1, bytes(31) + b"\xff") is None
        assert tracemalloc.get_traced_memory()[1] < 3 * len(KEYS)
    finally:
        tracemalloc.stop()
    assert batches.votes(STREAM, 1) == given[::-1]


def test_vote__the_same_content_for_days__file_does_not_grow_with_it(batches: BatchLog, tmp_path: Path) -> None:
    for number in range(200):
        batches.vote(vote(number, b"content"))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 100 * len(KEYS)
    assert batches.votes(STREAM, 1) == [vote(199, b"content")]
    assert batches.standing_vote(STREAM, 1, 1_999) == vote(199, b"content")

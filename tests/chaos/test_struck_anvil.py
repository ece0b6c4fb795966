"""The chaos run's chain loses no block of its own accord."""

from __future__ import annotations

import pytest

from tests.chaos.struck_anvil import check_whole


def test_check_whole__blocks_missing__names_them() -> None:
    """The first and the last that are missing, and how many."""
    check_whole([7, 8, 9], "it")
    with pytest.raises(RuntimeError, match=r"it lacks blocks 9 to 11 \(3 in all\)"):
        check_whole([7, 8, 12, 13], "it")

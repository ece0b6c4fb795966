"""A reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.docs.walk import Walk, walking


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    """A reader in a checkout of their own."""
    with walking(tmp_path / "gridwitness") as reader:
        yield reader

"""An oracle without a chain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oracle.service.oracle_parts import Parts


@pytest.fixture
def oracle(tmp_path: Path) -> Iterator[Parts]:
    parts = Parts(tmp_path / "oracle.sqlite")
    yield parts
    parts.close()


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Parts]:
    parts = Parts(tmp_path / "peer.sqlite")
    yield parts
    parts.close()

"""Oracles, a chain and a broker, all real."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.chain.conftest import (  # noqa: F401 (fixtures)
    anvil,
    chain,
    deployer,
    manifest,
    open_stream,
    oracles,
    transmitter,
)
from tests.integration.oracle.conftest import committee, deployment, streams, village  # noqa: F401 (fixtures)
from tests.integration.oracle.test_answering import bonded, bonds, challenge  # noqa: F401 (fixtures)
from tests.integration.sources.broker import Broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    made = Broker(folder)
    made.start()
    yield made
    made.stop()

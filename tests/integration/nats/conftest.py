"""Oracles, a chain, a broker and workers, all real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount

from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from tests.integration.chain.conftest import (  # noqa: F401 (fixtures)
    anvil,
    chain,
    deployer,
    manifest,
    open_stream,
    oracles,
    transmitter,
)
from tests.integration.nats.broker import Broker, WorkerProcess, write_manifest
from tests.integration.oracle.conftest import deployment, streams, village  # noqa: F401 (fixtures)
from tests.integration.oracle.village import Oracle, Village, eventually, make_oracles, start_all

MakeOracle = Callable[..., Oracle]
MakeWorker = Callable[[str], WorkerProcess]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def make_worker(tmp_path: Path, broker: Broker, manifest: Manifest) -> Iterator[MakeWorker]:  # noqa: F811
    """Start a worker by its name."""
    made: list[WorkerProcess] = []

    def make(name: str) -> WorkerProcess:
        made.append(
            WorkerProcess(tmp_path, broker.url, write_manifest(tmp_path / "worker-manifest.json", manifest), name)
        )
        made[-1].start()
        return made[-1]

    yield make
    for worker in made:
        worker.stop()


@pytest.fixture
def make_oracle(
    tmp_path: Path,
    chain: Chain,  # noqa: F811
    village: Village,  # noqa: F811
    deployment: Path,  # noqa: F811
    oracles: list[LocalAccount],  # noqa: F811
) -> Iterator[MakeOracle]:
    """One oracle of the committee, by default over the broker named."""
    made: list[Oracle] = []

    def make(**settings: object) -> Oracle:
        (oracle,) = make_oracles(tmp_path / str(len(made)), chain, oracles[:1], deployment, **settings)
        made.append(oracle)
        start_all([oracle])
        if settings.get("nats_url"):
            eventually(lambda: oracle.status()["nats"]["problem"] == "", "the broker to be found")
        return oracle

    yield make
    for oracle in made:
        oracle.stop()

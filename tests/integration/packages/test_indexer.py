"""The indexer, killed and reorganised: what it holds is what one made anew would hold."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gridwitness.chain.anvil import Anvil
from tests.integration.oracle.village import eventually
from tests.integration.packages.attester import Attester
from tests.integration.packages.conftest import OpenWorkshop
from tests.integration.packages.scene import Packages, ServedDemo, Workshop
from tests.integration.packages.strict_node import strict_node
from tests.portal_scene import copied, demo_chain

TABLES = ("stream", "batch", "superseded", "cleared")
ROUNDS = 20


@pytest.fixture(scope="module")
def indexer(open_workshop: OpenWorkshop, packages_of_demo: Packages, served_demo: ServedDemo) -> Workshop:
    """The example, installed and run as its README says."""
    shop = open_workshop("indexer", packages_of_demo)
    (commands,) = shop.readme_blocks()
    (shop.folder / "printed.txt").write_text(shop.shell(commands, RPC_URL=served_demo.rpc_url), encoding="utf-8")
    return shop


@pytest.fixture
def anvil(finished_demo: Path, tmp_path: Path) -> Iterator[Anvil]:
    """The village's chain, for one test alone."""
    with demo_chain(copied(finished_demo, tmp_path)) as anvil:
        yield anvil


def index(indexer: Workshop, database: Path, url: str) -> None:
    """Index up to the head."""
    indexer.shell(f"python indexer.py {database}", RPC_URL=url)


def rows(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All that an index holds, but the blocks it was read up to."""
    with closing(sqlite3.connect(database)) as opened:
        return {
            table: opened.execute(f"SELECT * FROM {table} ORDER BY block, log_index").fetchall() for table in TABLES
        }


def newest(database: Path) -> tuple[int, str]:
    """Number and hash of the block it was read up to; 0 if it was not begun."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
            found = opened.execute("SELECT block, hex(hash) FROM checkpoint ORDER BY block DESC LIMIT 1").fetchone()
    except sqlite3.OperationalError:
        return (0, "")
    return found or (0, "")


def head(anvil: Anvil) -> tuple[int, str]:
    block = anvil.node.rpc("eth_getBlockByNumber", "latest", False)
    return int(block["number"], 16), block["hash"][2:].upper()


def reorganise(anvil: Anvil, depth: int, *, is_shorter: bool) -> None:
    """Take the last blocks back; in their place there are others, or none yet."""
    if is_shorter:
        anvil.node.rpc("anvil_rollback", depth)
    else:
        anvil.node.rpc("anvil_reorg", depth, [])


def made_anew(indexer: Workshop, tmp_path: Path, url: str) -> dict[str, list[tuple[Any, ...]]]:
    database = tmp_path / "anew.sqlite"
    index(indexer, database, url)
    return rows(database)


def start_following(indexer: Workshop, database: Path, url: str) -> subprocess.Popen[bytes]:
    command = ["python", "indexer.py", str(database), "--follow"]
    program = shutil.which("python", path=indexer.environment["PATH"])
    environment = indexer.environment | {"RPC_URL": url}
    with database.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(
            [str(program), *command[1:]], cwd=indexer.folder, env=environment, stdout=log, stderr=log
        )


def test_indexer__as_its_readme_says__reports_what_the_demo_traded(indexer: Workshop, finished_demo: Path) -> None:
    printed = (indexer.folder / "printed.txt").read_text(encoding="utf-8")
    summary = json.loads((finished_demo / "summary.json").read_text(encoding="utf-8"))
    database = rows(indexer.folder / "index.sqlite")
    traded_wh = sum(row[3] for row in database["cleared"])
    assert f"2016-08-13      {traded_wh / 1000:.3f}" in printed
    assert str(traded_wh) in json.dumps(summary)
    streams = [line.split() for line in printed.splitlines() if line.startswith(("profiles", "readings"))]
    assert sum(int(batches) for _, batches, *_ in streams) == len(database["batch"]) > 0


@pytest.mark.parametrize("seed", [1, 2])
def test_indexer__killed_while_the_chain_reorganises__equals_an_index_made_anew(
    indexer: Workshop, anvil: Anvil, served_demo: ServedDemo, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    database = tmp_path / "index.sqlite"
    attester = Attester(anvil, served_demo.manifest, seed)
    anvil.mine(3)
    loaded = head(anvil)[0]
    kills = reorganisations = 0
    with strict_node(anvil.url, 40) as node:
        process = start_following(indexer, database, node.url)
        try:
            for _ in range(ROUNDS):
                for _ in range(chance.randint(1, 4)):
                    attester.attest()
                time.sleep(chance.uniform(0, 0.6))
                depth = min(chance.randint(1, 6), head(anvil)[0] - loaded)
                if chance.random() < 0.6 and depth > 0:
                    reorganise(anvil, depth, is_shorter=chance.random() < 0.5)
                    reorganisations += 1
                if chance.random() < 0.4:
                    time.sleep(chance.uniform(0, 2))
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    kills += 1
                    process = start_following(indexer, database, node.url)
            attester.attest()
            eventually(lambda: newest(database) == head(anvil), "the head to be indexed")
        finally:
            process.kill()
            process.wait()
    assert kills > 3
    assert reorganisations > 5
    assert rows(database) == made_anew(indexer, tmp_path, anvil.url)


def test_indexer__node_that_refuses_long_ranges__asks_for_shorter_ones_and_tries_longer_again(
    indexer: Workshop, anvil: Anvil, served_demo: ServedDemo, tmp_path: Path
) -> None:
    database = tmp_path / "index.sqlite"
    with strict_node(anvil.url, 23) as node:
        index(indexer, database, node.url)
    contracts = served_demo.deployed["contracts"]
    first = min(contracts[name]["block"] for name in ("DataAttestation", "EnergyMarket"))
    assert sum(node.answered) == head(anvil)[0] - first + 1
    assert max(node.answered) <= 23 < min(node.refused)
    assert len(node.refused) < len(node.answered)
    assert newest(database) == head(anvil)
    assert rows(database) == made_anew(indexer, tmp_path, anvil.url)


def test_indexer__node_that_refuses_a_single_block__ends_with_its_error_and_keeps_nothing(
    indexer: Workshop, anvil: Anvil, tmp_path: Path
) -> None:
    database = tmp_path / "index.sqlite"
    with strict_node(anvil.url, 0) as node:
        code, printed = indexer.try_shell(f"python indexer.py {database}", RPC_URL=node.url)
    assert code == 1
    assert "query exceeds max block range 0" in printed
    assert newest(database) == (0, "")


def test_indexer__reorganisation_below_all_it_has_read_up_to__begins_anew(
    indexer: Workshop, anvil: Anvil, served_demo: ServedDemo, tmp_path: Path
) -> None:
    database = tmp_path / "index.sqlite"
    attester = Attester(anvil, served_demo.manifest, 1)
    for _ in range(3):
        attester.attest()
    index(indexer, database, anvil.url)
    before = rows(database)
    reorganise(anvil, 2, is_shorter=True)
    index(indexer, database, anvil.url)
    assert newest(database) == head(anvil)
    assert rows(database)["batch"] == before["batch"][:-2]


def test_indexer__nothing_new__writes_nothing(indexer: Workshop, anvil: Anvil, tmp_path: Path) -> None:
    database = tmp_path / "index.sqlite"
    index(indexer, database, anvil.url)
    with closing(sqlite3.connect(database)) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = database.read_bytes()
    index(indexer, database, anvil.url)
    assert database.read_bytes() == content

"""An oracle with a site: it knows the keys in the site's folder, as `gridwitness serve` does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from eth_account.signers.local import LocalAccount

from gridwitness.chain.client import Chain
from gridwitness.store.api_keys import KEY_FILE_NAME, ApiKeyFile
from tests.integration.oracle.village import Oracle, Village, make_oracles, start_all


@pytest.fixture
def oracle(
    tmp_path: Path, chain: Chain, village: Village, deployment: Path, oracles: list[LocalAccount]
) -> Iterator[Oracle]:
    """One whose site has a folder of its own."""
    (made,) = make_oracles(tmp_path, chain, oracles[:1], deployment, open_data=False, site="site.toml")
    (made.folder / "site.toml").write_text('name = "Green Street"\ndata_dir = "site"\n')
    start_all([made])
    yield made
    made.stop()


def test_run__key_in_the_sites_folder__is_good(oracle: Oracle) -> None:
    keys = ApiKeyFile(oracle.folder / "site" / KEY_FILE_NAME)
    headers = {"authorization": f"Bearer {keys.create('billing', ['read'])}"}
    keys.close()
    assert httpx.get(f"{oracle.url}/v1/session", headers=headers).json()["name"] == "billing"
    assert not (oracle.folder / KEY_FILE_NAME).exists()

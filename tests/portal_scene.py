"""A site's portal over a finished demo, for tests of what stands on it: real files, a real chain.

    from tests.portal_scene import finished_demo, opened_portal  # the first is a pytest fixture of the session

    def test_…(finished_demo: Path, tmp_path: Path) -> None:
        with opened_portal(copied(finished_demo, tmp_path), is_open_data=False) as portal:
            portal.now()

The demo is made once a test run (some two minutes), by whichever of its processes comes first, or is the finished one
whose folder GRIDWITNESS_DEMO names, such as `COLUMNS=120 gridwitness demo --out /tmp/demo >/tmp/demo.txt` leaves it;
what it printed stands beside it. It is never written to: `copied` makes what a portal may write into.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from gridwitness.cli.settings import OracleSettings
from gridwitness.cli.site_service import open_portal
from gridwitness.cli.site_settings import load_site
from gridwitness.service.portal import SitePortal

ROOT = Path(__file__).resolve().parents[1]
FINISHED_DEMO = "GRIDWITNESS_DEMO"
DEMO_TIMEOUT_S = 600
CHAIN_ID = 31_337


@pytest.fixture(scope="session")
def finished_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a village's finished day."""
    if FINISHED_DEMO in os.environ:
        return Path(os.environ[FINISHED_DEMO])
    own = tmp_path_factory.getbasetemp()
    out = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "finished-demo"
    with out.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not out.exists():
            command = [sys.executable, "-m", "gridwitness", "demo", "--out", str(out)]
            environment = {**os.environ, "COLUMNS": "120"}
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=DEMO_TIMEOUT_S, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            out.with_suffix(".txt").write_text(done.stdout, encoding="utf-8")
    return out


def copied(demo: Path, folder: Path) -> Path:
    """A copy of a demo, with no index made yet."""
    copy = folder / "demo"
    shutil.copytree(demo, copy, ignore=shutil.ignore_patterns("site.sqlite*", "keys.sqlite*", "demo.pid"))
    return copy


@contextmanager
def demo_chain(demo: Path) -> Iterator[Anvil]:
    """The demo's chain as it was left; its state in the folder is read only."""
    state = demo / "state-of-this-test.json"
    shutil.copy(demo / "chain.json", state)
    with Anvil(chain_id=CHAIN_ID, state_file=state) as anvil:
        yield anvil


@contextmanager
def opened_portal(demo: Path, anvil: Anvil | None = None, *, is_open_data: bool = True) -> Iterator[SitePortal]:
    """The portal of a demo's first oracle, brought up to date; on a chain that runs, or on its own."""
    if anvil is None:
        with demo_chain(demo) as own, opened_portal(demo, own, is_open_data=is_open_data) as portal:
            yield portal
        return
    settings = OracleSettings.load(demo / "oracle-1" / "oracle.toml", "serve")
    # A demo's settings name the folder it was made in; a copy is read and written where it is.
    here = {"data_dir": demo / "oracle-1", "manifest": demo / "31337.json"}
    settings = settings.model_copy(update={**here, "open_data": is_open_data})
    portal = open_portal(settings, load_site(settings), Chain(anvil.url, Manifest.load(settings.manifest)))
    try:
        portal.refresh()
        yield portal
    finally:
        portal.close()

"""`gridwitness replay --watch`: files dropped into a folder come in, whatever happens to either side."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from gridwitness.chain.anvil import Anvil
from gridwitness.domain.slots import SLOT_SECONDS
from gridwitness.sources.payloads import to_payload
from tests.integration.oracle.village import Oracle, Village, eventually, start_all
from tests.integration.sources.test_documents import ocmf_time
from tests.oracle.sources.documents import cose, net_energy_record, ocmf, ocmf_reading, senml_json


def watcher(folder: Path, url: str, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gridwitness", "replay", str(folder), "--to", url, "--watch"]
    with log.open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, preexec_fn=Anvil.die_with_parent)


def drop(path: Path, content: bytes) -> None:
    """Write a file under a hidden name and rename it when it is complete."""
    hidden = path.with_name("." + path.name)
    hidden.write_bytes(content)
    hidden.rename(path)


def test_watch__watcher_and_oracle_killed__every_reading_comes_in_once(
    committee: list[Oracle], village: Village, tmp_path: Path
) -> None:
    oracle, folder, log = committee[0], tmp_path / "drop", tmp_path / "watch.log"
    folder.mkdir()
    first = village.first_slot()
    native = [one for slot in range(first, first + 50) for one in village.sign_slot(slot)]
    village.pass_slot(first + 60)
    key, time = village.meters[1].key, (first + 55) * SLOT_SECONDS
    record = ocmf(key, ocmf_reading(TM=ocmf_time(time)), page="T1")
    drop(folder / "a.ndjson", b"".join(msgspec.json.encode(to_payload(one)) + b"\n" for one in native))
    watching = watcher(folder, oracle.url, log)  # before the oracle is there: it is waited for
    eventually(lambda: "no oracle answers" in log.read_text(), "the watcher to miss the oracle")
    start_all([oracle])

    def stored() -> int:
        return int(oracle.status()["readings"]["stored"])

    eventually(lambda: stored() == len(native), f"the first file; {log.read_text()}")
    watching.send_signal(signal.SIGKILL)
    watching.wait(30)
    oracle.kill()
    start_all([oracle])
    drop(folder / "b.ocmf", record + b"\nOCMF|{}|{}\n")
    drop(folder / "c.cbor", cose(key, senml_json(net_energy_record(4, time)), counter=900))
    watching = watcher(folder, oracle.url, log)
    eventually(lambda: stored() == len(native) + 2, f"the other files; {log.read_text()}")
    eventually((folder / "c.cbor.replayed").exists, "the last bookmark")
    watching.send_signal(signal.SIGINT)
    watching.wait(30)
    assert "2 accepted" in log.read_text()
    assert oracle.status()["rejections"]["malformed"]["count"] == 1

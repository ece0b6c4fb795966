"""What is generated is as it would be generated now, and knows nothing of the oracle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_make_client__check__finds_nothing_out_of_date() -> None:
    command = [sys.executable, "toolchain/make_client.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_import__client_alone__loads_neither_the_oracle_nor_web3() -> None:
    code = "import sys, gridwitness.client; print([m for m in sys.modules if m.startswith(('gridwitness.', 'web3'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[1] for name in eval(done.stdout) if name.startswith("gridwitness.")}
    assert loaded <= {"client", "encoding", "domain", "errors"}
    assert "web3" not in eval(done.stdout)

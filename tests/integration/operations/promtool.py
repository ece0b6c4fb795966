"""Prometheus' own tool for rules; a missing one fails the test."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def promtool(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run it; what it says is in stdout and stderr."""
    found = shutil.which("promtool") or shutil.which(ROOT / ".toolchain/bin/promtool")
    assert found, "promtool is missing; `make .toolchain/bin/promtool` fetches it, and it comes with Prometheus"
    return subprocess.run([found, *arguments], input=given, capture_output=True, text=True, check=False)

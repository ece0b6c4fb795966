"""A disk that can be filled without filling that of the machine."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

# An hour's log takes some 150 MiB.
_DISK_MIB = 512
_LEFT_BYTES = 96 << 10


@dataclass
class Disk:
    """The folder of one oracle's data: a small file system of its own, if this process may mount one.

    Else the oracle's files may not grow while the disk is full: a limit of its process.
    """

    folder: Path
    is_mounted: bool = False
    was_mounted: bool = False

    def mount(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MIB}m", "gridwitness-chaos", str(self.folder)]
        self.is_mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
        self.was_mounted = self.is_mounted

    def fill(self, process: subprocess.Popen[bytes] | None) -> None:
        """Take all that is left, but for what fits a few rows: the disk is full in the middle of a batch."""
        if self.is_mounted:
            free = shutil.disk_usage(self.folder).free
            with (self.folder / "ballast").open("wb") as ballast:
                os.posix_fallocate(ballast.fileno(), 0, max(free - _LEFT_BYTES, 4_096))
        else:
            _limit_files(process, _LEFT_BYTES)

    def free(self, process: subprocess.Popen[bytes] | None) -> None:
        (self.folder / "ballast").unlink(missing_ok=True)
        if not self.is_mounted:
            _limit_files(process, resource.RLIM_INFINITY)

    def unmount(self) -> None:
        """The files stay, in `folder` itself."""
        if self.is_mounted:
            kept = self.folder.with_name("kept")
            shutil.copytree(self.folder, kept)
            subprocess.run(["umount", str(self.folder)], check=False)
            self.folder.rmdir()
            kept.rename(self.folder)
            self.is_mounted = False


def _limit_files(process: subprocess.Popen[bytes] | None, size_bytes: int) -> None:
    """How far a process may write into a file; Python's processes are told by an error."""
    if process is not None:
        with contextlib.suppress(ProcessLookupError):  # killed meanwhile
            _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size_bytes, hard))

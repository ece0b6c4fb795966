"""One process at a time: locks that end with the process that holds them, however it ends.

A key's lease lies in a folder that every process of the machine finds, so that two oracles with two data folders and
two copies of one key notice each other. Another machine is out of its reach: there the nonces tell (see Outbox).
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path

from gridwitness.errors import ConfigError, StoreError

# Where anvil, Hardhat and Ganache run by default: keys and genesis blocks repeat there, so nothing is leased.
DEVELOPMENT_CHAINS = frozenset({31_337, 1_337})


class FileLock:
    """A lock on a file, from its making until {close}, or until the process ends."""

    def __init__(self, path: Path, refusal: StoreError) -> None:
        """Take it. Raises `refusal` if another process has it, StoreError if there can be no such file."""
        self.path = path
        try:
            self._descriptor = _open(path)
        except OSError as error:
            raise StoreError(f"{path} cannot be locked: {error.strerror}", hint="correct its permissions") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise refusal from None

    def close(self) -> None:
        """Let others have it."""
        os.close(self._descriptor)


def _open(path: Path) -> int:
    """A descriptor of the file, made if need be. One of another user can be locked, though not be written."""
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | flags, 0o644)
    except FileExistsError:
        return os.open(path, os.O_RDONLY | flags)


def lease_key(chain_id: int, address: str, folder: Path | None = None) -> FileLock | None:
    """The lease of an account on a chain; None on a development chain. Raises StoreError if it is taken.

    `folder` None is the first of /run/lock, $XDG_RUNTIME_DIR and the folder for temporary files that can be written.
    """
    if chain_id in DEVELOPMENT_CHAINS:
        return None
    path = (folder or _lease_folder()) / f"gridwitness-{chain_id}-{address.lower()}.lock"
    taken = StoreError(
        f"another process of this machine sends from {address} on chain {chain_id}",
        hint=f"stop it: one key, one process; `fuser {path}` names it",
    )
    return FileLock(path, taken)


def _lease_folder() -> Path:
    candidates = [
        Path("/run/lock"),
        Path(os.environ.get("XDG_RUNTIME_DIR") or "/run/lock"),
        Path(tempfile.gettempdir()),
    ]
    for folder in candidates:
        if folder.is_dir() and os.access(folder, os.W_OK):
            return folder
    raise ConfigError("no folder for a key's lease can be written", hint="set XDG_RUNTIME_DIR")

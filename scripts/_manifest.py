"""What stands on a chain: deployments/<chain-id>.json, replaced as a whole after each transaction, keys sorted."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gridwitness.errors import ConfigError

Entry = dict[str, Any]


class ManifestFile:
    """A manifest being written.

    Beside what stands, it holds at most one `pending` transaction: its signed bytes and what to record once it is
    mined. It is there before the transaction leaves, so a killed script knows what it may have done.
    """

    def __init__(self, path: Path, data: Entry) -> None:
        self.path = path
        self._data = data

    @classmethod
    def open(cls, path: Path, chain_id: int, network: str) -> ManifestFile:
        """Read the manifest, or begin an empty one. Raises ConfigError if it is of another chain or not JSON."""
        if not path.exists():
            return cls(path, {"chain_id": chain_id, "network": network})
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            recorded = data["chain_id"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"manifest {path} cannot be read: {error!r}") from error
        if recorded != chain_id:
            raise ConfigError(
                f"manifest {path} is of chain {recorded}, the node is chain {chain_id}",
                hint="choose another --network or another --manifest",
            )
        return cls(path, data)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other scripts from the manifest's folder. Raises ConfigError if one is at work there."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"another script is writing in {self.path.parent}", hint="wait until it has ended"
            ) from None
        else:
            yield
        finally:
            os.close(folder)

    @property
    def pending(self) -> Entry | None:
        """The transaction that may have left and is not recorded yet."""
        return self._data.get("pending")

    def get(self, *keys: str) -> Any:
        """Entry at a path of keys, None if there is none."""
        entry: Any = self._data
        for key in keys:
            entry = entry.get(key) if isinstance(entry, Mapping) else None
        return entry

    def begin(self, pending: Entry) -> None:
        """Note a transaction before it leaves."""
        self._data["pending"] = pending
        self._save()

    def record(self, keys: tuple[str, ...], entry: Any) -> None:
        """Set an entry; what was pending is thereby done."""
        self._data.pop("pending", None)
        table = self._data
        for key in keys[:-1]:
            table = table.setdefault(key, {})
        if table.get(keys[-1]) != entry or not self.path.exists():
            table[keys[-1]] = entry
        self._save()

    def drop_pending(self) -> None:
        """Forget a transaction that left nothing to record, or can no longer be mined."""
        del self._data["pending"]
        self._save()

    def clear(self) -> None:
        """Forget everything but the chain: for local chains that were started anew."""
        self._data = {"chain_id": self._data["chain_id"], "network": self._data["network"]}
        self._save()

    def _save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(f".{self.path.name}.new")
        with draft.open("w", encoding="utf-8") as file:
            json.dump(self._data, file, indent=2, sort_keys=True)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)

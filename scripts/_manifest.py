"""What stands on a chain: deployments/<chain-id>.json, replaced as a whole after each transaction, keys sorted."""

from __future__ import annotations

import copy
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

    Beside what stands, it holds at most one `pending` transaction: every signed attempt at it, and what to record once
    one is mined. They are there before they leave, so a killed script knows what it may have done. The bytes of those
    that were mined stay under `sent` until the script has ended well, so that a reorganisation loses none. What was
    pending of another account when something urgent came is under `aside` until a later script takes it up.
    """

    def __init__(self, path: Path, data: Entry) -> None:
        self.path = path
        self._data = data

    @classmethod
    def open(
        cls, path: Path, chain_id: int, network: str, genesis_hash: str = "", *, fresh: bool = False
    ) -> ManifestFile:
        """Read the manifest, or begin an empty one, if `fresh` whatever the file has.

        `genesis_hash` is empty if the node has no first block any more. Raises ConfigError if the file is of another
        chain or not JSON.
        """
        chain: Entry = {"chain_id": chain_id, "network": network}
        if genesis_hash:
            chain["genesis_hash"] = genesis_hash
        if fresh or not path.exists():
            return cls(path, chain)
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
        return cls(path, {**chain, **data})

    @property
    def genesis_hash(self) -> str:
        """Hash of the chain's first block as recorded; empty if it never was."""
        return str(self._data.get("genesis_hash", ""))

    def draft(self) -> ManifestFile:
        """A copy that is never written."""
        return _Draft(self.path, copy.deepcopy(self._data))

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

    @property
    def aside(self) -> list[Entry]:
        """Pending transactions that something urgent went past."""
        return list(self._data.get("aside", []))

    @property
    def sent(self) -> list[Entry]:
        """Transactions mined since a script last ended well, oldest first: their bytes and what records them."""
        return list(self._data.get("sent", []))

    def begin(self, pending: Entry) -> None:
        """Note a transaction, or another attempt at it, before it leaves. Who sends the first one is the deployer."""
        self._data["pending"] = pending
        if not any("deployer" in entry for entry in self._data.get("contracts", {}).values()):
            self._data.setdefault("deployer", pending["from"])
        self._save()

    def record(self, keys: tuple[str, ...], entry: Any) -> None:
        """Set an entry."""
        table = self._data
        for key in keys[:-1]:
            table = table.setdefault(key, {})
        table[keys[-1]] = entry
        self._save()

    def finish(self, sent: Entry, keys: tuple[str, ...], entry: Any) -> None:
        """What was pending is mined: set its entry, unless that is None, and keep its bytes for the time being."""
        del self._data["pending"]
        self._data["sent"] = [*self.sent, sent]
        if entry is None:
            self._save()
        else:
            self.record(keys, entry)

    def settle(self, settled: list[Entry]) -> None:
        """Forget bytes that are where they should be, or can never be again."""
        left = [sent for sent in self.sent if sent not in settled]
        if left != self.sent:
            self._data["sent"] = left
            if not left:
                del self._data["sent"]
            self._save()

    def put_aside(self, account: str) -> None:
        """Leave the pending transaction for later unless it is this account's, so that another can be begun."""
        if self.pending is not None and self.pending["from"] != account:
            self._data["aside"] = [*self.aside, self._data.pop("pending")]
            self._save()

    def take_up(self) -> Entry | None:
        """The pending transaction; if there is none, the first that was put aside becomes it."""
        if self.pending is None and self.aside:
            self._data["pending"], *left = self.aside
            self._data["aside"] = left
            if not left:
                del self._data["aside"]
            self._save()
        return self.pending

    def drop_pending(self) -> None:
        """Forget a transaction that left nothing to record, or can no longer be mined."""
        del self._data["pending"]
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


class _Draft(ManifestFile):
    """For a rehearsal: kept in memory alone."""

    def _save(self) -> None:
        """Leave the file as it is."""

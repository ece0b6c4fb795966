"""What a deployment left behind, without what differs from run to run: times, blocks, hashes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from tests.rehearsal.nodes import GENESIS_TIME, Chain

# Where things were, not what they are; `network` is how the script was told of the node.
_PASSING = ("block", "transaction", "source_commit", "source_dirty", "network", "genesis_hash")
_CHAIN_YEARS_S = 10 * 366 * 86_400
_TIME_BITS = 40
_WORD_BITS = 256


@dataclass(frozen=True)
class Standing:
    """Manifest, code and storage by address, and how many transactions each account sent."""

    manifest: dict[str, Any]
    code: dict[str, str]
    storage: dict[str, dict[str, int]]
    nonces: dict[str, int]

    def differences(self, other: Standing) -> list[str]:
        """What differs, in words; times that lie in the chain's life do not."""
        found = [] if self.manifest == other.manifest else [f"manifest: {_first(self.manifest, other.manifest)}"]
        found += [f"nonces: {self.nonces} and {other.nonces}"] if self.nonces != other.nonces else []
        for address in sorted(self.code.keys() | other.code.keys()):
            if self.code.get(address) != other.code.get(address):
                found.append(f"code at {address}")
        for address in sorted(self.storage.keys() | other.storage.keys()):
            ours, theirs = self.storage.get(address, {}), other.storage.get(address, {})
            for slot in sorted(ours.keys() | theirs.keys()):
                pair = (ours.get(slot, 0), theirs.get(slot, 0))  # what was never written is zero
                if not same_but_for_time(*pair):
                    found.append(f"storage of {address} at {slot}: {pair[0]:#x} and {pair[1]:#x}")
        return found


def read_standing(chain: Chain, manifest: dict[str, Any]) -> Standing:
    """Everything that transactions on the chain have written, as it is now."""
    slots: dict[str, set[str]] = defaultdict(set)
    senders = set()
    with chain.still():
        newest = int(chain.rpc("eth_blockNumber"), 16)
        for number in range(1, newest + 1):
            for transaction in chain.rpc("eth_getBlockByNumber", hex(number), True)["transactions"]:
                senders.add(transaction["from"].lower())
                for address, written in _trace(chain, transaction["hash"]).items():
                    slots[address.lower()] |= set(written.get("storage", {}))
        code = {address: chain.rpc("eth_getCode", address, "latest") for address in slots}
        return Standing(
            manifest=stripped(manifest),
            code={address: held for address, held in code.items() if held != "0x"},
            storage={address: {slot: _word(chain, address, slot) for slot in keys} for address, keys in slots.items()},
            nonces={sender: int(chain.rpc("eth_getTransactionCount", sender, "latest"), 16) for sender in senders},
        )


def _word(chain: Chain, address: str, slot: str) -> int:
    return int(chain.rpc("eth_getStorageAt", address, slot, "latest"), 16)


def _trace(chain: Chain, transaction: str) -> dict[str, Any]:
    """What a transaction changed: before and after, as what it cleared stands in the first alone."""
    options = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}
    change = chain.rpc("debug_traceTransaction", transaction, options)
    merged: dict[str, Any] = {}
    for side in (change["pre"], change["post"]):
        for address, account in side.items():
            merged.setdefault(address, {"storage": {}})["storage"].update(account.get("storage") or {})
    return merged


def stripped(entry: Any) -> Any:
    """A manifest without what passes."""
    if isinstance(entry, dict):
        return {key: stripped(value) for key, value in entry.items() if key not in _PASSING}
    return entry


def same_but_for_time(one: int, other: int) -> bool:
    """Whether two words are the same, or differ in one packed field of 40 bits that is a time of the chain in both."""
    if one == other:
        return True
    for shift in range(0, _WORD_BITS - _TIME_BITS + 1, 8):
        mask = ((1 << _TIME_BITS) - 1) << shift
        times = ((one & mask) >> shift, (other & mask) >> shift)
        if one & ~mask == other & ~mask and all(0 <= time - GENESIS_TIME < _CHAIN_YEARS_S for time in times):
            return True
    return False


def _first(one: Any, other: Any, path: str = "") -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            if one.get(key) != other.get(key):
                return _first(one.get(key), other.get(key), f"{path}.{key}" if path else key)
    return f"{path}: {one!r} and {other!r}"

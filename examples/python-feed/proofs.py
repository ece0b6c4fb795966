"""A proof file, as an oracle gives it, checked by its own hashes. Needs no node, and no trust in the oracle."""

from dataclasses import dataclass
from typing import Any

from eth_abi import encode
from eth_utils import keccak, to_bytes

READING_TYPES = ["bytes32", "uint64", "uint64", "bytes32", "int256", "uint16", "bytes32"]


@dataclass(frozen=True)
class ReadingProof:
    """A reading, and its way to the root of its batch and from there to a peak of its stream.

    `reading` and `place` are as `IDataAttestation.verifyReading` takes them.
    """

    chain_id: int
    root: bytes
    reading: tuple[Any, ...]  # deviceId, counter, time, metric, value, scoreBps, signatureHash
    place: tuple[bytes, int, int, list[bytes], list[bytes]]  # streamId, seq, meta, treeProof, rangeProof

    @classmethod
    def of(cls, document: dict[str, Any]) -> "ReadingProof":
        """Read a document of format `gridwitness-proof/2`. Raises ValueError if it is of another kind."""
        leaf, batch = document["leaf"], document["batch"]
        if (document["format"], leaf["types"]) != ("gridwitness-proof/2", READING_TYPES):
            raise ValueError(f"{document['format']} of {leaf['types']} is no proof of a reading")
        fields = zip(leaf["types"], leaf["fields"], strict=True)
        reading = tuple(to_bytes(hexstr=text) if kind == "bytes32" else int(text) for kind, text in fields)
        tree = [to_bytes(hexstr=node) for node in document["tree_proof"]]
        path = [to_bytes(hexstr=node) for node in document["range_proof"]["path"]]
        place = (to_bytes(hexstr=batch["stream"]), batch["seq"], int(batch["meta"], 16), tree, path)
        return cls(document["chain_id"], to_bytes(hexstr=batch["root"]), reading, place)

    def tree_root(self) -> bytes:
        """Root that the reading leads to: OpenZeppelin's StandardMerkleTree, pairs hashed in ascending order."""
        node = keccak(keccak(encode(READING_TYPES, self.reading)))
        for sibling in self.place[3]:
            node = keccak(min(node, sibling) + max(node, sibling))
        return node

    def range_peak(self) -> bytes:
        """Peak of the stream's mountain range that the batch leads to; its height is the length of the path.

        A set bit of the batch's index puts the sibling left. The lowest bit of every leaf and node is cleared.
        """
        _, seq, meta, _, path = self.place
        node = _even(keccak(encode(["uint256", "bytes32", "uint256"], [seq, self.tree_root(), meta])))
        for height, sibling in enumerate(path):
            is_right = (seq - 1) >> height & 1
            node = _even(keccak(sibling + node if is_right else node + sibling))
        return node


def _even(node: bytes) -> bytes:
    return node[:-1] + bytes([node[-1] & 0xFE])

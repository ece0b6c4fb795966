"""Proof documents, checked here: that the API says so counts for nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, Self, TypeVar

import msgspec

from gridwitness.client.contracts.data_attestation import DataAttestation, ProfileLeaf, Proof, ReadingLeaf
from gridwitness.domain.readings import Reading, SignedReading
from gridwitness.encoding.eip712 import registry_domain, signed_digest
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import is_signature_of
from gridwitness.encoding.leaves import PROFILE_TYPES, READING_TYPES, leaf_hash, signature_hash
from gridwitness.encoding.merkle import tree_root
from gridwitness.encoding.packing import energy_bytes
from gridwitness.errors import ProofError

FORMAT = "gridwitness-proof/2"
_WORD_BYTES = 32


class _Batch(msgspec.Struct, frozen=True):
    stream: str
    seq: int
    root: str
    meta: str


class _Leaf(msgspec.Struct, frozen=True):
    types: list[str]
    fields: list[str]


class _Range(msgspec.Struct, frozen=True):
    length: int
    path: list[str]


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """A proof as the API answers it; what is said beside the leaf, as in `statement`, proves nothing and is left."""

    format: str
    kind: str
    chain_id: int
    contracts: dict[str, str]
    batch: _Batch
    leaf: _Leaf
    tree_proof: list[str]
    range_proof: _Range
    device_signature: str = ""
    device_key: str = ""
    signed_document: str = ""
    gateway_signature: str = ""
    energy_wh: list[int] = []


LeafT = TypeVar("LeafT", ReadingLeaf, ProfileLeaf)


class _LeafProof(ABC, Generic[LeafT]):
    """A leaf, and its way to a batch's root and into the stream."""

    _kind: str
    _types: tuple[str, ...]
    _leaf: type[LeafT]

    def __init__(self, document: _Document) -> None:
        self.chain_id = document.chain_id
        self.stream_id = _word(document.batch.stream)
        self.leaf: LeafT = self._leaf(*(_field(*pair) for pair in zip(self._types, document.leaf.fields, strict=True)))
        self.root = _word(document.batch.root)
        self.path = Proof(
            self.stream_id,
            document.batch.seq,
            int.from_bytes(_word(document.batch.meta), "big"),
            [_word(node) for node in document.tree_proof],
            [_word(node) for node in document.range_proof.path],
        )
        self._document = document

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """Read a proof document. Raises ProofError if it is none of this kind."""
        try:
            read = msgspec.convert(document, _Document)
        except msgspec.ValidationError as error:
            raise ProofError(f"the proof is not as {FORMAT} has it: {error}") from error
        if (read.format, read.kind, tuple(read.leaf.types)) != (FORMAT, cls._kind, cls._types):
            raise ProofError(f"the proof is a {read.kind[:40]} in {read.format[:40]}, not a {cls._kind} in {FORMAT}")
        if len(read.leaf.fields) != len(cls._types):
            raise ProofError(f"the leaf has {len(read.leaf.fields)} fields, not {len(cls._types)}")
        return cls(read)

    def check(self) -> None:
        """What needs no chain: that the leaf is what it stands for, and leads to the root. Raises ProofError."""
        self._check_content()
        root = tree_root(leaf_hash(tuple(self.leaf)), self.path.tree_proof)
        if root != self.root:
            raise ProofError(f"leaf and tree proof lead to root 0x{root.hex()}, the batch has 0x{self.root.hex()}")

    @abstractmethod
    def _check_content(self) -> None:
        """What only this kind of leaf has to show. Raises ProofError."""


class ReadingProof(_LeafProof[ReadingLeaf]):
    """Proof of a reading."""

    _kind, _types, _leaf = "reading", READING_TYPES, ReadingLeaf

    def stands_in(self, attestation: DataAttestation) -> bool:
        """Whether the reading stands on chain now. Compare `stream_id` with the one you trust: anybody may open one."""
        return attestation.verify_reading(self.leaf, self.path)

    def _check_content(self) -> None:
        """The device's signature; of a document (COSE, OCMF) only that it was signed, not what it says."""
        document, leaf = self._document, self.leaf
        metric = leaf.metric.rstrip(b"\0").decode("ascii", errors="replace")
        reading = Reading(leaf.device_id, leaf.counter, leaf.time, metric, leaf.value)
        signed = SignedReading(
            reading,
            _data(document.device_signature),
            _data(document.signed_document),
            _data(document.gateway_signature),
        )
        if signature_hash(signed) != leaf.signature_hash:
            raise ProofError("the device's signature is not the one whose hash stands in the leaf")
        domain = registry_domain(self.chain_id, document.contracts.get("DeviceRegistry", ""))
        if not is_signature_of(_word(document.device_key), signed_digest(domain, signed), signed.signature):
            raise ProofError(f"device_signature is not by key {document.device_key} over this reading")


class ProfileProof(_LeafProof[ProfileLeaf]):
    """Proof of a device's energies of a day."""

    _kind, _types, _leaf = "profile", PROFILE_TYPES, ProfileLeaf

    @property
    def energy_wh(self) -> list[int]:
        """Energy by slot, from the leaf's first on."""
        return self._document.energy_wh

    def stands_in(self, attestation: DataAttestation) -> bool:
        """Whether the profile stands on chain now; see {ReadingProof.stands_in}."""
        return attestation.verify_profile(self.leaf, self.path)

    def _check_content(self) -> None:
        if len(self.energy_wh) != self.leaf.count_ or keccak(energy_bytes(self.energy_wh)) != self.leaf.energy_hash:
            raise ProofError(f"energy_wh are not the {self.leaf.count_} energies whose hash stands in the leaf")


def _data(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise ProofError(f"{text[:80]!r} in the proof is not hexadecimal") from None


def _word(text: str) -> bytes:
    value = _data(text)
    if len(value) != _WORD_BYTES:
        raise ProofError(f"{text[:80]!r} in the proof is not 32 bytes")
    return value


def _field(kind: str, text: str) -> Any:
    if kind == "bytes32":
        return _word(text)
    try:
        return int(text)
    except ValueError:
        raise ProofError(f"{text[:80]!r} in the leaf is not an integer") from None

"""Proof documents, checked here: that the API says so counts for nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any, Generic, Self, TypeVar

import msgspec

from gridwitness.client.contracts.data_attestation import DataAttestation, ProfileLeaf, Proof, ReadingLeaf
from gridwitness.client.contracts.device_registry import DeviceRegistry
from gridwitness.domain.devices import DeviceStatus
from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, SignedReading
from gridwitness.domain.slots import slots_of_day
from gridwitness.encoding.eip712 import registry_domain, signed_digest
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import is_signature_of
from gridwitness.encoding.leaves import PROFILE_TYPES, READING_TYPES, leaf_hash, signature_hash
from gridwitness.encoding.merkle import tree_root
from gridwitness.encoding.packing import energy_bytes
from gridwitness.errors import InputError, ProofError

FORMAT = "gridwitness-proof/2"
_WORD_BYTES = 32
_ADDRESS_BYTES = 20
_Seq = Annotated[int, msgspec.Meta(ge=1, le=(1 << 32) - 1)]
_ChainId = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class _Batch(msgspec.Struct, frozen=True):
    stream: str
    seq: _Seq
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
    chain_id: _ChainId
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
    """A leaf that was asked for, and its way to a batch's root and into the stream.

    What needs no chain was checked when it was made; `stands_in` asks the chain for the rest.
    """

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
        self._registry = _sized(document.contracts.get("DeviceRegistry", ""), _ADDRESS_BYTES)
        self._document = document

    def stands_in(self, attestation: DataAttestation, registry: DeviceRegistry, stream: str | bytes) -> bool:
        """Whether the leaf stands on chain now, in the stream that you trust: anybody may open one, for any device.

        Take addresses and stream from elsewhere than from the API. Raises ProofError if the proof is of another stream,
        registry or chain, or its device or key was not registered; ChainError if no node answers.
        """
        expected = _id("stream", stream)
        if self.stream_id != expected:
            raise ProofError(
                f"the proof is of stream 0x{self.stream_id.hex()}, not of 0x{expected.hex()}: its committee is another"
            )
        if not self._is_attested(attestation):
            return False
        self._check_registered(registry)
        return True

    @classmethod
    def _of(cls, document: dict[str, Any], device: str | bytes) -> Self:
        """Read a proof and check all that needs no chain. Raises ProofError if it is not of this kind and device."""
        try:
            read = msgspec.convert(document, _Document)
        except msgspec.ValidationError as error:
            raise ProofError(f"the proof is not as {FORMAT} has it: {error}") from error
        if (read.format, read.kind, tuple(read.leaf.types)) != (FORMAT, cls._kind, cls._types):
            raise ProofError(f"the proof is a {read.kind[:40]} in {read.format[:40]}, not a {cls._kind} in {FORMAT}")
        if len(read.leaf.fields) != len(cls._types):
            raise ProofError(f"the leaf has {len(read.leaf.fields)} fields, not {len(cls._types)}")
        proof, expected = cls(read), _id("device", device)
        if proof.leaf.device_id != expected:
            raise ProofError(f"the proof is of device 0x{proof.leaf.device_id.hex()}, not of 0x{expected.hex()}")
        proof._check_content()
        root = tree_root(leaf_hash(tuple(proof.leaf)), proof.path.tree_proof)
        if root != proof.root:
            raise ProofError(f"leaf and tree proof lead to root 0x{root.hex()}, the batch has 0x{proof.root.hex()}")
        return proof

    def _check_registered(self, registry: DeviceRegistry) -> None:
        """That the device is in this registry. Raises ProofError."""
        if (named := "0x" + self._registry.hex()) != registry.address.lower():
            raise ProofError(f"the proof is of DeviceRegistry {named}, not of {registry.address.lower()}")
        if self.chain_id != (found := registry.node.chain_id()):
            raise ProofError(f"the proof is of chain {self.chain_id}, the node of chain {found}")
        if registry.device(self.leaf.device_id).status == DeviceStatus.UNKNOWN:
            raise ProofError(f"device 0x{self.leaf.device_id.hex()} was never registered")

    @abstractmethod
    def _check_content(self) -> None:
        """What only this kind of leaf has to show. Raises ProofError."""

    @abstractmethod
    def _is_attested(self, attestation: DataAttestation) -> bool:
        """Whether the contract finds the leaf."""


class ReadingProof(_LeafProof[ReadingLeaf]):
    """Proof that a device signed a reading, and of the score it was attested with."""

    _kind, _types, _leaf = "reading", READING_TYPES, ReadingLeaf

    @classmethod
    def of(
        cls,
        document: dict[str, Any],
        device: str | bytes,
        *,
        counter: int | None = None,
        time: int | None = None,
        metric: str = "",
    ) -> Self:
        """Read the proof of a device's reading, asked for by its counter, or by its time (unix seconds, start of the
        interval) and metric, by default net energy.

        Checked are that it is of that reading, the device's signature (of a document (COSE, OCMF) only that it was
        signed, not what it says) and the way to the root. Whether the key was the device's, `stands_in` finds out.
        Raises ProofError if one of these does not hold, InputError if neither counter nor time is given.
        """
        if counter is None and time is None:
            raise InputError("a reading is asked for by its counter or its time, and neither is given")
        proof = cls._of(document, device)
        wanted = metric or (NET_ENERGY_METRIC if counter is None else "")
        asked = {"counter": counter, "time": time, "metric": wanted or None}
        found = {"counter": proof.leaf.counter, "time": proof.leaf.time, "metric": proof.metric}
        for name, value in asked.items():
            if value is not None and value != found[name]:
                raise ProofError(f"the proof is of the device's reading with {name} {found[name]}, not {value}")
        return proof

    @property
    def metric(self) -> str:
        """What was measured, such as 1-0:16.29.0 for net energy."""
        return self.leaf.metric.rstrip(b"\0").decode("ascii", errors="replace")

    def _check_content(self) -> None:
        document, leaf = self._document, self.leaf
        reading = Reading(leaf.device_id, leaf.counter, leaf.time, self.metric, leaf.value)
        signed = SignedReading(
            reading,
            _data(document.device_signature),
            _data(document.signed_document),
            _data(document.gateway_signature),
        )
        if signature_hash(signed) != leaf.signature_hash:
            raise ProofError("the device's signature is not the one whose hash stands in the leaf")
        domain = registry_domain(self.chain_id, "0x" + self._registry.hex())
        if not is_signature_of(_word(document.device_key), signed_digest(domain, signed), signed.signature):
            raise ProofError(f"device_signature is not by key {document.device_key} over this reading")

    def _check_registered(self, registry: DeviceRegistry) -> None:
        """That the key spoke for the device at the reading's time, too: offline it is only said to be the device's."""
        super()._check_registered(registry)
        key = registry.key_at(self.leaf.device_id, self.leaf.time)
        if key != _word(self._document.device_key):
            raise ProofError(
                f"key {self._document.device_key} signed the reading, but 0x{key.hex()} spoke for the device then"
            )

    def _is_attested(self, attestation: DataAttestation) -> bool:
        return attestation.verify_reading(self.leaf, self.path)


class ProfileProof(_LeafProof[ProfileLeaf]):
    """Proof of a device's energies of a day; no device signs them, the stream's committee says so."""

    _kind, _types, _leaf = "profile", PROFILE_TYPES, ProfileLeaf

    @classmethod
    def of(cls, document: dict[str, Any], device: str | bytes, day: int) -> Self:
        """Read the proof of a device's profile of a day (UTC, days since the epoch).

        Checked are that it is of that day, its energies and the way to the root. Raises ProofError if one is wrong.
        """
        proof = cls._of(document, device)
        found, asked = range(proof.leaf.first_slot, proof.leaf.first_slot + proof.leaf.count_), slots_of_day(day)
        if found != asked:
            said = f"day {day}, which are {asked.start} to {asked.stop - 1}"
            raise ProofError(f"the proof is of slots {found.start} to {found.stop - 1}, not of those of {said}")
        return proof

    @property
    def energy_wh(self) -> list[int]:
        """Energy by slot, from the leaf's first on."""
        return self._document.energy_wh

    def _check_content(self) -> None:
        if len(self.energy_wh) != self.leaf.count_ or keccak(energy_bytes(self.energy_wh)) != self.leaf.energy_hash:
            raise ProofError(f"energy_wh are not the {self.leaf.count_} energies whose hash stands in the leaf")

    def _is_attested(self, attestation: DataAttestation) -> bool:
        return attestation.verify_profile(self.leaf, self.path)


def _id(what: str, given: str | bytes) -> bytes:
    """An id as the caller gives it: 0x and 64 hex digits, or 32 bytes. Raises InputError."""
    try:
        value = given if isinstance(given, bytes) else bytes.fromhex(given.removeprefix("0x"))
    except ValueError:
        value = b""
    if len(value) != _WORD_BYTES:
        raise InputError(f"{what} {given!r} is not 0x and 64 hex digits")
    return value


def _data(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise ProofError(f"{text[:80]!r} in the proof is not hexadecimal") from None


def _word(text: str) -> bytes:
    return _sized(text, _WORD_BYTES)


def _sized(text: str, length: int) -> bytes:
    value = _data(text)
    if len(value) != length:
        raise ProofError(f"{text[:80]!r} in the proof is not {length} bytes")
    return value


def _field(kind: str, text: str) -> Any:
    if kind == "bytes32":
        return _word(text)
    bits = int(kind.lstrip("uint"))
    least, beyond = (0, 1 << bits) if kind.startswith("u") else (-(1 << bits - 1), 1 << bits - 1)
    try:
        value = int(text)
    except ValueError:
        raise ProofError(f"{text[:80]!r} in the leaf is not an integer") from None
    if not least <= value < beyond:
        raise ProofError(f"{text[:80]} in the leaf is not {kind}")
    return value

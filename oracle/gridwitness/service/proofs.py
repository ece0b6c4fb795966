"""The proof file: one attested reading or profile with all it takes to check it, for people and programs alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast

from gridwitness.chain.manifest import Manifest
from gridwitness.domain.batches import Proof
from gridwitness.domain.readings import Profile, Reading, ScoredReading, SignedReading
from gridwitness.domain.slots import slot_start
from gridwitness.encoding.eip712 import registry_domain, signed_digest
from gridwitness.encoding.keys import signing_key_id
from gridwitness.encoding.leaves import PROFILE_TYPES, READING_TYPES, leaf_hash, profile_fields, reading_fields
from gridwitness.encoding.packing import pack_meta, unpack_meta
from gridwitness.errors import ProofError
from gridwitness.service.evidence import gateway_of
from gridwitness.service.proof_values import Table
from gridwitness.sources.quantities import unit_of

FORMAT = "gridwitness-proof/2"
CONTRACTS = ("DeviceRegistry", "DataAttestation")
LEAF_TYPES = {"reading": READING_TYPES, "profile": PROFILE_TYPES}
Kind = Literal["reading", "profile"]
ReadingFields = tuple[bytes, int, int, bytes, int, int, bytes]


@dataclass(frozen=True, slots=True)
class ProofFile:
    """Contents of a proof file.

    `contracts` gives the addresses by name, `root` the batch's tree root, `range_length` the stream's length for which
    `proof.range_proof` was made, `fields` the leaf in the order of its types. A reading comes with the device's
    `signature` and `device_key`, the id of the key that made it, a profile with its `energy_wh`; the others are empty.
    `document_signed` is what was signed if that was a document, `gateway_signature` is there if a gateway keeps the
    device's key; `explanation` is the oracle's reason for the score, which no hash covers.
    """

    kind: Kind
    chain_id: int
    contracts: Mapping[str, str]
    proof: Proof
    root: bytes
    range_length: int
    fields: tuple[bytes | int, ...]
    signature: bytes = b""
    device_key: bytes = b""
    energy_wh: tuple[int, ...] = ()
    explanation: str = ""
    document_signed: bytes = b""
    gateway_signature: bytes = b""

    @property
    def leaf(self) -> bytes:
        """Leaf hash of the fields."""
        return leaf_hash(self.fields)

    def profile(self) -> Profile:
        """The profile that is proven. Raises ProofError for a proof of a reading."""
        if self.kind != "profile":
            raise ProofError(f"the proof is of a {self.kind}, not of a profile")
        device_id, first_slot, _, _, score_bps = cast("tuple[bytes, int, int, bytes, int]", self.fields)
        return Profile(device_id, first_slot, self.energy_wh, score_bps)

    def statement(self) -> dict[str, object]:
        """What is proven, in words and units, derived from the leaf's fields alone."""
        return _reading_statement(self.fields) if self.kind == "reading" else _profile_statement(self.fields)

    def document(self) -> dict[str, object]:
        """The file as JSON values; integers of the leaf are decimal text, as JavaScript needs them."""
        document: dict[str, object] = {
            "format": FORMAT,
            "kind": self.kind,
            "statement": self.statement(),
            "explanation": self.explanation,
            "chain_id": self.chain_id,
            "contracts": dict(self.contracts),
            "batch": {
                "stream": _hex(self.proof.stream_id),
                "seq": self.proof.seq,
                "root": _hex(self.root),
                "meta": _hex(pack_meta(self.proof.meta).to_bytes(32, "big")),
            },
            "leaf": {
                "types": list(LEAF_TYPES[self.kind]),
                "fields": [str(field) if isinstance(field, int) else _hex(field) for field in self.fields],
            },
            "tree_proof": [_hex(node) for node in self.proof.tree_proof],
            "range_proof": {"length": self.range_length, "path": [_hex(node) for node in self.proof.range_proof]},
        }
        if self.kind == "reading":
            document["device_signature"] = _hex(self.signature)
            document["device_key"] = _hex(self.device_key)
            document |= {name: _hex(value) for name, value in self._optional().items() if value}
            document |= {"gateway": self.gateway} if self.gateway else {}
        else:
            document["energy_wh"] = list(self.energy_wh)
        return document

    def _optional(self) -> dict[str, bytes]:
        return {"signed_document": self.document_signed, "gateway_signature": self.gateway_signature}

    @property
    def gateway(self) -> str:
        """Address of the gateway that co-signed the reading; empty if none did, or nobody can have."""
        if not self.gateway_signature:
            return ""
        return gateway_of(registry_domain(self.chain_id, self.contracts["DeviceRegistry"]), self.signed_reading())

    def signed_reading(self) -> SignedReading:
        """The reading with all that speaks for it. Raises ProofError for a proof of a profile."""
        if self.kind != "reading":
            raise ProofError(f"the proof is of a {self.kind}, not of a reading")
        device_id, counter, time, metric, value, _, _ = cast("ReadingFields", self.fields)
        reading = Reading(device_id, counter, time, _metric_name(metric), value)
        return SignedReading(reading, self.signature, self.document_signed, self.gateway_signature)

    def save(self, path: Path) -> None:
        """Write the file."""
        path.write_text(json.dumps(self.document(), indent=2) + "\n", encoding="utf-8")


def reading_proof(manifest: Manifest, scored: ScoredReading, root: bytes, proof: Proof, range_length: int) -> ProofFile:
    """Proof file of a reading; `range_length` is the stream's length for which the range proof was made."""
    return ProofFile(
        kind="reading",
        chain_id=manifest.chain_id,
        contracts={name: manifest.address(name) for name in CONTRACTS},
        proof=proof,
        root=root,
        range_length=range_length,
        fields=reading_fields(scored),
        signature=scored.signed.signature,
        device_key=_key_of(manifest, scored.signed),
        explanation=scored.score.reason,
        document_signed=scored.signed.document,
        gateway_signature=scored.signed.gateway_signature,
    )


def _key_of(manifest: Manifest, signed: SignedReading) -> bytes:
    domain = registry_domain(manifest.chain_id, manifest.address("DeviceRegistry"))
    key_id = signing_key_id(signed_digest(domain, signed), signed.signature)
    return signed.reading.device_id if key_id is None else key_id


def profile_proof(manifest: Manifest, profile: Profile, root: bytes, proof: Proof, range_length: int) -> ProofFile:
    """Proof file of a profile; `range_length` is the stream's length for which the range proof was made."""
    return ProofFile(
        kind="profile",
        chain_id=manifest.chain_id,
        contracts={name: manifest.address(name) for name in CONTRACTS},
        proof=proof,
        root=root,
        range_length=range_length,
        fields=profile_fields(profile),
        energy_wh=profile.energy_wh,
    )


def load_proof(path: Path) -> ProofFile:
    """Read a proof file. Raises ProofError naming what is wrong."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProofError(f"proof file {path} not found", hint="gridwitness prove makes one") from None
    except (OSError, ValueError) as error:
        raise ProofError(f"proof file {path} is not JSON: {error}") from error
    return parse_proof(document)


def parse_proof(document: object) -> ProofFile:
    """A proof from its JSON values. Raises ProofError naming the key that is wrong, or said in words but not proven."""
    root = Table("", document)
    if root.text("format") != FORMAT:
        raise ProofError(f"format is {root.text('format')!r}; this version reads {FORMAT!r}")
    kind = root.text("kind")
    if kind not in LEAF_TYPES:
        raise ProofError(f"kind is {kind!r}; it must be one of {', '.join(LEAF_TYPES)}")
    batch, path, contracts = root.table("batch"), root.table("range_proof"), root.table("contracts")
    file = ProofFile(
        kind=cast("Kind", kind),
        chain_id=root.integer("chain_id"),
        contracts={name: contracts.address(name) for name in CONTRACTS},
        proof=Proof(
            stream_id=batch.word("stream"),
            seq=batch.integer("seq"),
            meta=unpack_meta(int.from_bytes(batch.word("meta"), "big")),
            tree_proof=root.words("tree_proof"),
            range_proof=path.words("path"),
        ),
        root=batch.word("root"),
        range_length=path.integer("length"),
        fields=_parse_fields(root.table("leaf"), LEAF_TYPES[kind]),
        signature=root.data("device_signature") if kind == "reading" else b"",
        device_key=root.word("device_key") if kind == "reading" else b"",
        energy_wh=root.energies("energy_wh") if kind == "profile" else (),
        explanation=root.text("explanation"),
        document_signed=_optional_data(root, kind, "signed_document"),
        gateway_signature=_optional_data(root, kind, "gateway_signature"),
    )
    _check_statement(root.table("statement"), file.statement())
    if root.has("gateway") and root.value("gateway") != file.gateway:
        raise ProofError(f"gateway is {root.value('gateway')}, gateway_signature is by {file.gateway or 'nobody'}")
    return file


def _optional_data(root: Table, kind: str, key: str) -> bytes:
    return root.data(key) if kind == "reading" and root.has(key) else b""


def _parse_fields(leaf: Table, types: Sequence[str]) -> tuple[bytes | int, ...]:
    if leaf.items("types") != list(types):
        raise ProofError(f"leaf.types are {leaf.items('types')}; they must be {list(types)}")
    values = leaf.items("fields")
    if len(values) != len(types):
        raise ProofError(f"leaf.fields has {len(values)} values; it must have {len(types)}")
    fields = Table("leaf", {f"fields[{index}]": value for index, value in enumerate(values)})
    return tuple(
        fields.word(f"fields[{index}]") if kind == "bytes32" else fields.decimal(f"fields[{index}]", kind)
        for index, kind in enumerate(types)
    )


def _check_statement(said: Table, proven: Mapping[str, object]) -> None:
    for name, value in proven.items():
        if said.value(name) != value:
            raise ProofError(f"the statement says {name} is {said.value(name)}, the leaf has {value}")


def _reading_statement(fields: tuple[bytes | int, ...]) -> dict[str, object]:
    device_id, counter, time, metric, value, score_bps, _ = cast("ReadingFields", fields)
    name = _metric_name(metric)
    return {
        "device": _hex(device_id),
        "counter": counter,
        "time": _iso(time),
        "metric": name,
        "value": value,
        "unit": unit_of(name),
        "score_bps": score_bps,
    }


def _metric_name(metric: bytes) -> str:
    return metric.rstrip(b"\0").decode("ascii", errors="replace")


def _profile_statement(fields: tuple[bytes | int, ...]) -> dict[str, object]:
    device_id, first_slot, count, _, score_bps = cast("tuple[bytes, int, int, bytes, int]", fields)
    return {"device": _hex(device_id), "from": _iso(slot_start(first_slot)), "slots": count, "score_bps": score_bps}


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _iso(time: int) -> str:
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError) as error:
        raise ProofError(f"time {time} is not a date: {error}") from error

"""Checks a proof file step by step: what its own hashes and signatures show, then what the chain says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

from gridwitness.chain.attestation import StreamView
from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import DeployedContract, Manifest
from gridwitness.domain.batches import BatchStatus
from gridwitness.domain.devices import DeviceStatus
from gridwitness.domain.slots import day_of, slot_of, slots_of_day
from gridwitness.encoding.eip712 import registry_domain, signed_digest
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import is_signature_of
from gridwitness.encoding.leaves import signature_hash
from gridwitness.encoding.merkle import mountain_height, range_leaf, range_peak, tree_root
from gridwitness.encoding.packing import energy_bytes, pack_meta
from gridwitness.errors import ProofError, ReadingRejected
from gridwitness.service.proofs import ProofFile
from gridwitness.sources.documents import check_document


def check_offline(file: ProofFile) -> Iterator[str]:
    """Yield each step that holds, needing no node. Raises ProofError with the reason at the first that does not."""
    if file.kind == "reading":
        _check_device_signature(file)
        who = "the device" if file.device_key == file.fields[0] else f"the device's later key 0x{file.device_key.hex()}"
        what = "a document that says exactly this" if file.document_signed else "exactly this reading"
        yield f"{who} signed {what}"
        if file.gateway_signature:
            if not file.gateway:
                raise ProofError("gateway_signature is not one over what the device signed")
            yield f"gateway {file.gateway} co-signed it: the device does not sign by itself"
    else:
        _check_energies(file)
        yield f"the {len(file.energy_wh)} energies are those of the leaf"
    root = tree_root(file.leaf, file.proof.tree_proof)
    if root != file.root:
        raise ProofError(f"leaf and tree proof lead to root 0x{root.hex()}, the batch has 0x{file.root.hex()}")
    yield f"the leaf stands in the tree of batch {file.proof.seq} ({len(file.proof.tree_proof)} siblings)"


def check_reading_asked(file: ProofFile, device_id: bytes, time: int, metric: str) -> None:
    """That a proof is of the device's reading of `metric` at `time` (unix seconds).

    Who was asked may have answered with another that holds as well. Raises ProofError naming both.
    """
    _check_asked(file, _reading_subject(device_id, time, metric))


def check_profile_asked(file: ProofFile, device_id: bytes, time: int) -> None:
    """That a proof is of the device's profile of the UTC day that contains `time` (unix seconds); as above."""
    slots = slots_of_day(day_of(slot_of(time)))
    _check_asked(file, _profile_subject(device_id, slots.start, len(slots)))


def check_on_chain(file: ProofFile, chain: Chain) -> Iterator[str]:
    """Yield each step that holds on the chain, of contracts and streams as the chain's manifest has them.

    Raises ProofError at the first that does not, or ChainError.
    """
    for name, address in file.contracts.items():
        if chain.manifest.address(name) != address:
            raise ProofError(f"{name} is {address} in the proof, but {chain.manifest.address(name)} in the manifest")
    yield f"chain {chain.chain_id}, contracts in place"
    yield f"the stream is {_name_of_stream(file, chain.manifest)}"
    _check_registered(file, chain)
    yield "the device is in the registry" + (", with this key at that time" if file.kind == "reading" else "")
    stream = StreamView(chain, file.proof.stream_id)
    length = stream.state().seq
    _check_range(file, stream, length)
    yield f"batch {file.proof.seq} of {length} stands in the stream's mountain range"
    _check_standing(file, stream)
    verify = stream.verify_reading if file.kind == "reading" else stream.verify_profile
    if not verify(file.fields, file.proof):
        raise ProofError(
            f"DataAttestation at {file.contracts['DataAttestation']} does not find this {file.kind} attested"
        )
    yield f"DataAttestation confirms the {file.kind}"


def manifest_of(file: ProofFile, source: Path) -> Manifest:
    """The contracts and the stream a proof itself names, for want of a manifest; as trustworthy as its sender."""
    contracts = {name: DeployedContract(address, 0) for name, address in file.contracts.items()}
    return with_stream(Manifest(chain_id=file.chain_id, contracts=contracts, source=str(source)), file.proof.stream_id)


def with_stream(manifest: Manifest, stream_id: bytes) -> Manifest:
    """A manifest with this stream alone."""
    return replace(manifest, streams={"the one named": stream_id})


def _check_asked(file: ProofFile, asked: str) -> None:
    device_id, *rest = file.fields
    if file.kind == "reading":
        found = _reading_subject(device_id, rest[1], file.statement()["metric"])
    else:
        found = _profile_subject(device_id, rest[0], rest[1])
    if found != asked:
        raise ProofError(f"asked for was {asked}; the proof is of {found}")


def _reading_subject(device_id: object, time: object, metric: object) -> str:
    return f"the reading of {metric} at {time} of device {_hex(device_id)}"


def _profile_subject(device_id: object, first_slot: object, count: object) -> str:
    return f"the profile of {count} slots from {first_slot} on of device {_hex(device_id)}"


def _check_device_signature(file: ProofFile) -> None:
    signed, expected = file.signed_reading(), cast("bytes", file.fields[-1])
    given = signature_hash(signed)
    if given != expected:
        what = "device_signature and signed_document hash" if signed.document else "device_signature hashes"
        raise ProofError(f"{what} to 0x{given.hex()}, the leaf has 0x{expected.hex()}")
    domain = registry_domain(file.chain_id, file.contracts["DeviceRegistry"])
    if not is_signature_of(file.device_key, signed_digest(domain, signed), signed.signature):
        what = "document" if signed.document else "reading"
        raise ProofError(f"device_signature is not by key 0x{file.device_key.hex()} over this {what}")
    try:
        check_document(signed)
    except ReadingRejected as rejected:
        raise ProofError(f"signed_document does not bear the leaf out: {rejected.message}") from rejected


def _check_energies(file: ProofFile) -> None:
    _, _, count, energy_hash, _ = cast("tuple[bytes, int, int, bytes, int]", file.fields)
    if len(file.energy_wh) != count:
        raise ProofError(f"energy_wh has {len(file.energy_wh)} values, the leaf says {count}")
    found = keccak(energy_bytes(file.energy_wh))
    if found != energy_hash:
        raise ProofError(f"energy_wh hashes to 0x{found.hex()}, the leaf has 0x{energy_hash.hex()}")


def _name_of_stream(file: ProofFile, manifest: Manifest) -> str:
    """What the manifest calls the proof's stream. Raises ProofError if it is none of the manifest's.

    Anybody may open a stream, with a committee that attests whatever they like of anybody's device.
    """
    stream_id = file.proof.stream_id
    for name, trusted in manifest.streams.items():
        if trusted == stream_id:
            return f"{name}, {_hex(stream_id)}"
    known = " and ".join(f"{name}, {_hex(trusted)}" for name, trusted in manifest.streams.items())
    raise ProofError(
        f"stream {_hex(stream_id)} is of another committee: those known are {known or 'none'}",
        hint="anybody may open a stream; if you trust whoever opened this one, name it with --stream",
    )


def _check_registered(file: ProofFile, chain: Chain) -> None:
    device_id, functions = file.fields[0], chain.contract("DeviceRegistry").functions
    record = chain.call(functions.device(device_id))
    if record[1] == DeviceStatus.UNKNOWN:
        raise ProofError(f"device {file.statement()['device']} was never registered")
    if file.kind == "reading" and chain.call(functions.keyAt(device_id, file.fields[2])) != file.device_key:
        raise ProofError(
            f"key 0x{file.device_key.hex()} did not speak for device {file.statement()['device']} at that time"
        )


def _check_standing(file: ProofFile, stream: StreamView) -> None:
    standing = stream.standing(file.proof.seq)
    if standing.status is BatchStatus.SUPERSEDED:
        raise ProofError(f"batch {file.proof.seq} no longer counts: batch {standing.superseded_by} took its place")
    if standing.status is BatchStatus.CONVICTED:
        raise ProofError(f"batch {file.proof.seq} no longer counts: it held a reading that its device never signed")
    if standing.status is BatchStatus.COMPROMISED:
        raise ProofError(f"batch {file.proof.seq} does not count: its committee was found compromised")


def _check_range(file: ProofFile, stream: StreamView, length: int) -> None:
    seq, path = file.proof.seq, file.proof.range_proof
    if not 1 <= seq <= length:
        raise ProofError(f"batch {seq} does not exist: the stream has {length}")
    if not seq <= file.range_length or len(path) != mountain_height(seq - 1, file.range_length):
        raise ProofError(f"range_proof has {len(path)} siblings, which fits no batch {seq} of {file.range_length}")
    height = mountain_height(seq - 1, length)
    if len(path) != height:
        raise ProofError(
            f"the range proof is old: the stream grew from {file.range_length} to {length} batches since",
            hint="make a fresh one: gridwitness prove, with the same device and time",
        )
    leaf = range_leaf(seq, file.root, pack_meta(file.proof.meta))
    if range_peak(leaf, seq - 1, path) != stream.peak(height):
        raise ProofError(f"batch {seq} with this root and summary was never attested in this stream")


def _hex(value: object) -> str:
    return "0x" + cast("bytes", value).hex()

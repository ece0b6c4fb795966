"""Proofs that are not, or not any more, what they say."""

from __future__ import annotations

import copy
from typing import Any

Proof = dict[str, Any]


def with_value(proof: Proof, value: int) -> Proof:
    """Another value in leaf and statement alike."""
    changed = copy.deepcopy(proof)
    changed["leaf"]["fields"][4] = str(value)
    changed["statement"]["value"] = value
    return changed


def with_said_value(proof: Proof, value: int) -> Proof:
    """Another value in the words alone."""
    changed = copy.deepcopy(proof)
    changed["statement"]["value"] = value
    return changed


def with_sibling(proof: Proof) -> Proof:
    """Another first sibling in the tree."""
    changed = copy.deepcopy(proof)
    changed["tree_proof"][0] = "0x" + "11" * 32
    return changed


def with_range_sibling(proof: Proof) -> Proof:
    """Another sibling on the way into the stream."""
    changed = copy.deepcopy(proof)
    changed["range_proof"]["path"][0] = "0x" + "11" * 32
    return changed


def with_signature(proof: Proof) -> Proof:
    """A last byte of the device's signature that is another."""
    changed = copy.deepcopy(proof)
    signature = changed["device_signature"]
    changed["device_signature"] = signature[:-2] + ("00" if signature[-2:] != "00" else "01")
    return changed


def of_chain(proof: Proof, chain_id: int) -> Proof:
    """As if made for another chain."""
    return {**copy.deepcopy(proof), "chain_id": chain_id}


def when_batch_was_newest(proof: Proof) -> Proof:
    """As it was when the stream ended with its batch: the siblings that stood then."""
    seq = proof["batch"]["seq"]
    height = ((seq - 1) ^ seq).bit_length() - 1
    changed = copy.deepcopy(proof)
    changed["range_proof"] = {"length": seq, "path": proof["range_proof"]["path"][:height]}
    return changed

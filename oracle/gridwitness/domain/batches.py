"""Batches of leaves under one Merkle root, and proofs of single leaves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class BatchStatus(IntEnum):
    """Whether a batch counts. The numbers are those of IDataAttestation."""

    UNKNOWN = 0
    STANDING = 1
    SUPERSEDED = 2
    CONVICTED = 3
    COMPROMISED = 4


@dataclass(frozen=True, slots=True)
class BatchMeta:
    """Summary of a batch; packed into one word on chain (contracts/types/BatchMeta.sol).

    Times are unix seconds: start of the first and end of the last reading covered. `model_hash` is 12 bytes.
    """

    count: int
    flagged_count: int
    max_score_bps: int
    time_from: int
    time_to: int
    model_hash: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as the committee signs it: `stream_id` and `root` are 32 bytes, `seq` counts from 1 per stream.

    `previous` is the stream's head, the first 20 bytes of the digest of the batch before; `supersedes` the number of a
    batch this one takes the place of, or 0. It may be attested from `valid_from` to `valid_until` (unix seconds, both
    included).
    """

    stream_id: bytes
    seq: int
    root: bytes
    previous: bytes
    meta: BatchMeta
    supersedes: int
    valid_from: int
    valid_until: int
    config: int


@dataclass(frozen=True, slots=True)
class AttestedBatch:
    """A batch as it stands on chain; `transaction` and `digest` are 32 bytes.

    Its event leaves out the validity window, which only the digest covers. Bit i of `signer_mask` set: member i signed.
    """

    stream_id: bytes
    seq: int
    root: bytes
    meta: BatchMeta
    supersedes: int
    config: int
    digest: bytes
    signer_mask: int
    transaction: bytes
    block_number: int


@dataclass(frozen=True, slots=True)
class Proof:
    """Where a leaf stands: batch, path in its tree, path of the batch in the stream's mountain range."""

    stream_id: bytes
    seq: int
    meta: BatchMeta
    tree_proof: tuple[bytes, ...]
    range_proof: tuple[bytes, ...]

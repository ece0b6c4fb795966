"""A stream of one oracle that attests on a chain which may forget what was attested."""

from __future__ import annotations

import random
from pathlib import Path

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.attestation import batch_tuple
from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from gridwitness.domain.batches import Batch, BatchMeta
from gridwitness.encoding.eip712 import attestation_domain, batch_digest
from gridwitness.encoding.leaves import READING_TYPES, schema_of
from tests.actors import MODEL_HASH, Committee

STANDING = 1
NAME = b"examples".ljust(32, b"\0")


class Attester:
    """Attests random roots; asks the chain each time where its stream is."""

    def __init__(self, anvil: Anvil, manifest: Path, seed: int) -> None:
        """Opens the stream."""
        self.anvil = anvil
        chain = Chain(anvil.url, Manifest.load(manifest))
        self._attestation = chain.contract("DataAttestation")
        self._web3 = self._attestation.w3
        self._account = self._web3.eth.accounts[6]
        self._committee = Committee([0x0E1], threshold=1)
        self._domain = attestation_domain(chain.chain_id, self._attestation.address)
        self._random = random.Random(seed)
        opening = self._attestation.functions.openStream(NAME, schema_of(READING_TYPES), self._committee.args)
        self.stream_id = opening.call({"from": self._account})
        self._send(opening)

    def attest(self) -> None:
        """The next batch; sometimes one that supersedes another."""
        _, seq, _, config, _, _, head = self._attestation.functions.stream(self.stream_id).call()
        now = self._web3.eth.get_block("latest")["timestamp"]
        count = self._random.randint(1, 900)
        meta = BatchMeta(count, self._random.randint(0, count), 0, now - 900, now, MODEL_HASH)
        supersedes = self._random.choice([0, 0, self._random.randint(1, seq)]) if seq else 0
        if supersedes and self._attestation.functions.batchStatus(self.stream_id, supersedes).call()[0] != STANDING:
            supersedes = 0
        root = self._random.randbytes(32)
        batch = Batch(self.stream_id, seq + 1, root, head, meta, supersedes, now - 1, now + 10**6, config)
        quorum = self._committee.sign(batch_digest(self._domain, batch), (0,))
        self._send(self._attestation.functions.attest(batch_tuple(batch), quorum))

    def _send(self, function: object) -> None:
        sent = function.transact({"from": self._account, "gas": 500_000})  # type: ignore[attr-defined]
        assert self._web3.eth.wait_for_transaction_receipt(sent)["status"] == 1

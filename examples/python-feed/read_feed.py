"""Read a feed, then prove a reading on the chain and without it: python read_feed.py FEED PROOF"""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from gridwitness_contracts import abi, deployment, is_compatible
from proofs import ReadingProof
from web3 import HTTPProvider, Web3

STATUS = ["unknown", "standing", "superseded", "convicted", "compromised"]  # IDataAttestation.BatchStatus

feed_name, proof_file = sys.argv[1:]
web3 = Web3(HTTPProvider(os.environ["RPC_URL"]))
known = deployment(web3.eth.chain_id)
attestation = web3.eth.contract(known.address("DataAttestation"), abi=abi("DataAttestation")).functions
if not is_compatible("DataAttestation", on_chain := attestation.version().call()):
    sys.exit(f"this chain has DataAttestation {on_chain}: install another gridwitness-contracts")

feed = web3.eth.contract(known.feed(feed_name), abi=abi("FeedAdapter")).functions
round_id, answer, _, updated_at, _ = feed.latestRoundData().call()
seq = feed.batchOf(round_id).call()
status, _ = attestation.batchStatus(feed.streamId().call(), seq).call()
print(f"{feed.description().call()}: {answer / 10 ** feed.decimals().call()}, measured until", end=" ")
print(f"{datetime.fromtimestamp(updated_at, UTC):%Y-%m-%d %H:%M} UTC, round {round_id}, batch {seq} {STATUS[status]}")

proof = ReadingProof.of(json.loads(Path(proof_file).read_text()))
if proof.chain_id != web3.eth.chain_id or proof.place[0] != bytes.fromhex(known.stream("readings")[2:]):
    sys.exit("the proof is of another chain or stream than the one this script trusts")
if proof.tree_root() != proof.root:
    sys.exit("✗ the reading is not in the batch")
print(f"✓ by itself: the reading is in the batch, {len(proof.place[3])} siblings")
if proof.range_peak() != attestation.peak(proof.place[0], len(proof.place[4])).call():
    sys.exit("✗ the batch is not in the stream, or the proof is old: ask for a new one")
print(f"✓ with one word of the chain: the batch is in the stream, {len(proof.place[4])} siblings")
if not attestation.verifyReading(proof.reading, proof.place).call():
    sys.exit("✗ the batch no longer counts")
device, _, time, metric, value, score_bps, _ = proof.reading
print(f"✓ by the contract: 0x{device.hex()} measured {metric.rstrip(bytes(1)).decode()} = {value}", end=" ")
print(f"at {datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC, score {score_bps / 100} %")

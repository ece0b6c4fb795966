"""Others' contracts and ours at the same work, on one chain, in one run: EAS here, tokens in bench_shares.

`python -m tests.anchors.bench` prints the tables; `--write` puts them into README.md between their markers.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Any

import ape
from ape.logging import logger as ape_logger
from eth_abi import encode

from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, Score, ScoredReading, SignedReading
from gridwitness.encoding.eip712 import attestation_domain
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import READING_TYPES, reading_fields, reading_leaf, schema_of
from gridwitness.encoding.merkle import StandardMerkleTree
from tests.actors import Committee, Feed, proof_args
from tests.anchors import bench_shares
from tests.anchors.eas import deploy_eas, register_schema, request_data
from tests.anchors.tables import figure, write_table

MARK = "bench-anchors"
SHORT_TYPES = ("bytes32", "uint64", "int256")
SHORT_SCHEMA = "bytes32 deviceId,uint64 time,int256 value"
WHOLE_SCHEMA = (
    "bytes32 deviceId,uint64 counter,uint64 time,bytes32 metric,int256 value,uint16 scoreBps,bytes32 signatureHash"
)
WARM_BATCHES = 256  # a mountain of height 8: no batch after them writes a new slot before the 512th
CYCLE = 32  # batches whose mean is taken
MULTI = 50  # EAS items in one transaction; 100 would take more gas than one may use (EIP-7825: 16,777,216)
TREE_SIZE = 1024
LEGEND = f"""
Whole transactions in steady state; here the mean of {CYCLE} batches after {WARM_BATCHES}. EAS has one signer and items
without recipient, a batch here three of five oracles. On EAS several readings go {MULTI} to a transaction, as 100 would
not fit one. Here a batch costs the same for any number of readings; whoever needs one brings its proof, and pays as
the last two rows say.
"""


@dataclass(frozen=True)
class Row:
    """Gas of one piece of work on EAS and here."""

    work: str
    eas: float
    ours: float


def any_reading() -> ScoredReading:
    """A scored reading with values of usual size."""
    reading = Reading(keccak(b"a meter"), 1_234, 1_700_000_000, NET_ENERGY_METRIC, -250)
    return ScoredReading(SignedReading(reading, bytes(65)), Score(1_234, "level", "as usual"))


def check_gas(contract: Any, method: str, *arguments: Any) -> tuple[int, int]:
    """Gas of a view's own steps, and with the price of its calldata (4 a zero byte, 16 another) on top."""
    calldata = bytes(getattr(contract, method).encode_input(*arguments))
    call = {"to": contract.address, "data": "0x" + calldata.hex()}
    steps = contract.provider.make_request("debug_traceCall", [call, "latest", {}])["structLogs"]
    execution = int(steps[0]["gas"] - steps[-1]["gas"] + steps[-1]["gasCost"])
    return execution, execution + sum(16 if byte else 4 for byte in calldata)


def measure_eas(account: Any, reading: ScoredReading) -> dict[str, float]:
    """Gas on EAS."""
    schemas, eas = deploy_eas(account)
    short = register_schema(schemas, SHORT_SCHEMA, account)
    whole = register_schema(schemas, WHOLE_SCHEMA, account)
    device, counter, time, metric, value, *judged = reading_fields(reading)
    # Items are all different: EAS searches for a free UID, which costs more for what it has seen in the same second.
    for start in (0, 1_000):  # the second round is kept
        times = range(time + start, time + start + MULTI + 1)
        items = [request_data(encode(SHORT_TYPES, (device, at, value))) for at in times]
        leaf = (device, counter + start, time, metric, value, *judged)
        one = eas.attest((short, items[0]), sender=account)
        one_whole = eas.attest((whole, request_data(encode(READING_TYPES, leaf))), sender=account)
        several = eas.multiAttest([(short, items[1:])], sender=account)
        root = eas.timestamp(keccak(several.txn_hash.encode()), sender=account)
    execution, added = check_gas(eas, "getAttestation", one_whole.return_value)
    return {
        "one": one.gas_used,
        "whole": one_whole.gas_used,
        "each": several.gas_used / MULTI,
        "root": root.gas_used,
        "execution": execution,
        "added": added,
    }


def open_readings(project: Any, account: Any) -> Feed:
    """A stream of readings by three of five oracles, on contracts of its own."""
    registry = account.deploy(project.DeviceRegistry, account)
    attestation = account.deploy(project.DataAttestation, registry)
    committee = Committee([0x0A1, 0x0A2, 0x0A3, 0x0A4, 0x0A5], threshold=3)
    name = b"readings".ljust(32, b"\0")
    receipt = attestation.openStream(name, schema_of(READING_TYPES), committee.args, sender=account)
    domain = attestation_domain(ape.chain.chain_id, attestation.address)
    return Feed(attestation, domain, receipt.return_value, committee, account)


def attest_tree(feed: Feed, tree: StandardMerkleTree, count: int) -> int:
    """Attest the next batch over a tree made before; returns the gas."""
    draft = feed.draft(tree.root)
    batch = replace(draft, meta=replace(draft.meta, count=count))
    receipt = feed.attestation.attest(*feed.call(batch), sender=feed.transmitter)
    feed.batches.append(batch)
    return int(receipt.gas_used)


def measure_ours(project: Any, account: Any, reading: ScoredReading) -> dict[str, float]:
    """Gas of DataAttestation: a batch of n leaves under the key n, and the checks."""
    feed = open_readings(project, account)
    leaves = [reading_leaf(reading), *(keccak(index.to_bytes(4, "big")) for index in range(1, 100_000))]
    feed.attest(leaves[:TREE_SIZE])
    for index in range(1, WARM_BATCHES):
        feed.attest([leaves[index]])
    proof = feed.proof(1)
    assert (len(proof.tree_proof), len(proof.range_proof)) == (10, 8)
    checked = (reading_fields(reading), proof_args(proof))
    assert feed.attestation.verifyReading(*checked)
    execution, added = check_gas(feed.attestation, "verifyReading", *checked)
    gas: dict[str, float] = {"execution": execution, "added": added}
    for size in (1, 100, 1_000, 100_000):
        tree = StandardMerkleTree(leaves[:size])
        gas[str(size)] = sum(attest_tree(feed, tree, size) for _ in range(CYCLE)) / CYCLE
    return gas


def measure(project: Any, account: Any) -> list[Row]:
    """All rows of the table."""
    reading = any_reading()
    eas, ours = measure_eas(account, reading), measure_ours(project, account, reading)
    sizes = [(f"{size:,}", ours[str(size)] / size) for size in (100, 1_000, 100_000)]
    return [
        Row("attest one reading; on EAS 96 bytes of it", eas["one"], ours["1"]),
        Row("attest one reading, whole", eas["whole"], ours["1"]),
        *(Row(f"attest {size} readings, each; on EAS 96 bytes of it", eas["each"], each) for size, each in sizes),
        Row("put a root on the chain; on EAS `timestamp`, signed by nobody", eas["root"], ours["100"]),
        Row(
            "read one reading, execution only; here proven, tree 10 and range 8 deep",
            eas["execution"],
            ours["execution"],
        ),
        Row("the same, with the calldata it needs", eas["added"], ours["added"]),
    ]


def table(rows: list[Row]) -> str:
    """Rows as Markdown, with the legend."""
    lines = ["| work | EAS 1.9.0, gas | here, gas |", "|---|---|---|"]
    lines += [f"| {row.work} | {figure(row.eas)} | {figure(row.ours)} |" for row in rows]
    return "\n".join(lines) + "\n" + LEGEND


def main() -> None:
    """Measure, print and perhaps write."""
    ape_logger.set_level("WARNING")
    with ape.networks.parse_network_choice("ethereum:local:foundry"):
        accounts = ape.accounts.test_accounts
        tables = {
            MARK: table(measure(ape.project, accounts[0])),
            bench_shares.MARK: bench_shares.share_table(bench_shares.measure_shares(ape.project, accounts)),
        }
    for mark, text in tables.items():
        print(text)
        if "--write" in sys.argv:
            write_table(mark, text)


if __name__ == "__main__":
    main()

/** Read a feed, then prove a reading on the chain and without it: node dist/read-feed.js FEED PROOF */

import { readFileSync } from "node:fs";
import { dataAttestationAbi, deploymentOn, feedAdapterAbi, isCompatible } from "@gridwitness/contracts";
import { createPublicClient, formatUnits, hexToString, http } from "viem";
import { type ProofDocument, isInBatch, rangePeak, verifyReadingArguments } from "./proof.js";

const STATUS = ["unknown", "standing", "superseded", "convicted", "compromised"]; // IDataAttestation.BatchStatus

const [feedName, proofFile] = process.argv.slice(2);
if (feedName === undefined || proofFile === undefined) throw new Error("usage: node dist/read-feed.js FEED PROOF");
const client = createPublicClient({ transport: http(process.env.RPC_URL) });
const chainId = await client.getChainId();
const { contracts, feeds, streams } = deploymentOn(chainId);
if (!contracts.DataAttestation || !feeds[feedName]) throw new Error(`chain ${chainId} has no feed ${feedName}`);
const attestation = { address: contracts.DataAttestation.address, abi: dataAttestationAbi };
const feed = { address: feeds[feedName].address, abi: feedAdapterAbi };

const onChain = await client.readContract({ ...attestation, functionName: "version" });
if (!isCompatible("DataAttestation", onChain)) throw new Error(`this chain has DataAttestation ${onChain}`);

const description = await client.readContract({ ...feed, functionName: "description" });
const decimals = await client.readContract({ ...feed, functionName: "decimals" });
const streamId = await client.readContract({ ...feed, functionName: "streamId" });
const [roundId, answer, , updatedAt] = await client.readContract({ ...feed, functionName: "latestRoundData" });
const seq = await client.readContract({ ...feed, functionName: "batchOf", args: [roundId] });
const [status] = await client.readContract({ ...attestation, functionName: "batchStatus", args: [streamId, seq] });
console.log(
  `${description}: ${formatUnits(answer, decimals)}, measured until ${utc(updatedAt)},`,
  `round ${roundId}, batch ${seq} ${STATUS[status]}`,
);

const proof: ProofDocument = JSON.parse(readFileSync(proofFile, "utf8"));
const [reading, place] = verifyReadingArguments(proof);
if (proof.chain_id !== chainId || place.streamId !== streams.readings) {
  throw new Error("the proof is of another chain or stream than the one this script trusts");
}
if (!isInBatch(proof)) throw new Error("✗ the reading is not in the batch");
console.log(`✓ by itself: the reading is in the batch, ${place.treeProof.length} siblings`);
const height = BigInt(place.rangeProof.length);
const peak = await client.readContract({ ...attestation, functionName: "peak", args: [place.streamId, height] });
if (rangePeak(proof) !== peak) throw new Error("✗ the batch is not in the stream, or the proof is old: ask for a new one");
console.log(`✓ with one word of the chain: the batch is in the stream, ${height} siblings`);
if (!(await client.readContract({ ...attestation, functionName: "verifyReading", args: [reading, place] }))) {
  throw new Error("✗ the batch no longer counts");
}
const metric = hexToString(reading.metric, { size: 32 });
console.log(
  `✓ by the contract: ${reading.deviceId} measured ${metric} = ${reading.value} at ${utc(reading.time)},`,
  `score ${reading.scoreBps / 100} %`,
);

function utc(seconds: bigint): string {
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

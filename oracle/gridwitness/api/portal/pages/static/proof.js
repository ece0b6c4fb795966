// Checks a proof file step by step, as `gridwitness verify` does and with the same words: what its own hashes show,
// then what the chain says. Keccak-256 is noble's; nothing is asked of the server this page came from, which only tells
// with the page what contracts and streams are its own.
import { keccak_256 } from "./vendor/noble-hashes/sha3.js";
import { sha256 } from "./vendor/noble-hashes/sha2.js";
import { Chain } from "./chain.js";
import { ProofError, bytesOf, hexOf, sameBytes } from "./proof-file.js";

const encoder = new TextEncoder();
const keccak = (data) => keccak_256(data);

function concat(...parts) {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function word(value) {
  return bytesOf("0x" + BigInt.asUintN(256, BigInt(value)).toString(16).padStart(64, "0"));
}

const fieldWord = (field) => (typeof field === "bigint" ? word(field) : field);

// --- trees: OpenZeppelin's StandardMerkleTree, and the mountain range over batch roots ---

function leafHash(fields) {
  return keccak(keccak(concat(...fields.map(fieldWord))));
}

function isLess(a, b) {
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return a[index] < b[index];
  return false;
}

function treeRoot(leaf, path) {
  return path.reduce((node, sibling) => keccak(isLess(node, sibling) ? concat(node, sibling) : concat(sibling, node)), leaf);
}

function clearLowestBit(node) {
  const cleared = Uint8Array.from(node);
  cleared[31] &= 0xfe; // the contract keeps a mark in that bit of a stored peak
  return cleared;
}

function rangePeak(leaf, index, path) {
  return path.reduce(
    (node, sibling, level) =>
      clearLowestBit(keccak(Math.floor(index / 2 ** level) % 2 ? concat(sibling, node) : concat(node, sibling))),
    clearLowestBit(leaf),
  );
}

// Height of the mountain that leaf `index` stands in; -1 where there is none. Batch numbers have 32 bits.
function mountainHeight(index, length) {
  return 31 - Math.clz32((index ^ length) >>> 0);
}

// --- what a device signed ---

function readingDigest(file) {
  if (file.signedDocument.length) return sha256(file.signedDocument);
  const text = (value) => keccak(encoder.encode(value));
  const domain = keccak(
    concat(
      text("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
      text("Gridwitness DeviceRegistry"),
      text("1"),
      word(file.chainId),
      word(file.contracts.DeviceRegistry),
    ),
  );
  const fields = file.fields.slice(0, 5).map(fieldWord);
  const type = text("Reading(bytes32 deviceId,uint64 counter,uint64 time,bytes32 metric,int256 value)");
  return keccak(concat(Uint8Array.of(0x19, 0x01), domain, keccak(concat(type, ...fields))));
}

function signatureHash(file) {
  const plain = keccak(file.deviceSignature);
  return file.signedDocument.length ? keccak(concat(plain, sha256(file.signedDocument))) : plain;
}

function energyBytes(energies) {
  const view = new DataView(new ArrayBuffer(4 * energies.length));
  energies.forEach((energy, index) => view.setInt32(4 * index, energy));
  return new Uint8Array(view.buffer);
}

function* ownHashes(file) {
  if (file.kind === "reading") {
    const given = signatureHash(file);
    const expected = file.fields.at(-1);
    if (!sameBytes(given, expected)) {
      const what = file.signedDocument.length ? "device_signature and signed_document hash" : "device_signature hashes";
      throw new ProofError(`${what} to ${hexOf(given)}, the leaf has ${hexOf(expected)}`);
    }
    yield "the device’s signature is the one the leaf was made with";
  } else {
    const [, , count, expected] = file.fields;
    if (BigInt(file.energies.length) !== count) {
      throw new ProofError(`energy_wh has ${file.energies.length} values, the leaf says ${count}`);
    }
    const found = keccak(energyBytes(file.energies));
    if (!sameBytes(found, expected)) {
      throw new ProofError(`energy_wh hashes to ${hexOf(found)}, the leaf has ${hexOf(expected)}`);
    }
    yield `the ${file.energies.length} energies are those of the leaf`;
  }
  const root = treeRoot(leafHash(file.fields), file.treeProof);
  if (!sameBytes(root, file.root)) {
    throw new ProofError(`leaf and tree proof lead to root ${hexOf(root)}, the batch has ${hexOf(file.root)}`);
  }
  yield `the leaf stands in the tree of batch ${file.seq} (${file.treeProof.length} siblings)`;
}

// --- what the chain says ---

async function* deviceSpeaks(file, chain) {
  const device = file.fields[0];
  if (!(await chain.isRegistered(device))) {
    throw new ProofError(`device ${hexOf(device)} was never registered`, { headline: "Nobody knows this device." });
  }
  if (file.kind === "profile") {
    yield "the device is in the registry";
    return;
  }
  const time = file.fields[2];
  if (!sameBytes(await chain.keyAt(device, time), file.deviceKey)) {
    throw new ProofError(`key ${hexOf(file.deviceKey)} did not speak for device ${hexOf(device)} at that time`);
  }
  yield "the device is in the registry, with this key at that time";
  const digest = readingDigest(file);
  const what = file.signedDocument.length ? "document" : "reading";
  if (!(await chain.isDeviceSignature(device, digest, file.deviceSignature, time))) {
    throw new ProofError(`device_signature is not by key ${hexOf(file.deviceKey)} over this ${what}`);
  }
  const who = sameBytes(file.deviceKey, device) ? "the device" : `the device’s later key ${hexOf(file.deviceKey)}`;
  yield `${who} signed exactly this ${what}`;
  if (file.gatewaySignature.length) yield* gatewaySpeaks(file, chain, digest);
}

async function* gatewaySpeaks(file, chain, digest) {
  const gateway = await chain.signerOf(digest, file.gatewaySignature);
  if (!gateway) throw new ProofError("gateway_signature is not one over what the device signed");
  if (file.gateway && file.gateway.toLowerCase() !== gateway) {
    throw new ProofError(`gateway is ${file.gateway}, gateway_signature is by ${gateway}`);
  }
  yield `gateway ${gateway} co-signed it: the device does not sign by itself`;
}

async function checkRange(file, chain, length) {
  const { seq, rangeProof: path, rangeLength } = file;
  if (!(seq >= 1 && seq <= length)) throw new ProofError(`batch ${seq} does not exist: the stream has ${length}`);
  if (!(seq <= rangeLength) || path.length !== mountainHeight(seq - 1, rangeLength)) {
    throw new ProofError(`range_proof has ${path.length} siblings, which fits no batch ${seq} of ${rangeLength}`);
  }
  const height = mountainHeight(seq - 1, length);
  if (path.length !== height) {
    throw new ProofError(
      `the range proof is old: the stream grew from ${rangeLength} to ${length} batches since`,
      {
        headline: "This proof is old.",
        hint: "Nothing speaks against the reading itself: get a fresh proof of it and check that.",
      },
    );
  }
  const leaf = keccak(concat(word(seq), file.root, file.meta));
  if (!sameBytes(rangePeak(leaf, seq - 1, path), await chain.peak(file.stream, height))) {
    throw new ProofError(`batch ${seq} with this root and summary was never attested in this stream`);
  }
}

async function checkStanding(file, chain) {
  const { status, supersededBy } = await chain.batchStatus(file.stream, file.seq);
  const problems = {
    2: `no longer counts: batch ${supersededBy} took its place`,
    3: "no longer counts: it held a reading that its device never signed",
    4: "does not count: its committee was found compromised",
  };
  if (problems[status]) throw new ProofError(`batch ${file.seq} ${problems[status]}`);
}

// Anybody may open a stream, with a committee that attests whatever they like of anybody's device.
function checkStream(file, known) {
  const stream = hexOf(file.stream);
  if (known && !Object.hasOwn(known.streams, stream)) {
    const own = Object.entries(known.streams).map(([id, name]) => `${name}, ${id}`);
    throw new ProofError(`stream ${stream} is of another committee: those known are ${own.join(" and ")}`, {
      headline: "Another committee attested this, not this site’s.",
      hint: "Anybody may open a stream and attest what they like in it. Verify at the site whose stream it is, if you trust that.",
    });
  }
  return known ? `${known.streams[stream]}, ${stream}` : stream;
}

async function* chainSays(file, chain, known) {
  const found = await chain.chainId();
  if (found !== file.chainId) {
    throw new ProofError(
      `the node is of chain ${found}, the proof is of chain ${file.chainId}`,
      {
        headline: "This proof is for another chain.",
        hint: "If you trust that chain, name one of its nodes above. If you meant this one, the proof proves nothing here.",
      },
    );
  }
  for (const [name, address] of Object.entries(file.contracts)) {
    if (known && known.contracts[name]?.toLowerCase() !== address.toLowerCase()) {
      throw new ProofError(`${name} is ${address} in the proof, but ${known.contracts[name]} at this site`);
    }
    if (!(await chain.hasCode(address))) throw new ProofError(`there is no contract at ${address} (${name}) on chain ${found}`);
  }
  yield `chain ${found}, contracts in place`;
  yield `the stream is ${checkStream(file, known)}`;
  yield* deviceSpeaks(file, chain);
  const length = await chain.streamLength(file.stream);
  if (length === null) throw new ProofError(`stream ${hexOf(file.stream)} is not open`);
  await checkRange(file, chain, length);
  yield `batch ${file.seq} of ${length} stands in the stream’s mountain range`;
  await checkStanding(file, chain);
  if (!(await chain.confirms(file))) {
    throw new ProofError(`DataAttestation at ${file.contracts.DataAttestation} does not find this ${file.kind} attested`);
  }
  yield `DataAttestation confirms the ${file.kind}`;
}

// Yields each step that holds; throws ProofError at the first that does not, ChainError if the node does not answer.
// `known` are the contracts (name to address) and streams (id to name) to hold the proof's against; null for a chain of
// which none are known.
export async function* check(file, rpcUrl, known) {
  yield* ownHashes(file);
  yield* chainSays(file, new Chain(rpcUrl, file.contracts), known);
}

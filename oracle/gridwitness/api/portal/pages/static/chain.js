// Reads of a node by eth_call: what a proof is held against.
import { keccak_256 } from "./vendor/noble-hashes/sha3.js";
import { bytesOf, hexOf } from "./proof-file.js";

const TIMEOUT_MS = 15_000;
const ECRECOVER = "0x0000000000000000000000000000000000000001";
const encoder = new TextEncoder();

export class ChainError extends Error {}

const plain = (bytes) => hexOf(bytes).slice(2);
const uint = (value) => BigInt.asUintN(256, BigInt(value)).toString(16).padStart(64, "0");
const selector = (signature) => plain(keccak_256(encoder.encode(signature))).slice(0, 8);
const words = (items) => uint(items.length) + items.map(plain).join("");
const PROOF = "(bytes32,uint32,uint256,bytes32[],bytes32[])";

function dynamicBytes(bytes) {
  const padding = (32 - (bytes.length % 32)) % 32;
  return uint(bytes.length) + plain(bytes) + "00".repeat(padding);
}

export class Chain {
  constructor(url, contracts) {
    this.url = url;
    this.contracts = contracts;
    this.id = 0;
  }

  async request(method, params) {
    let answer;
    try {
      const response = await fetch(this.url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ jsonrpc: "2.0", id: ++this.id, method, params }),
        credentials: "omit",
        referrerPolicy: "no-referrer",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      answer = await response.json();
    } catch (error) {
      const why = error.name === "TimeoutError" ? `no answer in ${TIMEOUT_MS / 1000} s` : "no answer that a browser may read";
      throw new ChainError(`the node at ${this.url} cannot be asked: ${why}`);
    }
    if (typeof answer?.result === "string") return answer.result;
    const message = String(answer?.error?.message ?? "an answer that is none").slice(0, 200);
    throw new ChainError(`the node at ${this.url} refuses ${method}: ${message}`);
  }

  async call(to, data) {
    const answer = await this.request("eth_call", [{ to, data: "0x" + data }, "latest"]);
    return bytesOf(answer);
  }

  registry(data) {
    return this.call(this.contracts.DeviceRegistry, data);
  }

  attestation(data) {
    return this.call(this.contracts.DataAttestation, data);
  }

  async chainId() {
    return Number(BigInt(await this.request("eth_chainId", [])));
  }

  async hasCode(address) {
    return (await this.request("eth_getCode", [address, "latest"])) !== "0x";
  }

  async isRegistered(device) {
    const record = await this.registry(selector("device(bytes32)") + plain(device));
    return wordAt(record, 1) !== 0n; // status
  }

  async keyAt(device, time) {
    return (await this.registry(selector("keyAt(bytes32,uint40)") + plain(device) + uint(time))).slice(0, 32);
  }

  async isDeviceSignature(device, digest, signature, time) {
    const head = plain(device) + plain(digest) + uint(128) + uint(time);
    const answer = await this.registry(
      selector("isDeviceSignature(bytes32,bytes32,bytes,uint40)") + head + dynamicBytes(signature),
    );
    return wordAt(answer, 0) === 1n;
  }

  // Address that made an r || s || v signature, by the chain's own recovery; null if none can have.
  async signerOf(digest, signature) {
    if (signature.length !== 65) return null;
    const [r, s, v] = [signature.slice(0, 32), signature.slice(32, 64), signature[64]];
    const answer = await this.call(ECRECOVER, plain(digest) + uint(v) + plain(r) + plain(s));
    return answer.length === 32 ? hexOf(answer.slice(12)) : null;
  }

  // Number of batches; null if the stream was never opened.
  async streamLength(stream) {
    const state = await this.attestation(selector("stream(bytes32)") + plain(stream));
    return wordAt(state, 0) === 0n ? null : Number(wordAt(state, 1));
  }

  async peak(stream, height) {
    return (await this.attestation(selector("peak(bytes32,uint256)") + plain(stream) + uint(height))).slice(0, 32);
  }

  async batchStatus(stream, seq) {
    const answer = await this.attestation(selector("batchStatus(bytes32,uint32)") + plain(stream) + uint(seq));
    return { status: Number(wordAt(answer, 0)), supersededBy: Number(wordAt(answer, 1)) };
  }

  // Whether the contract itself finds the leaf attested.
  async confirms(file) {
    const view = file.kind === "reading" ? "verifyReading" : "verifyProfile";
    const leaf = file.fields.map((field) => (typeof field === "bigint" ? uint(field) : plain(field)));
    const offset = uint(32 * (leaf.length + 1));
    const paths = [words(file.treeProof), words(file.rangeProof)];
    const heads = [uint(32 * 5), uint(32 * 5 + paths[0].length / 2)];
    const proof = plain(file.stream) + uint(file.seq) + plain(file.meta) + heads.join("") + paths.join("");
    const data = selector(`${view}((${file.types.join()}),${PROOF})`) + leaf.join("") + offset + proof;
    return wordAt(await this.attestation(data), 0) === 1n;
  }
}

function wordAt(bytes, index) {
  const part = bytes.slice(32 * index, 32 * index + 32);
  if (part.length !== 32) throw new ChainError("the contract’s answer is too short: is this the contract the proof names?");
  return BigInt(hexOf(part));
}

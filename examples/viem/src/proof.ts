/** A proof file, as an oracle gives it, checked by its own hashes. Needs no node, and no trust in the oracle. */

import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { type Hex, encodeAbiParameters, keccak256, concat, numberToHex, hexToBigInt } from "viem";

const READING_TYPES = ["bytes32", "uint64", "uint64", "bytes32", "int256", "uint16", "bytes32"];

/** The document of format `gridwitness-proof/2`. */
export interface ProofDocument {
  format: string;
  chain_id: number;
  batch: { stream: Hex; seq: number; root: Hex; meta: Hex };
  leaf: { types: string[]; fields: string[] };
  tree_proof: Hex[];
  range_proof: { length: number; path: Hex[] };
}

/** Reading and place as `verifyReading` takes them. Throws for a document of another kind. */
export function verifyReadingArguments({ format, leaf, batch, tree_proof, range_proof }: ProofDocument) {
  if (format !== "gridwitness-proof/2" || leaf.types.join() !== READING_TYPES.join()) {
    throw new Error(`${format} of ${leaf.types.join()} is no proof of a reading`);
  }
  const [deviceId, counter, time, metric, value, scoreBps, signatureHash] = leaf.fields as [
    Hex, string, string, Hex, string, string, Hex,
  ];
  return [
    {
      deviceId,
      counter: BigInt(counter),
      time: BigInt(time),
      metric,
      value: BigInt(value),
      scoreBps: Number(scoreBps),
      signatureHash,
    },
    {
      streamId: batch.stream,
      seq: batch.seq,
      meta: hexToBigInt(batch.meta),
      treeProof: tree_proof,
      rangeProof: range_proof.path,
    },
  ] as const;
}

/** Whether the reading is in the batch: the tree is OpenZeppelin's, and so is the check. */
export function isInBatch({ batch, leaf, tree_proof }: ProofDocument): boolean {
  return StandardMerkleTree.verify(batch.root, leaf.types, leaf.fields, tree_proof);
}

/**
 * Peak of the stream's mountain range that the batch leads to; its height is the length of the path.
 * A set bit of the batch's index puts the sibling left. The lowest bit of every leaf and node is cleared.
 */
export function rangePeak({ batch, range_proof }: ProofDocument): Hex {
  const words = [{ type: "uint256" }, { type: "bytes32" }, { type: "uint256" }] as const;
  const leaf = keccak256(encodeAbiParameters(words, [BigInt(batch.seq), batch.root, hexToBigInt(batch.meta)]));
  return range_proof.path.reduce((node, sibling, height) => {
    const isRight = (((batch.seq - 1) >>> height) & 1) === 1;
    return even(keccak256(concat(isRight ? [sibling, node] : [node, sibling])));
  }, even(leaf));
}

function even(node: Hex): Hex {
  return numberToHex(hexToBigInt(node) & ~1n, { size: 32 });
}

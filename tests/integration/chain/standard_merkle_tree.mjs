// Trees as @openzeppelin/merkle-tree makes and checks them.
// Standard input: JSON [{types, rows, proofs?, root?, subsets?, multiproofs?}]; rows are leaves as arrays of strings.
// Standard output: JSON [{root, leaves, proofs, accepted, multiproofs, multiAccepted}]: `accepted` and `multiAccepted`
// tell which given proofs verify against the given root; `multiproofs` are of the leaves each subset numbers.
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { readFileSync } from "node:fs";

const answers = JSON.parse(readFileSync(0, "utf8")).map(({ types, rows, proofs, root, subsets, multiproofs }) => {
  const tree = StandardMerkleTree.of(rows, types);
  return {
    root: tree.root,
    leaves: rows.map((row) => tree.leafHash(row)),
    proofs: rows.map((row, index) => tree.getProof(index)),
    multiproofs: (subsets ?? []).map((indices) => {
      const { leaves, proof, proofFlags } = tree.getMultiProof([...indices]);
      return { indices, leaves: leaves.map((row) => tree.leafHash(row)), proof, flags: proofFlags };
    }),
    multiAccepted: (multiproofs ?? []).map(({ order, proof, proofFlags }) =>
      StandardMerkleTree.verifyMultiProof(root, types, { leaves: order.map((index) => rows[index]), proof, proofFlags }),
    ),
    accepted: (proofs ?? []).map((proof, index) => StandardMerkleTree.verify(root, types, rows[index], proof)),
  };
});
process.stdout.write(JSON.stringify(answers));

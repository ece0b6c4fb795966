// Trees as @openzeppelin/merkle-tree makes and checks them.
// Standard input: JSON [{types, rows, proofs?, root?}]; rows are leaves as arrays of strings.
// Standard output: JSON [{root, leaves, proofs, accepted}], `accepted` telling which given proofs verify against the
// given root.
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { readFileSync } from "node:fs";

const answers = JSON.parse(readFileSync(0, "utf8")).map(({ types, rows, proofs, root }) => {
  const tree = StandardMerkleTree.of(rows, types);
  return {
    root: tree.root,
    leaves: rows.map((row) => tree.leafHash(row)),
    proofs: rows.map((row, index) => tree.getProof(index)),
    accepted: (proofs ?? []).map((proof, index) => StandardMerkleTree.verify(root, types, rows[index], proof)),
  };
});
process.stdout.write(JSON.stringify(answers));

"""Trees and proofs are those of the JavaScript package @openzeppelin/merkle-tree, in both directions."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from gridwitness.chain.client import Chain
from gridwitness.encoding.keys import P256Key
from gridwitness.encoding.leaves import FLEET_TYPES, PROFILE_TYPES, READING_TYPES, leaf_hash, reading_leaf
from gridwitness.encoding.merkle import StandardMerkleTree, tree_root
from gridwitness.service.proofs import reading_proof
from tests.integration.chain.parties import Committee, scored_reading

SCRIPT = Path(__file__).with_name("standard_merkle_tree.mjs")
TREES = 20


def ask_javascript(questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["node", str(SCRIPT)], input=json.dumps(questions), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def random_field(draw: random.Random, kind: str) -> bytes | int:
    if kind == "bytes32":
        return draw.randbytes(32)
    bits = int(kind.removeprefix("u").removeprefix("int"))
    if kind.startswith("u"):
        return draw.choice((0, (1 << bits) - 1, draw.getrandbits(bits)))
    return draw.choice((-(1 << bits - 1), -1, (1 << bits - 1) - 1, draw.getrandbits(bits - 1)))


def spelled(fields: tuple[bytes | int, ...]) -> list[str]:
    """Fields as JavaScript takes them."""
    return [str(field) if isinstance(field, int) else "0x" + field.hex() for field in fields]


@pytest.fixture(scope="module")
def forest() -> list[tuple[tuple[str, ...], list[tuple[bytes | int, ...]]]]:
    """Random trees of all our leaf types, of 1 to 40 leaves."""
    draw = random.Random(12)
    return [
        (types, [tuple(random_field(draw, kind) for kind in types) for _ in range(draw.randint(1, 40))])
        for types in draw.choices((READING_TYPES, PROFILE_TYPES, FLEET_TYPES), k=TREES)
    ]


def test_build_trees__random__root_leaves_and_proofs_equal_javascripts(forest: Any) -> None:
    questions = []
    for types, rows in forest:
        tree = StandardMerkleTree([leaf_hash(row) for row in rows])
        questions.append(
            {
                "types": types,
                "rows": [spelled(row) for row in rows],
                "root": "0x" + tree.root.hex(),
                "proofs": [["0x" + node.hex() for node in tree.proof(index)] for index in range(len(rows))],
            }
        )
    answers = ask_javascript(questions)
    assert len(answers) == TREES
    for question, answer, (_, rows) in zip(questions, answers, forest, strict=True):
        assert answer["root"] == question["root"]
        assert answer["leaves"] == ["0x" + leaf_hash(row).hex() for row in rows]
        assert answer["accepted"] == [True] * len(rows)
        for row, proof in zip(rows, answer["proofs"], strict=True):
            siblings = [bytes.fromhex(node[2:]) for node in proof]
            assert tree_root(leaf_hash(row), siblings).hex() == answer["root"][2:]


def test_build_multiproofs__random_leaves__equal_javascripts_and_verify_there(forest: Any) -> None:
    draw = random.Random(13)
    questions, ours = [], []
    for types, rows in forest:
        tree = StandardMerkleTree([leaf_hash(row) for row in rows])
        subsets = [draw.sample(range(len(rows)), draw.randint(1, len(rows))) for _ in range(5)]
        proofs = [tree.multiproof(subset) for subset in subsets]
        ours.append(proofs)
        spelled_proofs = [
            {
                "order": proof.order,
                "proof": ["0x" + node.hex() for node in proof.siblings],
                "proofFlags": proof.flags,
            }
            for proof in proofs
        ]
        questions.append(
            {
                "types": types,
                "rows": [spelled(row) for row in rows],
                "root": "0x" + tree.root.hex(),
                "subsets": subsets,
                "multiproofs": spelled_proofs,
            }
        )
    for answer, proofs, (_, rows) in zip(ask_javascript(questions), ours, forest, strict=True):
        assert answer["multiAccepted"] == [True] * 5
        for theirs, proof in zip(answer["multiproofs"], proofs, strict=True):
            assert theirs["leaves"] == ["0x" + leaf_hash(rows[index]).hex() for index in proof.order]
            assert theirs["proof"] == ["0x" + node.hex() for node in proof.siblings]
            assert theirs["flags"] == list(proof.flags)


def test_verify_in_javascript__changed_row__is_refused(forest: Any) -> None:
    questions = []
    for types, rows in forest:
        tree = StandardMerkleTree([leaf_hash(row) for row in rows])
        changed = [(*row[:-1], bytes(32) if types[-1] == "bytes32" else (int(row[-1]) + 1) % 256) for row in rows]
        questions.append(
            {
                "types": types,
                "rows": [spelled(row) for row in changed],
                "root": "0x" + tree.root.hex(),
                "proofs": [["0x" + node.hex() for node in tree.proof(index)] for index in range(len(rows))],
            }
        )
    for answer, (_, rows) in zip(ask_javascript(questions), forest, strict=True):
        assert answer["accepted"] == [False] * len(rows)


def test_verify_in_javascript__proof_file__holds_as_it_stands(
    chain: Chain, open_stream: Any, oracles: list[LocalAccount], transmitter: LocalAccount
) -> None:
    committee = Committee(chain, open_stream("readings", bytes(32)), oracles, 2)
    scored = [scored_reading(chain, P256Key(secret), 1, 900, -40 * secret, 77) for secret in range(1, 8)]
    committee.attest(transmitter, [reading_leaf(reading) for reading in scored])
    for index, reading in enumerate(scored):
        file = reading_proof(chain.manifest, reading, committee.trees[0][0].root, committee.proof(1, index), 1)
        document: Any = json.loads(json.dumps(file.document()))
        (answer,) = ask_javascript(
            [
                {
                    "types": document["leaf"]["types"],
                    "rows": [document["leaf"]["fields"]],
                    "root": document["batch"]["root"],
                    "proofs": [document["tree_proof"]],
                }
            ]
        )
        assert answer["accepted"] == [True]

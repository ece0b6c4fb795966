// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IDataAttestation} from "../../../contracts/interfaces/IDataAttestation.sol";
import {BatchHash} from "../../../contracts/libraries/BatchHash.sol";
import {MerklePath} from "../../../contracts/libraries/MerklePath.sol";
import {StandardLeaf} from "../../../contracts/libraries/StandardLeaf.sol";
import {StreamHead} from "../../../contracts/types/StreamHead.sol";

/// @dev Each hash made in assembly against the same in plain Solidity.
contract AttestationHashesTest {
    function test_fold_sorted__any_siblings__equals_openzeppelin(bytes32 leaf, bytes32[] calldata siblings)
        external
        pure
    {
        assert(MerklePath.foldSorted(leaf, siblings) == MerkleProof.processProofCalldata(siblings, leaf));
    }

    function test_fold_range__any_siblings__equals_the_plain_loop(
        bytes32 leaf,
        uint256 index,
        bytes32[] calldata siblings
    ) external pure {
        if (siblings.length > 251) return;
        bytes32 node = _even(leaf);
        for (uint256 i = 0; i < siblings.length; ++i) {
            bool isRight = (index >> i) % 2 == 1;
            node = _even(keccak256(isRight ? abi.encodePacked(siblings[i], node) : abi.encodePacked(node, siblings[i])));
        }
        assert(MerklePath.foldRange(leaf, index, siblings) == node);
    }

    function test_hash_leaf__any_reading__equals_abi_encode(IDataAttestation.ReadingLeaf calldata leaf) external pure {
        assert(StandardLeaf.hash(leaf) == StandardLeaf.hash(abi.encode(leaf)));
        assert(StandardLeaf.hash(leaf) == keccak256(bytes.concat(keccak256(abi.encode(leaf)))));
    }

    function test_hash_leaf__any_profile__equals_abi_encode(IDataAttestation.ProfileLeaf calldata leaf) external pure {
        assert(StandardLeaf.hash(leaf) == StandardLeaf.hash(abi.encode(leaf)));
        assert(StandardLeaf.hash(leaf) == keccak256(bytes.concat(keccak256(abi.encode(leaf)))));
    }

    function test_hash_batch__any_batch__equals_abi_encode(IDataAttestation.Batch calldata batch, uint24 config)
        external
        pure
    {
        assert(BatchHash.structHash(batch, config) == keccak256(abi.encode(BatchHash.TYPEHASH, batch, config)));
        bytes32 leaf = keccak256(abi.encode(batch.seq, batch.root, batch.meta));
        assert(BatchHash.leaf(batch.seq, batch.root, batch.meta) == leaf);
    }

    function test_pack_head__any_fields__are_read_back(
        bytes32 digest,
        uint32 seq,
        uint40 timeTo,
        uint24 config,
        uint256 before
    ) external pure {
        StreamHead old = StreamHead.wrap(before).withConfig(config);
        assert(old.head() == StreamHead.wrap(before).head() && old.seq() == StreamHead.wrap(before).seq());
        StreamHead word = old.withBatch(digest, seq, timeTo);
        assert(word.head() == bytes20(digest) && word.seq() == seq && word.config() == config);
        assert(word.latestTime() == (timeTo > old.latestTime() ? timeTo : old.latestTime()));
    }

    function _even(bytes32 node) private pure returns (bytes32) {
        return bytes32(uint256(node) - uint256(node) % 2);
    }
}

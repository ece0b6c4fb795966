// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IDataAttestation} from "../../../contracts/interfaces/IDataAttestation.sol";
import {BatchHash} from "../../../contracts/libraries/BatchHash.sol";
import {MerkleMultiproof} from "../../../contracts/libraries/MerkleMultiproof.sol";
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

    function foldMany(bytes32[] memory queue, bytes32[] calldata siblings, bool[] calldata flags)
        external
        pure
        returns (bytes32)
    {
        return MerkleMultiproof.fold(queue, siblings, flags);
    }

    function foldManyByOpenZeppelin(bytes32[] memory leaves, bytes32[] calldata siblings, bool[] calldata flags)
        external
        pure
        returns (bytes32)
    {
        return MerkleProof.processMultiProofCalldata(siblings, flags, leaves);
    }

    /// @dev The numbers fit each other half the time; flags then still ask for more or fewer siblings than there are.
    function test_fold_many__any_proof__equals_openzeppelin_or_both_revert(
        bytes32 seed,
        uint8 leafCount,
        uint8 siblingCount,
        uint256 flagBits,
        bool fits,
        bool repairs
    ) external view {
        uint256 leafs = 1 + leafCount % 20;
        bytes32[] memory siblings = new bytes32[](siblingCount % 40);
        bool[] memory flags = new bool[](fits ? leafs + siblings.length - 1 : flagBits % 50);
        uint256 clear = 0;
        for (uint256 i = 0; i < flags.length; ++i) {
            flags[i] = (flagBits >> i) & 1 == 1;
            // As many clear flags as siblings, and no more: the proof is sound in form.
            if (fits && repairs && clear == siblings.length) flags[i] = true;
            if (fits && repairs && flags.length - i == siblings.length - clear) flags[i] = false;
            if (!flags[i]) ++clear;
        }
        for (uint256 i = 0; i < siblings.length; ++i) {
            siblings[i] = keccak256(abi.encode(seed, "sibling", i));
        }
        bytes32[] memory leaves = new bytes32[](leafs);
        bytes32[] memory queue = new bytes32[](leafs + flags.length);
        for (uint256 i = 0; i < leafs; ++i) {
            leaves[i] = queue[i] = keccak256(abi.encode(seed, "leaf", i));
        }
        try this.foldManyByOpenZeppelin(leaves, siblings, flags) returns (bytes32 root) {
            assert(this.foldMany(queue, siblings, flags) == root);
            assert(clear == siblings.length);
        } catch {
            assert(!(fits && repairs));
            try this.foldMany(queue, siblings, flags) {
                assert(false);
            } catch (bytes memory reason) {
                assert(bytes4(reason) == MerkleProof.MerkleProofInvalidMultiproof.selector);
            }
        }
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

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {MerkleMountainRange} from "../../../contracts/libraries/MerkleMountainRange.sol";
import {MerklePath} from "../../../contracts/libraries/MerklePath.sol";
import {CHEATS} from "./Cheats.sol";
import {RangeTwin} from "./RangeTwin.sol";

/// @dev The library against the naive twin, for ranges of up to 255 leaves.
contract MerkleMountainRangeTest {
    using MerkleMountainRange for MerkleMountainRange.Range;

    MerkleMountainRange.Range private range;

    function verify(uint256 count, uint256 index, bytes32 leaf, bytes32[] calldata proof) external view returns (bool) {
        return range.verify(count, index, leaf, proof);
    }

    function fold(bytes32 leaf, bytes32[] calldata siblings)
        external
        pure
        returns (bytes32 ours, bytes32 openzeppelins)
    {
        return (MerklePath.foldSorted(leaf, siblings), MerkleProof.processProofCalldata(siblings, leaf));
    }

    function test_append__any_number_of_leaves__peaks_equal_the_trees(uint8 count, bytes32 seed) external {
        bytes32[] memory leaves = _append(count, seed);
        uint256 start = 0;
        for (uint256 above = 8; above > 0; --above) {
            uint256 height = above - 1;
            if ((uint256(count) >> height) & 1 == 0) continue;
            assert(range.peaks[height] == RangeTwin.root(leaves, start, 1 << height));
            start += 1 << height;
        }
        assert(start == count);
    }

    function test_append__each_leaf__writes_one_slot(uint8 count, bytes32 seed) external {
        for (uint256 i = 0; i < count; ++i) {
            CHEATS.record();
            range.append(i, keccak256(abi.encode(seed, i)));
            (, bytes32[] memory writes) = CHEATS.accesses(address(this));
            assert(writes.length == 1);
        }
    }

    function test_verify__every_leaf__is_proven(uint8 count, bytes32 seed) external {
        count = count % 70;
        bytes32[] memory leaves = _append(count, seed);
        for (uint256 i = 0; i < count; ++i) {
            assert(this.verify(count, i, leaves[i], RangeTwin.proof(leaves, i)));
        }
    }

    function test_verify__another_leaf_or_place__is_not_proven(uint8 count, uint8 index, uint8 other, bytes32 seed)
        external
    {
        (bytes32[] memory leaves, bytes32[] memory proof) = _prove(count, index, seed);
        uint256 place = index % leaves.length;
        assert(this.verify(leaves.length, place, leaves[place], proof));
        assert(!this.verify(leaves.length, place, keccak256(abi.encode(leaves[place])), proof));
        if (other != place) assert(!this.verify(leaves.length, other, leaves[place], proof));
    }

    function test_verify__changed_sibling__is_not_proven(uint8 count, uint8 index, uint8 level, bytes32 seed) external {
        (bytes32[] memory leaves, bytes32[] memory proof) = _prove(count, index, seed);
        if (proof.length == 0) return;
        uint256 place = index % leaves.length;
        proof[level % proof.length] ^= bytes32(uint256(1) << level);
        assert(!this.verify(leaves.length, place, leaves[place], proof));
    }

    function test_verify__any_other_length_of_proof__is_not_proven(uint8 count, uint8 index, uint8 length, bytes32 seed)
        external
    {
        (bytes32[] memory leaves, bytes32[] memory proof) = _prove(count, index, seed);
        if (length == proof.length) return;
        bytes32[] memory resized = new bytes32[](length);
        for (uint256 i = 0; i < length && i < proof.length; ++i) {
            resized[i] = proof[i];
        }
        uint256 place = index % leaves.length;
        assert(!this.verify(leaves.length, place, leaves[place], resized));
    }

    function test_verify__inner_node_at_any_place__is_not_proven(uint8 count, uint8 index, uint8 claimed, bytes32 seed)
        external
    {
        (bytes32[] memory leaves, bytes32[] memory proof) = _prove(count, index, seed);
        if (proof.length == 0) return;
        uint256 place = index % leaves.length;
        bytes32 node = place & 1 == 1
            ? keccak256(abi.encodePacked(proof[0], leaves[place]))
            : keccak256(abi.encodePacked(leaves[place], proof[0]));
        bytes32[] memory above = new bytes32[](proof.length - 1);
        for (uint256 i = 0; i < above.length; ++i) {
            above[i] = proof[i + 1];
        }
        assert(!this.verify(leaves.length, claimed, node, above));
        assert(!this.verify(leaves.length, claimed, node, proof));
    }

    function test_verify__stale_peak_at_a_place_beyond_the_end__is_not_proven(uint8 half, bytes32 seed) external {
        uint256 count = 2 + 2 * (uint256(half) % 100);
        bytes32[] memory leaves = _append(count, seed);
        assert(range.peaks[0] == leaves[count - 2]);
        assert(!this.verify(count, count + 1, leaves[count - 2], new bytes32[](0)));
    }

    function test_fold__any_siblings__equals_openzeppelin(bytes32 leaf, bytes32[] calldata siblings) external view {
        (bytes32 ours, bytes32 openzeppelins) = this.fold(leaf, siblings);
        assert(ours == openzeppelins);
    }

    function _append(uint256 count, bytes32 seed) private returns (bytes32[] memory leaves) {
        leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            leaves[i] = keccak256(abi.encode(seed, i));
            range.append(i, leaves[i]);
        }
    }

    function _prove(uint8 count, uint8 index, bytes32 seed)
        private
        returns (bytes32[] memory leaves, bytes32[] memory proof)
    {
        uint256 length = count == 0 ? 1 : count;
        leaves = _append(length, seed);
        proof = RangeTwin.proof(leaves, index % length);
    }
}

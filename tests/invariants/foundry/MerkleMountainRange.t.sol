// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleMountainRange} from "../../../contracts/libraries/MerkleMountainRange.sol";
import {CHEATS} from "./Cheats.sol";
import {RangeTwin} from "./RangeTwin.sol";

/// @dev The library against the naive twin, for ranges of up to 255 leaves.
contract MerkleMountainRangeTest {
    using MerkleMountainRange for MerkleMountainRange.Range;

    MerkleMountainRange.Range private range;

    function verify(uint256 index, bytes32 leaf, bytes32[] calldata proof)
        external
        view
        returns (bool contained, bool tainted)
    {
        return range.verify(index, leaf, proof);
    }

    function isContained(uint256 index, bytes32 leaf, bytes32[] memory proof) private view returns (bool contained) {
        (contained,) = this.verify(index, leaf, proof);
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

    /// @dev INV-A18.
    function test_root__any_number_of_leaves__equals_the_naive_fold(uint8 count, bytes32 seed) external {
        bytes32[] memory leaves = _append(count, seed);
        assert(range.root(count) == RangeTwin.rangeRoot(leaves, 0));
    }

    /// @dev INV-A5.
    function test_verify__every_leaf__is_contained(uint8 count, bytes32 seed) external {
        count = count % 70;
        bytes32[] memory leaves = _append(count, seed);
        for (uint256 i = 0; i < count; ++i) {
            (bool contained, bool tainted) = this.verify(i, leaves[i], RangeTwin.proof(leaves, i));
            assert(contained && !tainted);
        }
    }

    /// @dev INV-A6: the range binds an index as far as its mountain is high; the rest is up to the leaf.
    function test_verify__another_leaf_or_place__is_not_contained(uint8 count, uint8 index, uint8 other, bytes32 seed)
        external
    {
        (bytes32[] memory leaves, bytes32[] memory proof) = _prove(count, index, seed);
        uint256 place = index % leaves.length;
        assert(isContained(place, leaves[place], proof));
        assert(!isContained(place, keccak256(abi.encode(leaves[place])), proof));
        bool isSameUnderPeak = (other ^ place) % (1 << proof.length) == 0;
        assert(isContained(other, leaves[place], proof) == isSameUnderPeak);
    }

    /// @dev INV-A6.
    function test_verify__changed_sibling__is_not_contained(uint8 count, uint8 index, uint8 level, bytes32 seed)
        external
    {
        (bytes32[] memory leaves, bytes32[] memory proof) = _prove(count, index, seed);
        if (proof.length == 0) return;
        uint256 place = index % leaves.length;
        proof[level % proof.length] ^= bytes32(uint256(1) << level);
        assert(!isContained(place, leaves[place], proof));
    }

    /// @dev INV-A6: it may meet a stale peak, which was once the leaf's own: then it says nothing but the truth.
    function test_verify__any_other_length_of_proof__meets_at_most_an_older_peak(
        uint8 count,
        uint8 index,
        uint8 length,
        bytes32 seed
    ) external {
        (bytes32[] memory leaves, bytes32[] memory proof) = _prove(count, index, seed);
        if (length == proof.length) return;
        bytes32[] memory resized = new bytes32[](length);
        for (uint256 i = 0; i < length && i < proof.length; ++i) {
            resized[i] = proof[i];
        }
        uint256 place = index % leaves.length;
        if (!isContained(place, leaves[place], resized)) return;
        assert(length < proof.length);
        uint256 size = 1 << length;
        assert(range.peaks[length] == RangeTwin.root(leaves, place / size * size, size));
    }

    function test_verify__proof_of_32_or_more__is_not_contained(uint8 extra, bytes32 leaf) external {
        _append(3, leaf);
        (bool contained, bool tainted) = this.verify(0, leaf, new bytes32[](32 + uint256(extra)));
        assert(!contained && !tainted);
    }

    /// @dev INV-A10.
    function test_verify__inner_node_at_any_place__is_not_contained(
        uint8 count,
        uint8 index,
        uint8 claimed,
        bytes32 seed
    ) external {
        (bytes32[] memory leaves, bytes32[] memory proof) = _prove(count, index, seed);
        if (proof.length == 0) return;
        uint256 start = index % leaves.length / 2 * 2;
        bytes32[] memory above = new bytes32[](proof.length - 1);
        for (uint256 i = 0; i < above.length; ++i) {
            above[i] = proof[i + 1];
        }
        assert(!isContained(claimed, RangeTwin.root(leaves, start, 2), above));
        assert(!isContained(claimed, RangeTwin.root(leaves, start, 2), proof));
    }

    /// @dev INV-A15.
    function test_taint_all__any_moment__marks_all_there_was_for_good_and_hides_nothing(
        uint8 before,
        uint8 later,
        bytes32 seed
    ) external {
        before = before % 40;
        uint256 count = uint256(before) + later % 40;
        bytes32[] memory leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            if (i == before) range.taintAll(before);
            leaves[i] = keccak256(abi.encode(seed, i));
            range.append(i, leaves[i]);
        }
        if (count == before) range.taintAll(before);
        for (uint256 i = 0; i < count; ++i) {
            (bool contained, bool tainted) = this.verify(i, leaves[i], RangeTwin.proof(leaves, i));
            assert(contained);
            (uint256 start,) = RangeTwin.mountainOf(count, i);
            assert(tainted == (start < before));
        }
        assert(range.root(count) == RangeTwin.rangeRoot(leaves, 0));
        for (uint256 height = 0; count >> height != 0; ++height) {
            assert(uint256(range.peak(height)) % 2 == 0);
        }
    }

    /// @dev INV-A15.
    function test_taint_all__stale_peaks__are_marked_as_well(uint8 count, bytes32 seed) external {
        _append(count, seed);
        range.taintAll(count);
        for (uint256 height = 0; height < 32; ++height) {
            assert((uint256(range.peaks[height]) % 2 == 1) == (uint256(count) >> height != 0));
        }
    }

    /// @dev INV-A15: marked are the leaves that share a stored peak with the one, at any length from then on.
    function test_taint__any_leaf__marks_each_peak_over_it_and_no_other(
        uint8 before,
        uint8 later,
        uint8 index,
        bytes32 seed
    ) external {
        uint256 count = 1 + uint256(before) % 40;
        bytes32[] memory leaves = _append(count, seed);
        uint256 place = index % count;
        bytes32[32] memory peaks = range.peaks;
        range.taint(count, place);
        for (uint256 height = 0; height < 32; ++height) {
            bool isOver = false;
            for (uint256 block_ = 0; (block_ + 1) << height <= count; ++block_) {
                if (peaks[height] == RangeTwin.root(leaves, block_ << height, 1 << height)) {
                    isOver = place >> height == block_;
                }
            }
            assert((uint256(range.peaks[height]) % 2 == 1) == isOver);
        }

        for (uint256 i = count; i < count + later % 40; ++i) {
            range.append(i, keccak256(abi.encode(seed, i)));
        }
        leaves = _leaves(count + later % 40, seed);
        (bool contained, bool tainted) = this.verify(place, leaves[place], RangeTwin.proof(leaves, place));
        assert(contained && tainted);
        for (uint256 i = 0; i < leaves.length; ++i) {
            (contained, tainted) = this.verify(i, leaves[i], RangeTwin.proof(leaves, i));
            (uint256 start,) = RangeTwin.mountainOf(leaves.length, i);
            (uint256 startOfPlace,) = RangeTwin.mountainOf(leaves.length, place);
            assert(contained && tainted == (start == startOfPlace));
        }
    }

    function _leaves(uint256 count, bytes32 seed) private pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            leaves[i] = keccak256(abi.encode(seed, i));
        }
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

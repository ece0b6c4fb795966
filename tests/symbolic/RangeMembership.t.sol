// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleMountainRange} from "../../contracts/libraries/MerkleMountainRange.sol";
import {VM} from "./SymbolicCheats.sol";

/// @dev What {MerkleMountainRange-verify} accepts, for every range of up to 7 batches with any roots and metas; and that
/// {MerkleMountainRange-taint} of a batch shows in each proof of it.
/// Assumed: Keccak-256 has no collision, not even in its upper 255 bits, and no hash of zero in them.
contract RangeMembershipProofs {
    using MerkleMountainRange for MerkleMountainRange.Range;

    uint256 private constant BATCHES = 7;

    MerkleMountainRange.Range private range;
    // Hashes of the range before their lowest bit is cleared.
    bytes32[] private hashes;

    /// @dev INV-A6.
    /// @custom:halmos --loop 8 --array-lengths proof={0,1,2,3}
    function check_verify__any_leaf_place_and_proof__only_what_was_appended_and_its_taint(
        bytes32[BATCHES] calldata roots,
        uint256[BATCHES] calldata metas,
        uint8 count,
        uint32 index,
        bytes32 root,
        uint256 meta,
        bytes32[] calldata proof
    ) external {
        count = uint8(_concrete(count, BATCHES + 1));
        _append(count, roots, metas);
        uint256 place = (uint256(index) & ~uint256(7)) | _concrete(index & 7, 8);
        bytes32 leaf = _leaf(place, root, meta);
        _assumeNoCollision(leaf, place, proof);
        (bool contained,) = range.verify(place, leaf, proof);
        if (!contained) return;
        assert(place < count);
        for (uint256 i = 0; i < count; ++i) {
            if (i == place) assert(root == roots[i] && meta == metas[i]);
        }
        range.taint(count, place);
        (bool still, bool tainted) = range.verify(place, leaf, proof);
        assert(still && tainted);
    }

    function _append(uint256 count, bytes32[BATCHES] calldata roots, uint256[BATCHES] calldata metas) private {
        for (uint256 i = 0; i < count; ++i) {
            bytes32 leaf = _leaf(i, roots[i], metas[i]);
            hashes.push(leaf);
            for (uint256 height = 0; (i >> height) % 2 == 1; ++height) {
                leaf = keccak256(abi.encodePacked(_clear(range.peaks[height]), _clear(leaf)));
                hashes.push(leaf);
            }
            range.append(i, _leaf(i, roots[i], metas[i]));
        }
    }

    function _assumeNoCollision(bytes32 node, uint256 place, bytes32[] calldata proof) private view {
        _assumeApart(node);
        for (uint256 level = 0; level < proof.length; ++level) {
            bytes32 own = _clear(node);
            node = (place >> level) % 2 == 0
                ? keccak256(abi.encodePacked(own, proof[level]))
                : keccak256(abi.encodePacked(proof[level], own));
            _assumeApart(node);
        }
    }

    function _assumeApart(bytes32 node) private view {
        VM.assume(_clear(node) != 0);
        for (uint256 i = 0; i < hashes.length; ++i) {
            VM.assume(node ^ hashes[i] != bytes32(uint256(1)));
        }
    }

    /// @dev `value`, below `bound`, as a number the paths part on.
    function _concrete(uint256 value, uint256 bound) private pure returns (uint256) {
        for (uint256 i = 0; i < bound; ++i) {
            if (value == i) return i;
        }
        VM.assume(false);
        return 0;
    }

    function _leaf(uint256 place, bytes32 root, uint256 meta) private pure returns (bytes32) {
        return keccak256(abi.encode(place + 1, root, meta));
    }

    function _clear(bytes32 word) private pure returns (bytes32) {
        return bytes32(uint256(word) & ~uint256(1));
    }
}

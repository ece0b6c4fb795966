// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IDataAttestation} from "../interfaces/IDataAttestation.sol";
import {IDeviceRegistry} from "../interfaces/IDeviceRegistry.sol";
import {BatchHash} from "../libraries/BatchHash.sol";
import {DeviceSignature} from "../libraries/DeviceSignature.sol";
import {DeviceTypedData} from "../libraries/DeviceTypedData.sol";
import {MerkleMountainRange} from "../libraries/MerkleMountainRange.sol";
import {MerkleMultiproof} from "../libraries/MerkleMultiproof.sol";
import {MerklePath} from "../libraries/MerklePath.sol";
import {StandardLeaf} from "../libraries/StandardLeaf.sol";

/// @notice Asks the contracts' own encodings of many cases in one call, for tests that compare them with Python's.
contract EncodingHarness {
    using MerkleMountainRange for MerkleMountainRange.Range;

    /// @notice Fields of every action that is signed with a nonce.
    struct Action {
        IDeviceRegistry.Rotation rotation;
        address a;
        address b;
        uint32 scopes;
        uint256 nonce;
    }

    /// @notice A multiproof.
    struct Multi {
        bytes32[] leaves;
        bytes32[] siblings;
        bool[] flags;
    }

    IDeviceRegistry public immutable registry;
    IDataAttestation public immutable attestation;
    MerkleMountainRange.Range private _range;

    constructor(IDeviceRegistry registry_, IDataAttestation attestation_) {
        registry = registry_;
        attestation = attestation_;
    }

    function readingLeaves(IDataAttestation.ReadingLeaf[] calldata rows) external pure returns (bytes32[] memory out) {
        out = new bytes32[](rows.length);
        for (uint256 i = 0; i < rows.length; ++i) {
            out[i] = StandardLeaf.hash(rows[i]);
        }
    }

    function profileLeaves(IDataAttestation.ProfileLeaf[] calldata rows) external pure returns (bytes32[] memory out) {
        out = new bytes32[](rows.length);
        for (uint256 i = 0; i < rows.length; ++i) {
            out[i] = StandardLeaf.hash(rows[i]);
        }
    }

    function fleetLeaves(bytes32[] calldata deviceIds, uint8[] calldata kinds)
        external
        pure
        returns (bytes32[] memory out)
    {
        out = new bytes32[](deviceIds.length);
        for (uint256 i = 0; i < deviceIds.length; ++i) {
            out[i] = StandardLeaf.hash(deviceIds[i], kinds[i]);
        }
    }

    function treeRoots(bytes32[] calldata leaves, bytes32[][] calldata proofs)
        external
        pure
        returns (bytes32[] memory out)
    {
        out = new bytes32[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            out[i] = MerklePath.foldSorted(leaves[i], proofs[i]);
        }
    }

    function multiRoots(Multi[] calldata rows) external pure returns (bytes32[] memory out) {
        out = new bytes32[](rows.length);
        for (uint256 i = 0; i < rows.length; ++i) {
            Multi calldata row = rows[i];
            bytes32[] memory queue = new bytes32[](row.leaves.length + row.flags.length);
            for (uint256 j = 0; j < row.leaves.length; ++j) {
                queue[j] = row.leaves[j];
            }
            out[i] = MerkleMultiproof.fold(queue, row.siblings, row.flags);
        }
    }

    /// @notice Peaks and root after each append, and whether each leaf is proven at the end.
    function range(bytes32[] calldata leaves, bytes32[][] calldata proofs)
        external
        returns (bytes32[] memory written, bytes32[] memory roots, bool[] memory proven)
    {
        uint256 count = leaves.length;
        (written, roots, proven) = (new bytes32[](count), new bytes32[](count), new bool[](count));
        for (uint256 i = 0; i < count; ++i) {
            _range.append(i, leaves[i]);
            uint256 height = 0;
            while ((i >> height) % 2 == 1) ++height;
            written[i] = _range.peak(height);
            roots[i] = _range.root(i + 1);
        }
        for (uint256 i = 0; i < count; ++i) {
            (proven[i],) = _range.verify(i, leaves[i], proofs[i]);
        }
    }

    function rangeLeaves(uint32[] calldata seqs, bytes32[] calldata roots, uint256[] calldata metas)
        external
        pure
        returns (bytes32[] memory out)
    {
        out = new bytes32[](seqs.length);
        for (uint256 i = 0; i < seqs.length; ++i) {
            out[i] = BatchHash.leaf(seqs[i], roots[i], metas[i]);
        }
    }

    function batchDigests(IDataAttestation.Batch[] calldata rows, uint24[] calldata configs)
        external
        view
        returns (bytes32[] memory out)
    {
        out = new bytes32[](rows.length);
        for (uint256 i = 0; i < rows.length; ++i) {
            out[i] = attestation.batchDigest(rows[i], configs[i]);
        }
    }

    function entryDigests(IDeviceRegistry.Registration[] calldata rows, bytes32[] calldata fleetIds)
        external
        view
        returns (bytes32[2][] memory out)
    {
        out = new bytes32[2][](rows.length);
        for (uint256 i = 0; i < rows.length; ++i) {
            out[i] = [registry.registerDigest(rows[i]), registry.activateDigest(rows[i], fleetIds[i])];
        }
    }

    function readingDigests(IDataAttestation.ReadingLeaf[] calldata rows) external view returns (bytes32[] memory out) {
        out = new bytes32[](rows.length);
        for (uint256 i = 0; i < rows.length; ++i) {
            IDataAttestation.ReadingLeaf calldata row = rows[i];
            out[i] = registry.readingDigest(row.deviceId, row.counter, row.time, row.metric, row.value);
        }
    }

    /// @notice Digests of rotate, retire, offerTransfer, acceptTransfer, setDelegate and setPayee under `separator`.
    function actionDigests(Action[] calldata rows, bytes32 separator) external pure returns (bytes32[6][] memory out) {
        out = new bytes32[6][](rows.length);
        for (uint256 i = 0; i < rows.length; ++i) {
            out[i] = _structHashes(rows[i]);
            for (uint256 j = 0; j < 6; ++j) {
                out[i][j] = MessageHashUtils.toTypedDataHash(separator, out[i][j]);
            }
        }
    }

    /// @notice Whether each signature is by the key of its id.
    function areBy(bytes32[] calldata keyIds, bytes32[] calldata digests, bytes[] calldata signatures)
        external
        view
        returns (bool[] memory out)
    {
        out = new bool[](keyIds.length);
        for (uint256 i = 0; i < keyIds.length; ++i) {
            out[i] = DeviceSignature.isBy(keyIds[i], digests[i], signatures[i], registry.hasP256Precompile());
        }
    }

    function _structHashes(Action calldata row) private pure returns (bytes32[6] memory) {
        (bytes32 id, uint40 at) = (row.rotation.deviceId, row.rotation.validFrom);
        (uint256 nonce, uint256 deadline) = (row.nonce, row.rotation.deadline);
        return [
            DeviceTypedData.rotate(row.rotation, nonce),
            DeviceTypedData.retire(id, nonce, deadline),
            DeviceTypedData.offerTransfer(id, row.a, at, nonce, deadline),
            DeviceTypedData.acceptTransfer(id, row.a, row.b, nonce, deadline),
            DeviceTypedData.setDelegate(id, row.a, row.scopes, at, nonce, deadline),
            DeviceTypedData.setPayee(id, row.a, nonce, deadline)
        ];
    }
}

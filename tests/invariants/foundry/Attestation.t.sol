// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DataAttestation} from "../../../contracts/DataAttestation.sol";
import {IDataAttestation} from "../../../contracts/interfaces/IDataAttestation.sol";
import {AttestationHandler} from "./AttestationHandler.sol";
import {CHEATS} from "./Cheats.sol";
import {RangeTwin} from "./RangeTwin.sol";

/// @dev What unit tests through Ape cannot show: other chains, and calldata of any shape.
contract AttestationTest {
    DataAttestation private attestation;
    bytes32 private streamId;
    // Kept in storage: the optimizer takes block.chainid for constant in a transaction and would read it again.
    uint256 private homeChain;

    function setUp() external {
        homeChain = block.chainid;
        attestation = new DataAttestation();
        streamId = attestation.openStream("stream", bytes32(0), _oneOracle());
    }

    function test_attest__replayed_after_a_chain_split__is_refused(uint64 chain, bytes32 root) external {
        if (chain == 0 || chain == homeChain) return;
        IDataAttestation.Batch memory batch = _batch(root);
        bytes memory signature = _sign(batch);

        CHEATS.chainId(chain);
        try attestation.attest(batch, 1, 1, signature, new address[](0)) {
            assert(false);
        } catch (bytes memory reason) {
            assert(bytes4(reason) == IDataAttestation.CommitteeMismatch.selector);
        }
        // not even with signatures for the other chain: the committee itself was named for this one
        try attestation.attest(batch, 1, 1, _sign(batch), new address[](0)) {
            assert(false);
        } catch (bytes memory reason) {
            assert(bytes4(reason) == IDataAttestation.CommitteeMismatch.selector);
        }

        CHEATS.chainId(homeChain);
        attestation.attest(batch, 1, 1, signature, new address[](0));
        assert(attestation.stream(streamId).seq == 1);
    }

    function test_attest__any_signatures__move_nothing(uint256 mask, bytes calldata garbage, address[] calldata others)
        external
    {
        try attestation.attest(_batch(0), 1, mask, garbage, others) {
            assert(false);
        } catch (bytes memory reason) {
            bytes4 selector = bytes4(reason);
            assert(
                selector == IDataAttestation.SignerMaskInvalid.selector
                    || selector == IDataAttestation.CommitteeMismatch.selector
            );
        }
        assert(attestation.stream(streamId).seq == 0);
    }

    function test_verify__any_proof__never_reverts_nor_counts(bytes32 leaf, IDataAttestation.Proof calldata proof)
        external
    {
        IDataAttestation.Batch memory batch = _batch(keccak256("root"));
        attestation.attest(batch, 1, 1, _sign(batch), new address[](0));
        assert(!attestation.verifyLeaf(leaf, proof));
        IDataAttestation.Proof memory ours = proof;
        ours.streamId = streamId;
        ours.seq = 1;
        assert(!attestation.verifyLeaf(leaf, ours));
    }

    function _oneOracle() private pure returns (IDataAttestation.Committee memory) {
        address[] memory members = new address[](1);
        members[0] = CHEATS.addr(0x0A);
        return IDataAttestation.Committee(1, members);
    }

    function _batch(bytes32 root) private view returns (IDataAttestation.Batch memory) {
        return IDataAttestation.Batch(streamId, 1, root, bytes32(0), uint256(1) << 224);
    }

    function _sign(IDataAttestation.Batch memory batch) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = CHEATS.sign(0x0A, attestation.batchDigest(batch));
        return abi.encodePacked(r, s, v);
    }
}

contract AttestationInvariants {
    DataAttestation private attestation;
    AttestationHandler private handler;

    function setUp() external {
        attestation = new DataAttestation();
        handler = new AttestationHandler(attestation);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev The sequence counts the batches, the head is the newest one's digest, and time never runs back.
    function invariant_stream__after_any_calls__stands_at_its_newest_batch() external view {
        for (uint256 i = 0; i < handler.STREAMS(); ++i) {
            IDataAttestation.Stream memory stream = attestation.stream(handler.streamIds(i));
            assert(stream.owner == address(handler));
            assert(stream.seq == handler.batches(i).length);
            assert(stream.head == handler.heads(i));
            assert(stream.latestTime == handler.latestTimes(i));
            assert(stream.config == handler.configs(i));
        }
    }

    function invariant_batch__ever_appended__stays_provable() external view {
        for (uint256 i = 0; i < handler.STREAMS(); ++i) {
            IDataAttestation.Batch[] memory batches = handler.batches(i);
            bytes32[] memory leaves = new bytes32[](batches.length);
            for (uint256 j = 0; j < batches.length; ++j) {
                leaves[j] = keccak256(abi.encode(batches[j].seq, batches[j].root, batches[j].meta));
            }
            for (uint256 j = 0; j < batches.length; ++j) {
                IDataAttestation.Proof memory proof = IDataAttestation.Proof({
                    streamId: batches[j].streamId,
                    seq: batches[j].seq,
                    meta: batches[j].meta,
                    treeProof: new bytes32[](0),
                    rangeProof: RangeTwin.proof(leaves, j)
                });
                assert(attestation.verifyLeaf(batches[j].root, proof));
                assert(!attestation.verifyLeaf(~batches[j].root, proof));
            }
        }
    }

    function invariant_call__right_or_wrong__goes_as_it_must() external view {
        assert(handler.surprises() == 0);
    }
}

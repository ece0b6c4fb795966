// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DataAttestation} from "../../../contracts/DataAttestation.sol";
import {IDataAttestation} from "../../../contracts/interfaces/IDataAttestation.sol";
import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {AttestationHandler} from "./AttestationHandler.sol";
import {CHEATS} from "./Cheats.sol";

IDeviceRegistry constant NO_REGISTRY = IDeviceRegistry(address(0));

/// @dev What unit tests through Ape cannot show: other chains, and calldata of any shape.
contract AttestationTest {
    DataAttestation private attestation;
    bytes32 private streamId;
    // Kept in storage: the optimizer takes block.chainid for constant in a transaction and would read it again.
    uint256 private homeChain;

    function setUp() external {
        homeChain = block.chainid;
        attestation = new DataAttestation(NO_REGISTRY);
        streamId = attestation.openStream("stream", bytes32(0), _oneOracle());
    }

    function test_attest__replayed_after_a_chain_split__is_refused(uint64 chain, bytes32 root) external {
        if (chain == 0 || chain == homeChain) return;
        IDataAttestation.Batch memory batch = _batch(root);
        IDataAttestation.Quorum memory quorum = _sign(batch);

        CHEATS.chainId(chain);
        assert(_refusal(batch, quorum) == IDataAttestation.CommitteeMismatch.selector);
        // not even with signatures for the other chain: the committee itself was named for this one
        assert(_refusal(batch, _sign(batch)) == IDataAttestation.CommitteeMismatch.selector);

        CHEATS.chainId(homeChain);
        attestation.attest(batch, quorum);
        assert(attestation.stream(streamId).seq == 1);
    }

    /// @dev INV-A3.
    function test_attest__any_signatures__move_nothing(uint32 mask, bytes calldata garbage, address[] calldata others)
        external
    {
        bytes4 selector = _refusal(_batch(0), IDataAttestation.Quorum(1, mask, garbage, others));
        assert(
            selector == IDataAttestation.SignerMaskInvalid.selector
                || selector == IDataAttestation.CommitteeMismatch.selector
        );
        assert(attestation.stream(streamId).seq == 0);
    }

    /// @dev INV-A6.
    function test_verify__any_proof__never_reverts_nor_counts(bytes32 leaf, IDataAttestation.Proof calldata proof)
        external
    {
        IDataAttestation.Batch memory batch = _batch(keccak256("root"));
        attestation.attest(batch, _sign(batch));
        assert(!attestation.verifyLeaf(leaf, proof));
        IDataAttestation.Proof memory ours = proof;
        ours.streamId = streamId;
        ours.seq = 1;
        assert(!attestation.verifyLeaf(leaf, ours));
    }

    /// @dev INV-A6: a leaf's words are hashed as they come; one that does not fit its type must not pass for the one
    /// that does.
    function test_verify__reading_with_a_word_too_wide__is_not_proven(
        IDataAttestation.ReadingLeaf calldata leaf,
        uint8 bit
    ) external {
        IDataAttestation.Batch memory batch = _batch(keccak256(bytes.concat(keccak256(abi.encode(leaf)))));
        attestation.attest(batch, _sign(batch));
        IDataAttestation.Proof memory proof;
        (proof.streamId, proof.seq, proof.meta) = (streamId, 1, batch.meta);
        assert(attestation.verifyReading(leaf, proof));

        bytes memory call = abi.encodeCall(IDataAttestation.verifyReading, (leaf, proof));
        uint256 byteOfCounter = 4 + 32 + bit % 24; // above the low 8 bytes of the second word
        call[byteOfCounter] ^= 0x01;
        (bool success, bytes memory verdict) = address(attestation).staticcall(call);
        assert(!success || !abi.decode(verdict, (bool)));
    }

    function _refusal(IDataAttestation.Batch memory batch, IDataAttestation.Quorum memory quorum)
        private
        returns (bytes4)
    {
        try attestation.attest(batch, quorum) {
            return bytes4(0);
        } catch (bytes memory reason) {
            return bytes4(reason);
        }
    }

    function _oneOracle() private pure returns (IDataAttestation.Committee memory) {
        address[] memory members = new address[](1);
        members[0] = CHEATS.addr(0x0A);
        return IDataAttestation.Committee(1, members);
    }

    function _batch(bytes32 root) private view returns (IDataAttestation.Batch memory) {
        return IDataAttestation.Batch(
            streamId, 1, root, bytes20(0), uint256(1) << 224, 0, uint40(block.timestamp), uint40(block.timestamp)
        );
    }

    function _sign(IDataAttestation.Batch memory batch) private view returns (IDataAttestation.Quorum memory) {
        (uint8 v, bytes32 r, bytes32 s) = CHEATS.sign(0x0A, attestation.batchDigest(batch, 1));
        return IDataAttestation.Quorum(1, 1, abi.encodePacked(r, s, v), new address[](0));
    }
}

contract AttestationInvariants {
    DataAttestation private attestation;
    AttestationHandler private handler;

    function setUp() external {
        attestation = new DataAttestation(NO_REGISTRY);
        handler = new AttestationHandler(attestation);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev All in one: forge would walk anew for each, and from one seed on the same ways.
    function invariant_streams__after_any_call__are_as_modelled() external view {
        _requireStreams();
        _requireBatches();
        _requireStatuses();
        _requireNoSurprise();
    }

    /// @dev INV-A1, INV-A2, INV-A11, INV-A18: the sequence counts the batches, the head is the newest one's digest, and
    /// time never runs back.
    function _requireStreams() private view {
        for (uint256 i = 0; i < handler.STREAMS(); ++i) {
            bytes32 streamId = handler.streamIds(i);
            IDataAttestation.Stream memory stream = attestation.stream(streamId);
            assert(stream.owner == address(handler));
            assert(stream.seq == handler.count(i));
            assert(stream.head == bytes20(handler.digests(i)));
            assert(stream.latestTime == handler.latestTimes(i));
            assert(stream.latestTime == attestation.latestTime(streamId));
            assert(stream.config == handler.configs(i));
            assert((attestation.term(streamId, stream.config).committee == 0) == handler.isVacant(i));
            (uint32 seq, bytes32 root) = attestation.rangeRoot(streamId);
            assert(seq == stream.seq && root == handler.rangeRoot(i));
        }
    }

    /// @dev INV-A5, INV-A13, INV-A15: of the newest batch and one at random: it verifies if it stands, and only then;
    /// neither marks nor merges hide it.
    function _requireBatches() private view {
        for (uint256 i = 0; i < handler.STREAMS(); ++i) {
            uint256 count = handler.count(i);
            if (count == 0) continue;
            _check(i, count);
            _check(i, 1 + uint256(handler.digests(i)) % count);
        }
    }

    /// @dev INV-A14.
    function _requireStatuses() private view {
        for (uint256 i = 0; i < handler.STREAMS(); ++i) {
            for (uint256 seq = 0; seq < handler.count(i) + 2; ++seq) {
                (IDataAttestation.BatchStatus status,) = attestation.batchStatus(handler.streamIds(i), uint32(seq));
                assert(status == handler.statusOf(i, seq));
            }
        }
    }

    /// @dev INV-A3, INV-A7, INV-A8, INV-A16.
    function _requireNoSurprise() private view {
        assert(handler.surprises() == 0);
    }

    function _check(uint256 stream, uint256 seq) private view {
        bool stands = handler.isStanding(stream, seq);
        (bytes32 leaf, IDataAttestation.Proof memory proof) = handler.proofOf(stream, seq, false);
        assert(attestation.verifyLeaf(leaf, proof) == stands);
        assert(!attestation.verifyLeaf(~leaf, proof));
        proof.seq ^= 1;
        assert(!attestation.verifyLeaf(leaf, proof));
        // Peaks go stale, so a proof of old may hold or not; but never for a batch that does not stand.
        (leaf, proof) = handler.proofOf(stream, seq, true);
        assert(stands || !attestation.verifyLeaf(leaf, proof));
    }
}

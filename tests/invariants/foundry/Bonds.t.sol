// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DataAttestation} from "../../../contracts/DataAttestation.sol";
import {DeviceRegistry} from "../../../contracts/DeviceRegistry.sol";
import {IDataAttestation} from "../../../contracts/interfaces/IDataAttestation.sol";
import {IStreamBonds} from "../../../contracts/interfaces/IStreamBonds.sol";
import {EuroToken} from "../../../contracts/mocks/EuroToken.sol";
import {BondsHandler} from "./BondsHandler.sol";
import {CHEATS} from "./Cheats.sol";

/// @dev Cases that would take too many transactions through Ape.
contract BondsTest {
    BondsHandler private handler;
    DataAttestation private attestation;

    function setUp() external {
        CHEATS.warp(1_700_000_000);
        attestation = new DataAttestation(new DeviceRegistry(address(this)));
        handler = new BondsHandler(attestation);
        handler.setTerms(0, 0, 0, 0);
        handler.deposit(0, 0, 1e9);
    }

    /// @dev INV-B2: the 129th is refused whatever its stake, and a place that is freed can be taken.
    function test_challenge__128_open__takes_no_more_until_one_ends() external {
        for (uint256 i = 0; i <= 128; ++i) {
            handler.attest(0, i, 0, false);
            handler.challenge(0, i, i, 0);
        }
        bytes32 streamId = handler.streamIds(0);
        assert(attestation.bond(streamId).openChallenges == 128);
        assert(handler.challengeIds().length == 128);
        handler.answer(8 * 77 + 2, 0, 0);
        handler.challenge(0, 128, 0, 0);
        assert(attestation.bond(streamId).openChallenges == 128);
        assert(handler.challengeIds().length == 129);
        assert(handler.surprises() == 0);
    }

    /// @dev INV-B5: whatever gas is given, a good signature never convicts.
    function test_answer__starved_of_gas__never_convicts(uint8 key, bool isDocument, uint32 gasLimit) external {
        handler.attest(0, key, isDocument ? 1 : 0, false);
        handler.challenge(0, 0, 0, 0);
        handler.answerStarved(2, gasLimit);
        assert(handler.convictedCount() == 0);
        assert(handler.surprises() == 0);
        bytes32 challengeId = handler.challengeIds()[0];
        assert(attestation.challengeOf(challengeId).status != IStreamBonds.ChallengeStatus.Convicted);
    }
}

contract BondsInvariants {
    DataAttestation private attestation;
    BondsHandler private handler;

    function setUp() external {
        CHEATS.warp(1_700_000_000);
        attestation = new DataAttestation(new DeviceRegistry(address(this)));
        handler = new BondsHandler(attestation);
        for (uint256 stream = 0; stream < handler.STREAMS(); ++stream) {
            handler.setTerms(stream, stream, 1, 0);
            handler.deposit(stream, 0, 1e9);
            for (uint8 kind = 0; kind < 8; ++kind) {
                handler.attest(stream, kind, kind, false);
            }
        }
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev All in one: forge would walk anew for each, and from one seed on the same ways.
    function invariant_bonds__after_any_call__are_as_modelled() external view {
        _requireTills();
        _requireChallenges();
        _requireMarks();
        _requireBatches();
        _requireNoSurprise();
    }

    /// @dev INV-B1: all that is owed is there, and nothing else.
    function _requireTills() private view {
        bytes32[] memory challengeIds = handler.challengeIds();
        for (uint256 i = 0; i < handler.TOKENS(); ++i) {
            EuroToken token = handler.tokens(i);
            uint256 owed = 0;
            for (uint256 account = 0; account < 4; ++account) {
                owed += attestation.payout(token, handler.accountAt(account));
            }
            owed += attestation.payout(token, address(handler));
            for (uint256 stream = 0; stream < handler.STREAMS(); ++stream) {
                IStreamBonds.Bond memory bond = attestation.bond(handler.streamIds(stream));
                if (address(bond.token) == address(token)) owed += bond.amount;
            }
            for (uint256 j = 0; j < challengeIds.length; ++j) {
                IStreamBonds.Challenge memory doubt = attestation.challengeOf(challengeIds[j]);
                IStreamBonds.Bond memory bond = attestation.bond(doubt.streamId);
                if (doubt.status == IStreamBonds.ChallengeStatus.Open && address(bond.token) == address(token)) {
                    owed += uint256(bond.stake) << doubt.doublings;
                }
            }
            assert(token.balanceOf(address(attestation)) == owed);
        }
    }

    /// @dev INV-B2: the counter of each stream is the number of its open challenges, 128 at most; INV-B3: a challenge that
    /// ended keeps its verdict.
    function _requireChallenges() private view {
        bytes32[] memory challengeIds = handler.challengeIds();
        for (uint256 stream = 0; stream < handler.STREAMS(); ++stream) {
            bytes32 streamId = handler.streamIds(stream);
            uint256 open = 0;
            for (uint256 i = 0; i < challengeIds.length; ++i) {
                IStreamBonds.Challenge memory doubt = attestation.challengeOf(challengeIds[i]);
                assert(doubt.status == handler.verdicts(challengeIds[i]));
                if (doubt.streamId == streamId && doubt.status == IStreamBonds.ChallengeStatus.Open) ++open;
            }
            assert(attestation.bond(streamId).openChallenges == open);
            assert(open <= 128);
        }
    }

    /// @dev INV-B4: marks count verdicts against the stream and proofs of equivocation, and nothing takes one back.
    function _requireMarks() private view {
        for (uint256 stream = 0; stream < handler.STREAMS(); ++stream) {
            assert(attestation.stream(handler.streamIds(stream)).marks == handler.marks(stream));
        }
    }

    /// @dev INV-B6: a batch is convicted if, and only if, a challenge of its reading was won.
    function _requireBatches() private view {
        for (uint256 stream = 0; stream < handler.STREAMS(); ++stream) {
            for (uint256 i = 0; i < handler.itemCount(stream); ++i) {
                BondsHandler.Item memory item = handler.items(stream, i);
                (IDataAttestation.BatchStatus status,) = attestation.batchStatus(handler.streamIds(stream), item.seq);
                bool isWon = handler.verdicts(item.challengeId) == IStreamBonds.ChallengeStatus.Convicted;
                assert((status == IDataAttestation.BatchStatus.Convicted) == isWon);
                bool isProven = attestation.verifyReading(item.leaf, handler.proofOf(stream, item.seq));
                assert(isProven == (status == IDataAttestation.BatchStatus.Standing));
            }
        }
    }

    /// @dev INV-B5, INV-B7: what is signed and answered in time is never convicted, and no bond leaves before its time.
    function _requireNoSurprise() private view {
        assert(handler.surprises() == 0);
    }
}

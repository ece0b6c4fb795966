// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DataAttestation} from "../../../contracts/DataAttestation.sol";
import {IDataAttestation} from "../../../contracts/interfaces/IDataAttestation.sol";
import {IStreamBonds} from "../../../contracts/interfaces/IStreamBonds.sol";
import {EuroToken} from "../../../contracts/mocks/EuroToken.sol";
import {BondsSetting} from "./BondsSetting.sol";
import {CHEATS} from "./Cheats.sol";

/// @dev Bonds, doubts, answers and proofs of equivocation at random, rightly and wrongly, on streams whose readings are
/// partly false. What must go through, and what must not, is foreseen; `surprises` counts where that failed.
contract BondsHandler is BondsSetting {
    uint256 private constant ACCOUNTS = 4;
    uint32 private constant WINDOW = 2 hours;

    uint256 public surprises;
    uint256 public answeredCount;
    uint256 public convictedCount;
    mapping(uint256 stream => uint256) public marks;

    constructor(DataAttestation attestation_) BondsSetting(attestation_) {}

    function setTerms(uint256 stream, uint256 token, uint128 stake, uint32 window) external {
        stream %= STREAMS;
        IStreamBonds.Bond memory bond = attestation.bond(streamIds[stream]);
        bool isFree = bond.amount == 0 && bond.openChallenges == 0 && bond.exitAt == 0;
        stake = uint128(1 + stake % 1e6);
        window = WINDOW + window % WINDOW;
        try attestation.setBondTerms(streamIds[stream], tokens[token % TOKENS], stake, window) {
            _expect(isFree);
        } catch {
            _expect(!isFree);
        }
    }

    function deposit(uint256 stream, uint256 account, uint64 amount) external {
        stream %= STREAMS;
        IStreamBonds.Bond memory bond = attestation.bond(streamIds[stream]);
        bool isOpen = address(bond.token) != address(0) && bond.exitAt == 0 && amount != 0;
        if (isOpen) _fund(bond, account, amount);
        CHEATS.prank(_account(account));
        try attestation.depositBond(streamIds[stream], amount) {
            _expect(isOpen);
        } catch {
            _expect(!isOpen);
        }
    }

    function announceExit(uint256 stream) external {
        if (stream % 8 >= STREAMS) return; // now and then
        IStreamBonds.Bond memory bond = attestation.bond(streamIds[stream % 8]);
        bool isBonded = bond.amount != 0 && bond.exitAt == 0;
        try attestation.announceExit(streamIds[stream % 8]) {
            _expect(isBonded);
        } catch {
            _expect(!isBonded);
        }
    }

    function withdrawBond(uint256 stream, uint256 account) external {
        stream %= STREAMS;
        IStreamBonds.Bond memory bond = attestation.bond(streamIds[stream]);
        bool isDue = bond.exitAt != 0 && _now() >= bond.exitAt && bond.openChallenges == 0;
        try attestation.withdrawBond(streamIds[stream], _account(account)) {
            _expect(isDue);
        } catch {
            _expect(!isDue);
        }
    }

    function withdrawPayout(uint256 token, uint256 account) external {
        EuroToken euro = tokens[token % TOKENS];
        uint256 won = attestation.payout(euro, _account(account));
        uint256 before = euro.balanceOf(address(this));
        CHEATS.prank(_account(account));
        try attestation.withdrawPayout(euro, address(this)) {
            _expect(won != 0 && euro.balanceOf(address(this)) == before + won);
        } catch {
            _expect(won == 0);
        }
    }

    function attest(uint256 stream, uint256 key, uint8 kind, bool supersede) external {
        _attest(stream % STREAMS, key, Kind(kind % (uint8(type(Kind).max) + 1)), supersede);
    }

    function challenge(uint256 stream, uint256 item, uint256 account, uint8 maxSeed) external {
        bool isStingy = maxSeed % 8 == 7;
        stream %= STREAMS;
        item %= itemCount(stream);
        Item memory doubted = items(stream, item);
        IStreamBonds.Bond memory bond = attestation.bond(streamIds[stream]);
        uint256 stake = uint256(bond.stake) << bond.openChallenges / 4;
        bool isDue = bond.exitAt == 0 ? bond.amount != 0 : _now() < bond.exitAt;
        (IDataAttestation.BatchStatus status,) = attestation.batchStatus(streamIds[stream], doubted.seq);
        bool isRight = isDue && !isStingy && !doubted.isChallenged && status == IDataAttestation.BatchStatus.Standing
            && bond.openChallenges < 128;
        if (isRight) _fund(bond, account, stake);
        IDataAttestation.Proof memory proof = proofOf(stream, doubted.seq);
        CHEATS.prank(_account(account));
        try attestation.challenge(doubted.leaf, proof, uint128(isStingy ? stake / 2 : stake)) returns (bytes32 id) {
            _expect(isRight && id == doubted.challengeId);
            _noteChallenge(stream, item);
        } catch {
            _expect(!isRight);
        }
    }

    function answer(uint256 seed, uint256 account, uint8 wrongSeed) external {
        bool isWrong = wrongSeed % 8 == 7;
        (uint256 stream, Item memory doubted) = _anyDoubted(seed);
        IStreamBonds.Challenge memory doubt = attestation.challengeOf(doubted.challengeId);
        bool isInTime = doubt.status == IStreamBonds.ChallengeStatus.Open && _now() <= doubt.deadline;
        bool isRight = isInTime && !isWrong && doubted.kind != Kind.Unanswerable;
        bytes memory signature = isWrong ? bytes.concat(doubted.signature, hex"00") : doubted.signature;
        CHEATS.prank(_account(account));
        try attestation.answer(doubted.challengeId, doubted.leaf, signature, doubted.document) {
            _expect(isRight);
            bool isGood = doubted.kind != Kind.Forged;
            _noteEnd(stream, doubted.challengeId, isGood);
        } catch {
            _expect(!isRight);
        }
    }

    function convict(uint256 seed, uint256 account) external {
        (uint256 stream, Item memory doubted) = _anyDoubted(seed);
        IStreamBonds.Challenge memory doubt = attestation.challengeOf(doubted.challengeId);
        bool isRight = doubt.status == IStreamBonds.ChallengeStatus.Open && _now() > doubt.deadline;
        CHEATS.prank(_account(account));
        try attestation.convict(doubted.challengeId) {
            _expect(isRight);
            _noteEnd(stream, doubted.challengeId, false);
        } catch {
            _expect(!isRight);
        }
    }

    /// @dev Starved of gas, an answer fails or goes as it must: it never convicts a reading that was signed.
    function answerStarved(uint256 seed, uint32 gasLimit) external {
        (uint256 stream, Item memory doubted) = _anyDoubted(seed);
        if (doubted.kind == Kind.Forged || doubted.kind == Kind.Unanswerable) return;
        try attestation.answer{gas: 10_000 + gasLimit % 150_000}(
            doubted.challengeId, doubted.leaf, doubted.signature, doubted.document
        ) {
            _noteEnd(stream, doubted.challengeId, true);
        } catch {}
    }

    function proveEquivocation(uint256 stream, uint256 account, uint32 seq, bool isGenuine) external {
        if (stream % 16 >= STREAMS) return; // now and then
        stream %= 16;
        (uint24 config, uint32 number) = (configs[stream], seq % (uint32(itemCount(stream)) + 3));
        IDataAttestation.Batch memory a = _draft(stream, "a");
        a.seq = number;
        IDataAttestation.Batch memory b = _draft(stream, isGenuine ? bytes32("b") : bytes32("a"));
        b.seq = number;
        CHEATS.prank(_account(account));
        try attestation.proveEquivocation(config, _signed(a, config), _signed(b, config)) {
            _expect(isGenuine);
            ++marks[stream];
        } catch {
            _expect(!isGenuine);
        }
        if (isGenuine) _renewCommittee(stream);
    }

    function disown(uint256 stream, uint32 seq) external {
        if (stream % 16 >= STREAMS) return; // now and then
        stream %= 16;
        uint32 count = uint32(itemCount(stream));
        uint32 firstSeq = attestation.term(streamIds[stream], configs[stream]).firstSeq;
        attestation.markCompromised(streamIds[stream], configs[stream], firstSeq + seq % (count + 2 - firstSeq));
        _renewCommittee(stream);
    }

    function pass(uint32 duration) external {
        _pass(duration % 4 == 0 ? duration % (3 * WINDOW) : duration % 10 minutes);
    }

    function accountAt(uint256 index) external pure returns (address) {
        return _account(index);
    }

    /// @dev Mostly one with a challenge open, if there is any; else any, challenged or not.
    function _anyDoubted(uint256 seed) private view returns (uint256 stream, Item memory item) {
        stream = seed % STREAMS;
        uint256 count = itemCount(stream);
        for (uint256 i = 0; i < count && seed % 8 != 0; ++i) {
            item = items(stream, (seed / 8 + i) % count);
            if (verdicts[item.challengeId] == IStreamBonds.ChallengeStatus.Open) return (stream, item);
        }
        return (stream, items(stream, seed % count));
    }

    function _noteEnd(uint256 stream, bytes32 challengeId, bool isGood) private {
        IStreamBonds.ChallengeStatus status = attestation.challengeOf(challengeId).status;
        _expect(status == (isGood ? IStreamBonds.ChallengeStatus.Answered : IStreamBonds.ChallengeStatus.Convicted));
        verdicts[challengeId] = status;
        if (isGood) ++answeredCount;
        else (++convictedCount, ++marks[stream]);
    }

    function _fund(IStreamBonds.Bond memory bond, uint256 account, uint256 amount) private {
        EuroToken(address(bond.token)).mint(_account(account), amount);
        CHEATS.prank(_account(account));
        bond.token.approve(address(attestation), amount);
    }

    function _expect(bool outcome) private {
        if (!outcome) ++surprises;
    }

    function _account(uint256 seed) private pure returns (address) {
        return address(uint160(0xACC0 + seed % ACCOUNTS));
    }
}

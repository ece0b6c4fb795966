// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IDataAttestation} from "./IDataAttestation.sol";
import {IDeviceRegistry} from "./IDeviceRegistry.sol";

/// @title Bonds of streams, and what costs a stream its bond.
/// @notice Whoever doubts that a device signed an attested reading challenges it with a small stake. The stream's oracles,
/// or anyone who has it, answer with the device's signature, whose hash is in the leaf. Silence, or a signature that
/// does not verify, convicts: the batch no longer counts, the stream is marked, and its bond goes to the challenger. So a
/// committee cannot attest what a device never signed, as long as somebody looks.
/// @dev What an answer proves. A native reading: that the device's key signed exactly the leaf's device, counter, time,
/// metric and value. A document (COSE_Sign1: the Sig_structure of RFC 9052 section 4.4; OCMF: the JSON payload section),
/// signed over its SHA-256: that the device's key signed this document, which the answer makes public; that the document
/// says what the leaf says is for the reader to compare. A score is never challenged: it is the committee's word.
/// @dev A key counts for a reading if it spoke for the device at the reading's time, or 900 s before (a reading may be
/// attested that much ahead of its time, and a rotation in between must not turn a good reading into a false one). An
/// oracle is safe if it takes a reading by the key of 900 s before, or by the key of a time that has passed; takes no
/// document too large for a transaction; and keeps all signatures and documents as long as the stream is bonded.
/// @dev No call of the game sends tokens: what is won is credited and fetched with {withdrawPayout}, so that no token or
/// receiver can hold up an answer or a conviction. A bond is worth what its token is worth: judge the terms.
/// @dev Without terms nothing can be challenged. A stream with a bond and no exit announced can be challenged on its
/// terms for at least two more answer windows, whatever happens: losing the bond announces the exit.
interface IStreamBonds {
    /// @notice Where a challenge stands.
    enum ChallengeStatus {
        None,
        Open,
        Answered,
        Convicted
    }

    /// @notice What a stream puts up, and on which terms.
    /// @param token ERC-20 of the bond and of challengers' stakes
    /// @param answerWindowSeconds time to answer a challenge
    /// @param exitAt unix second from which the bond may be withdrawn; 0 if no exit was announced
    /// @param openChallenges challenges not yet answered or convicted
    /// @param amount the bond, in the token's smallest unit
    /// @param stake what a challenge costs while fewer than four are open, in the token's smallest unit; goes to who
    /// answers it
    struct Bond {
        IERC20 token;
        uint32 answerWindowSeconds;
        uint40 exitAt;
        uint8 openChallenges;
        uint128 amount;
        uint128 stake;
    }

    /// @notice A doubt about one leaf.
    /// @param challenger who put up the stake
    /// @param deadline last second (unix) to answer
    /// @param seq batch of the leaf
    /// @param status where it stands
    /// @param doublings the stake put up is the stream's `stake << doublings`
    /// @param streamId stream of the leaf
    struct Challenge {
        address challenger;
        uint40 deadline;
        uint32 seq;
        ChallengeStatus status;
        uint8 doublings;
        bytes32 streamId;
    }

    /// @notice A batch with the signatures of its committee.
    struct SignedBatch {
        IDataAttestation.Batch batch;
        IDataAttestation.Quorum quorum;
    }

    event BondTermsSet(bytes32 indexed streamId, IERC20 indexed token, uint128 stake, uint32 answerWindowSeconds);
    event BondDeposited(bytes32 indexed streamId, address indexed from, uint128 amount);
    event ExitAnnounced(bytes32 indexed streamId, uint40 exitAt);
    event BondWithdrawn(bytes32 indexed streamId, address indexed to, uint128 amount);
    event PayoutWithdrawn(IERC20 indexed token, address indexed account, address indexed to, uint256 amount);
    event ReadingChallenged(
        bytes32 indexed challengeId,
        bytes32 indexed streamId,
        address indexed challenger,
        IDataAttestation.ReadingLeaf leaf,
        uint32 seq,
        uint40 deadline,
        uint256 stake
    );
    event ChallengeAnswered(bytes32 indexed challengeId, address indexed answerer, bytes signature, bytes document);
    event ChallengeConvicted(
        bytes32 indexed challengeId, bytes32 indexed streamId, address indexed challenger, uint32 seq, uint128 bond
    );
    event EquivocationProven(
        bytes32 indexed streamId,
        uint32 indexed seq,
        address indexed prover,
        uint24 config,
        bytes32 digestA,
        bytes32 digestB,
        uint128 bond
    );

    error BondTermsInvalid(
        IERC20 token, uint128 stake, uint32 answerWindowSeconds, uint256 minSeconds, uint256 maxSeconds
    );
    /// @notice Terms may change only while nothing is bonded and no exit is under way.
    error BondInUse(bytes32 streamId, uint128 amount);
    error BondMissing(bytes32 streamId);
    error AmountInvalid(uint256 amount, uint256 maximum);
    error PayoutMissing(IERC20 token, address account);
    error TransferIncomplete(uint256 expected, uint256 received);
    error ExitNotDue(bytes32 streamId, uint40 exitAt, uint256 timestamp);
    error ExitUnderWay(bytes32 streamId, uint40 exitAt);
    error ChallengesOpen(bytes32 streamId, uint8 openChallenges, uint256 maximum);
    error StakeAboveMaximum(bytes32 streamId, uint256 stake, uint128 maxStake);
    error LeafNotAttested(bytes32 streamId, uint32 seq, bytes32 leafHash);
    error ChallengeExists(bytes32 challengeId, ChallengeStatus status);
    error ChallengeNotOpen(bytes32 challengeId, ChallengeStatus status);
    /// @notice The leaf brought is not the one challenged: with it the id would be another.
    error LeafMismatch(bytes32 challengeId, bytes32 given);
    /// @notice What was brought is not what the leaf's `signatureHash` is the hash of.
    error EvidenceMismatch(bytes32 challengeId, bytes32 given, bytes32 expected);
    error AnswerPeriodOver(bytes32 challengeId, uint40 deadline, uint256 timestamp);
    error AnswerPeriodRunning(bytes32 challengeId, uint40 deadline, uint256 timestamp);
    /// @notice The batches are not of one stream and number, are one in content, or were never valid at one time.
    error NotEquivocation(bytes32 digestA, bytes32 digestB);
    error EquivocationAlreadyProven(bytes32 streamId, uint24 config, uint32 seq);

    /// @notice Choose token, stake and time to answer (1 hour to 30 days); stream owner only, while nothing is bonded and
    /// no exit is under way. Set the stake to what an answer costs in gas, or more.
    /// @param streamId the stream
    /// @param token an ERC-20 that takes no fee on transfer
    /// @param stake what a challenge costs while fewer than four are open, above 0
    /// @param answerWindowSeconds time to answer a challenge
    function setBondTerms(bytes32 streamId, IERC20 token, uint128 stake, uint32 answerWindowSeconds) external;

    /// @notice Add to a stream's bond; anyone may, unless its exit is announced. Credits what arrives.
    /// @param streamId the stream, with terms set
    /// @param amount the token's smallest unit
    function depositBond(bytes32 streamId, uint128 amount) external;

    /// @notice Announce that the bond will be withdrawn, two answer windows from now; stream owner only. Until then the
    /// stream can be challenged as before.
    /// @param streamId the stream
    function announceExit(bytes32 streamId) external;

    /// @notice Withdraw the bond, or what is left of it, and drop the terms; stream owner only, once the exit is due and no
    /// challenge is open.
    /// @param streamId the stream
    /// @param to receiver
    function withdrawBond(bytes32 streamId, address to) external;

    /// @notice Fetch what the caller has won: stakes and bonds.
    /// @param token the token
    /// @param to receiver
    function withdrawPayout(IERC20 token, address to) external;

    /// @notice Doubt that a device signed an attested reading. Takes the stake from the caller. A leaf is challenged once,
    /// and only until the exit is due.
    /// @dev At most 128 challenges of a stream are open at a time, and every four double the stake of the next: who would
    /// shut others out with challenges of its own must lock up four times what a real one costs then.
    /// @param leaf the reading
    /// @param proof where it stands
    /// @param maxStake the most the caller will put up, since others' challenges may raise the stake meanwhile
    /// @return challengeId `keccak256(abi.encode(streamId, seq, leafHash))`
    function challenge(
        IDataAttestation.ReadingLeaf calldata leaf,
        IDataAttestation.Proof calldata proof,
        uint128 maxStake
    ) external returns (bytes32 challengeId);

    /// @notice End a challenge with the device's signature; anyone may, until its deadline. If it verifies, the caller is
    /// credited the stake; if it is the one whose hash the leaf holds and does not verify, the challenge is won at once.
    /// A batch that was superseded or disowned meanwhile has still to be answered for.
    /// @param challengeId the challenge
    /// @param leaf the reading
    /// @param signature the device's signature: 128 bytes (P-256) or 65 bytes (secp256k1)
    /// @param document what was signed, if it was a document; empty for a native reading
    function answer(
        bytes32 challengeId,
        IDataAttestation.ReadingLeaf calldata leaf,
        bytes calldata signature,
        bytes calldata document
    ) external;

    /// @notice Win a challenge that nobody answered in time; anyone may call for the challenger, who is credited the stake
    /// and the stream's bond. Of several that are won, the first gets the bond, the others what is bonded by then.
    /// @param challengeId the challenge
    function convict(bytes32 challengeId) external;

    /// @notice Prove that a committee signed two different batches for one number, valid at one time. The committee counts
    /// as compromised from that number on (from its first, if it never could sign that number), the stream is marked, and
    /// the caller is credited its bond. Proven again, of an earlier number, the mark moves; a committee costs one bond.
    /// Former committees can be proven at fault as well, so their keys must be destroyed.
    /// @dev Batches differ if root, meta or supersedes do. Signing the same content again (with another `previous`, after a
    /// reorganisation), or other content that becomes valid only after the earlier batch's `validUntil`, is no fault.
    /// @param config number of the committee
    /// @param a a batch and its signatures
    /// @param b another
    function proveEquivocation(uint24 config, SignedBatch calldata a, SignedBatch calldata b) external;

    /// @notice Registry whose keys and digests decide challenges.
    function registry() external view returns (IDeviceRegistry);

    /// @notice The bond of a stream; all zero if it has no terms.
    /// @param streamId the stream
    function bond(bytes32 streamId) external view returns (Bond memory);

    /// @notice What an account has won and not yet withdrawn, in the token's smallest unit.
    /// @param token the token
    /// @param account the account
    function payout(IERC20 token, address account) external view returns (uint256);

    /// @notice A challenge; all zero if there is none.
    /// @param challengeId the challenge
    function challengeOf(bytes32 challengeId) external view returns (Challenge memory);
}

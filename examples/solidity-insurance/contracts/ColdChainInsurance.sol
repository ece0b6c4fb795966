// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDataAttestation} from "@gridwitness/contracts/interfaces/IDataAttestation.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title Insurance of goods that must stay cold. One proven reading above the limit pays, and nobody has to agree.
/// @notice An underwriter offers a policy and puts its payout up; whoever pays the premium before cover begins is insured.
/// @dev Times are unix seconds, both ends of the period covered. The token must be a plain ERC-20.
contract ColdChainInsurance {
    using SafeERC20 for IERC20;

    enum Status {
        None,
        Offered,
        Insured,
        Paid,
        Expired
    }

    struct Terms {
        bytes32 deviceId;
        int256 limitMilliCelsius;
        uint40 coveredFrom;
        uint40 coveredUntil;
        uint128 premium;
        uint128 payout;
    }

    struct Policy {
        Terms terms;
        address underwriter;
        address insured;
        Status status;
    }

    /// @notice What the sensor measures: thousandths of a degree Celsius.
    bytes32 public constant METRIC = "cargo:mCel";
    /// @notice Time to claim after the period covered.
    uint256 public constant CLAIM_SECONDS = 14 days;

    IDataAttestation public immutable attestation;
    /// @notice The only stream whose oracles count: anybody may open one.
    bytes32 public immutable trustedStream;
    /// @notice Readings that oracles scored higher do not pay: the sensor may be broken, or warmed by hand.
    uint16 public immutable maxScoreBps;
    IERC20 public immutable token;

    Policy[] private _policies;

    event PolicyOffered(uint256 indexed policyId, address indexed underwriter, Terms terms);
    event PolicyInsured(uint256 indexed policyId, address indexed insured);
    event PolicyPaid(uint256 indexed policyId, address indexed insured, int256 milliCelsius, uint64 time, uint32 seq);
    event PolicyExpired(uint256 indexed policyId);

    error PeriodInvalid(uint40 coveredFrom, uint40 coveredUntil, uint256 timestamp);
    error StatusUnexpected(uint256 policyId, Status given, Status expected);
    error CoverHasBegun(uint256 policyId, uint40 coveredFrom);
    error NotExpired(uint256 policyId, uint256 expiresAt);
    error StreamUnexpected(bytes32 given, bytes32 expected);
    error DeviceUnexpected(bytes32 given, bytes32 expected);
    error MetricUnexpected(bytes32 given, bytes32 expected);
    error ScoreTooHigh(uint16 scoreBps, uint16 maxScoreBps);
    error OutsidePeriod(uint64 time, uint40 coveredFrom, uint40 coveredUntil);
    error WithinLimit(int256 milliCelsius, int256 limitMilliCelsius);
    /// @notice The reading is not in that batch, or the batch does not count: superseded, convicted or compromised.
    error NotProven(uint32 seq, IDataAttestation.BatchStatus status);

    constructor(IDataAttestation attestation_, bytes32 trustedStream_, uint16 maxScoreBps_, IERC20 token_) {
        attestation = attestation_;
        trustedStream = trustedStream_;
        maxScoreBps = maxScoreBps_;
        token = token_;
    }

    /// @notice Offer a policy, and put its payout up.
    function offer(Terms calldata terms) external returns (uint256 policyId) {
        if (terms.coveredFrom <= block.timestamp || terms.coveredUntil < terms.coveredFrom) {
            revert PeriodInvalid(terms.coveredFrom, terms.coveredUntil, block.timestamp);
        }
        policyId = _policies.length;
        _policies.push(Policy(terms, msg.sender, address(0), Status.Offered));
        emit PolicyOffered(policyId, msg.sender, terms);
        token.safeTransferFrom(msg.sender, address(this), terms.payout);
    }

    /// @notice Be insured for the premium, which the underwriter keeps. Only before cover begins: afterwards the reading
    /// may be known.
    function insure(uint256 policyId) external {
        Policy storage policy = _policyIn(policyId, Status.Offered);
        if (block.timestamp >= policy.terms.coveredFrom) revert CoverHasBegun(policyId, policy.terms.coveredFrom);
        (policy.insured, policy.status) = (msg.sender, Status.Insured);
        emit PolicyInsured(policyId, msg.sender);
        token.safeTransferFrom(msg.sender, policy.underwriter, policy.terms.premium);
    }

    /// @notice Pay the insured for a reading above the limit; anyone may carry it, and it pays once.
    /// @dev The proof is checked now, not when it was made: a batch that was taken back in between pays nothing.
    function claim(
        uint256 policyId,
        IDataAttestation.ReadingLeaf calldata reading,
        IDataAttestation.Proof calldata proof
    ) external {
        Policy storage policy = _policyIn(policyId, Status.Insured);
        _requireCovered(policy.terms, reading);
        _requireProven(reading, proof);
        policy.status = Status.Paid;
        emit PolicyPaid(policyId, policy.insured, reading.value, reading.time, proof.seq);
        token.safeTransfer(policy.insured, policy.terms.payout);
    }

    /// @notice Give the payout back to the underwriter: from the beginning of the period if nobody bought the policy, else
    /// {CLAIM_SECONDS} after its end.
    function expire(uint256 policyId) external {
        bool isSold = _policies[policyId].insured != address(0);
        Policy storage policy = _policyIn(policyId, isSold ? Status.Insured : Status.Offered);
        uint256 expiresAt = isSold ? policy.terms.coveredUntil + CLAIM_SECONDS : policy.terms.coveredFrom;
        if (block.timestamp < expiresAt) revert NotExpired(policyId, expiresAt);
        policy.status = Status.Expired;
        emit PolicyExpired(policyId);
        token.safeTransfer(policy.underwriter, policy.terms.payout);
    }

    function policyOf(uint256 policyId) external view returns (Policy memory) {
        return _policies[policyId];
    }

    function _policyIn(uint256 policyId, Status expected) private view returns (Policy storage policy) {
        policy = _policies[policyId];
        if (policy.status != expected) revert StatusUnexpected(policyId, policy.status, expected);
    }

    function _requireCovered(Terms memory terms, IDataAttestation.ReadingLeaf calldata reading) private view {
        if (reading.deviceId != terms.deviceId) revert DeviceUnexpected(reading.deviceId, terms.deviceId);
        if (reading.metric != METRIC) revert MetricUnexpected(reading.metric, METRIC);
        if (reading.scoreBps > maxScoreBps) revert ScoreTooHigh(reading.scoreBps, maxScoreBps);
        if (reading.time < terms.coveredFrom || reading.time > terms.coveredUntil) {
            revert OutsidePeriod(reading.time, terms.coveredFrom, terms.coveredUntil);
        }
        if (reading.value <= terms.limitMilliCelsius) revert WithinLimit(reading.value, terms.limitMilliCelsius);
    }

    function _requireProven(IDataAttestation.ReadingLeaf calldata reading, IDataAttestation.Proof calldata proof)
        private
        view
    {
        if (proof.streamId != trustedStream) revert StreamUnexpected(proof.streamId, trustedStream);
        // True only for a batch that stands; its status is asked to say why one does not.
        if (attestation.verifyReading(reading, proof)) return;
        (IDataAttestation.BatchStatus status,) = attestation.batchStatus(proof.streamId, proof.seq);
        revert NotProven(proof.seq, status);
    }
}

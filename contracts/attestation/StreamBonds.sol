// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IStreamBonds} from "../interfaces/IStreamBonds.sol";
import {AttestationStreams} from "./AttestationStreams.sol";

/// @title The money of streams: bonds with their terms, and what was won from them.
/// @dev Of each token the contract holds at least all bonds, the stakes of open challenges, and all payouts.
abstract contract StreamBonds is IStreamBonds, AttestationStreams, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    uint256 private constant MIN_ANSWER_WINDOW_SECONDS = 1 hours;
    uint256 private constant MAX_ANSWER_WINDOW_SECONDS = 30 days;
    uint256 private constant EXIT_WINDOWS = 2;

    mapping(bytes32 streamId => Bond) internal _bonds;
    mapping(IERC20 token => mapping(address account => uint256)) private _payouts;

    /// @inheritdoc IStreamBonds
    function setBondTerms(bytes32 streamId, IERC20 token, uint128 stake, uint32 answerWindowSeconds)
        external
        nonReentrant
    {
        _owned(streamId);
        Bond storage record = _bonds[streamId];
        if (record.exitAt != 0) revert ExitUnderWay(streamId, record.exitAt);
        // Open challenges need no look: there are none without a bond or an exit.
        if (record.amount != 0) revert BondInUse(streamId, record.amount);
        if (
            address(token) == address(0) || stake == 0 || answerWindowSeconds < MIN_ANSWER_WINDOW_SECONDS
                || answerWindowSeconds > MAX_ANSWER_WINDOW_SECONDS
        ) {
            revert BondTermsInvalid(
                token, stake, answerWindowSeconds, MIN_ANSWER_WINDOW_SECONDS, MAX_ANSWER_WINDOW_SECONDS
            );
        }
        (record.token, record.stake, record.answerWindowSeconds) = (token, stake, answerWindowSeconds);
        emit BondTermsSet(streamId, token, stake, answerWindowSeconds);
    }

    /// @inheritdoc IStreamBonds
    function depositBond(bytes32 streamId, uint128 amount) external nonReentrant {
        Bond storage record = _bonds[streamId];
        if (address(record.token) == address(0)) revert BondMissing(streamId);
        if (record.exitAt != 0) revert ExitUnderWay(streamId, record.exitAt);
        uint256 room = type(uint128).max - record.amount;
        if (amount == 0 || amount > room) revert AmountInvalid(amount, room);
        uint256 received = _collect(record.token, amount);
        if (received == 0 || received > amount) revert TransferIncomplete(amount, received);
        record.amount += uint128(received);
        emit BondDeposited(streamId, msg.sender, uint128(received));
    }

    /// @inheritdoc IStreamBonds
    function announceExit(bytes32 streamId) external nonReentrant {
        _owned(streamId);
        Bond storage record = _bonds[streamId];
        if (record.exitAt != 0) revert ExitUnderWay(streamId, record.exitAt);
        if (record.amount == 0) revert BondMissing(streamId);
        _announceExit(streamId, record);
    }

    /// @inheritdoc IStreamBonds
    function withdrawBond(bytes32 streamId, address to) external nonReentrant {
        _owned(streamId);
        Bond memory record = _bonds[streamId];
        if (record.exitAt == 0 || block.timestamp < record.exitAt) {
            revert ExitNotDue(streamId, record.exitAt, block.timestamp);
        }
        if (record.openChallenges != 0) revert ChallengesOpen(streamId, record.openChallenges, 0);
        delete _bonds[streamId];
        emit BondWithdrawn(streamId, to, record.amount);
        // A bond that was lost left nothing but terms to drop.
        if (record.amount != 0) record.token.safeTransfer(to, record.amount);
    }

    /// @inheritdoc IStreamBonds
    function withdrawPayout(IERC20 token, address to) external nonReentrant {
        uint256 amount = _payouts[token][msg.sender];
        if (amount == 0) revert PayoutMissing(token, msg.sender);
        _payouts[token][msg.sender] = 0;
        emit PayoutWithdrawn(token, msg.sender, to, amount);
        token.safeTransfer(to, amount);
    }

    /// @inheritdoc IStreamBonds
    function bond(bytes32 streamId) external view returns (Bond memory) {
        return _bonds[streamId];
    }

    /// @inheritdoc IStreamBonds
    function payout(IERC20 token, address account) external view returns (uint256) {
        return _payouts[token][account];
    }

    /// @dev Credits a stream's bond to `winner`. Terms and challenges outlast it by the time of an exit: else an owner could
    /// end both at once by proving a fault of its own.
    function _forfeit(bytes32 streamId, address winner) internal returns (uint128 amount) {
        Bond storage record = _bonds[streamId];
        amount = record.amount;
        if (amount == 0) return 0;
        record.amount = 0;
        if (record.exitAt == 0) _announceExit(streamId, record);
        _credit(record.token, winner, amount);
    }

    function _credit(IERC20 token, address account, uint256 amount) internal {
        _payouts[token][account] += amount;
    }

    /// @dev Takes `amount` from the caller and returns what arrived.
    function _collect(IERC20 token, uint256 amount) internal returns (uint256) {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        return token.balanceOf(address(this)) - before;
    }

    function _announceExit(bytes32 streamId, Bond storage record) private {
        uint40 exitAt = uint40(block.timestamp + EXIT_WINDOWS * record.answerWindowSeconds);
        record.exitAt = exitAt;
        emit ExitAnnounced(streamId, exitAt);
    }
}

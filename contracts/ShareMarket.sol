// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IShareMarket} from "./interfaces/IShareMarket.sol";
import {IVersioned} from "./interfaces/IVersioned.sol";

contract ShareMarket is IShareMarket, EIP712, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    bytes32 private constant ASK = keccak256(
        "Ask(address shares,address seller,address buyer,address cash,uint64 amount,uint64 pricePerShare,uint64 number,uint40 expiresAt)"
    );
    uint64 private constant CANCELLED = type(uint64).max;

    /// @dev What was filled of asks, four numbers to a word, the lowest in the least significant 64 bits.
    mapping(address seller => mapping(uint256 word => uint256)) private _filled;

    constructor() EIP712("Gridwitness ShareMarket", "1") {}

    /// @inheritdoc IShareMarket
    function fill(Ask calldata ask, bytes calldata signature, uint64 amount, uint256 cashLimit)
        external
        nonReentrant
        returns (uint256 cash)
    {
        if (block.timestamp > ask.expiresAt) revert AskExpired(ask.expiresAt, block.timestamp);
        if (ask.buyer != address(0) && ask.buyer != msg.sender) revert AskNotForCaller(ask.buyer, msg.sender);
        if (amount == 0) revert AskAmountInvalid(amount);
        cash = uint256(amount) * ask.pricePerShare;
        if (cash > cashLimit) revert CashAboveLimit(cash, cashLimit);
        if (!SignatureChecker.isValidSignatureNowCalldata(ask.seller, _digest(ask), signature)) {
            revert AskSignatureInvalid(ask.seller);
        }
        _take(ask, amount);
        emit AskFilled(ask.seller, msg.sender, ask.shares, ask.number, amount, cash);
        _pay(ask, cash);
        // By the seller's allowance and the rules of the shares.
        // slither-disable-next-line arbitrary-send-erc20
        ask.shares.safeTransferFrom(ask.seller, msg.sender, amount);
    }

    /// @inheritdoc IShareMarket
    function cancel(uint64[] calldata numbers) external {
        for (uint256 i = 0; i < numbers.length; ++i) {
            uint64 number = numbers[i];
            _filled[msg.sender][number >> 2] |= uint256(CANCELLED) << _shiftOf(number);
            emit AskCancelled(msg.sender, number);
        }
    }

    /// @inheritdoc IShareMarket
    function filledOf(address seller, uint64 number) external view returns (uint64) {
        return uint64(_filled[seller][number >> 2] >> _shiftOf(number));
    }

    /// @inheritdoc IShareMarket
    function askDigest(Ask calldata ask) external view returns (bytes32) {
        return _digest(ask);
    }

    /// @inheritdoc IVersioned
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// @dev Count shares as filled, before anything is called.
    function _take(Ask calldata ask, uint64 amount) private {
        uint256 shift = _shiftOf(ask.number);
        uint256 word = _filled[ask.seller][ask.number >> 2];
        uint256 filled = uint64(word >> shift);
        uint256 left = filled < ask.amount ? ask.amount - filled : 0;
        if (amount > left) revert AskExhausted(ask.seller, ask.number, amount, left);
        unchecked {
            _filled[ask.seller][ask.number >> 2] = word + (uint256(amount) << shift);
        }
    }

    /// @dev Pay the seller. A token that says it did and did not is found out by the balance.
    function _pay(Ask calldata ask, uint256 cash) private {
        if (cash == 0 || ask.seller == msg.sender) return;
        uint256 before = ask.cash.balanceOf(ask.seller);
        ask.cash.safeTransferFrom(msg.sender, ask.seller, cash);
        uint256 received = ask.cash.balanceOf(ask.seller) - before;
        if (received < cash) revert CashNotReceived(ask.seller, received, cash);
    }

    /// @dev The fields of an ask stand in calldata as they are hashed, a word each.
    function _digest(Ask calldata ask) private view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ASK, ask)));
    }

    function _shiftOf(uint64 number) private pure returns (uint256) {
        return uint256(number & 3) << 6;
    }
}

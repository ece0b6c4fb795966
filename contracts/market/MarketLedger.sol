// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IEnergyMarket} from "../interfaces/IEnergyMarket.sol";
import {DeliverySlots} from "../libraries/DeliverySlots.sol";

/// @dev The money of EnergyMarket: zones with their backstops, and accounts. What accounts and backstops hold together
/// changes only where tokens move, in {_collect} and {_send}.
abstract contract MarketLedger is IEnergyMarket, AccessControl, ReentrancyGuardTransient {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    struct Account {
        uint128 free;
        uint128 reserved;
    }

    struct Backstop {
        uint128 balance;
        uint128 outstanding;
    }

    /// @inheritdoc IEnergyMarket
    bytes32 public constant ZONE_OPERATOR_ROLE = keccak256("ZONE_OPERATOR_ROLE");
    uint256 private constant FULL_BPS = 10_000;

    IERC20 private immutable _token;
    mapping(uint24 zone => ZoneParams) internal _zones;
    mapping(uint24 zone => Backstop) private _backstops;
    mapping(address account => Account) private _accounts;

    constructor(IERC20 token_, address admin) {
        _token = token_;
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
    }

    /// @inheritdoc IEnergyMarket
    function openZone(uint24 zone, ZoneParams calldata params) external onlyRole(ZONE_OPERATOR_ROLE) {
        if (_zones[zone].profileStream != 0) revert ZoneAlreadyOpen(zone);
        _requireAtLeastOne("zone", zone);
        _requireAtLeastOne("profileStream", uint256(params.profileStream));
        _requireAtLeastOne("tickSizePerKwh", params.tickSizePerKwh);
        _requireAtMost("longPricePerKwh", params.longPricePerKwh, params.shortPricePerKwh);
        _requireAtMost("toleranceBps", params.toleranceBps, FULL_BPS);
        _requireAtMost("holdScoreBps", params.holdScoreBps, FULL_BPS);
        _requireAtMost("gateLeadSlots", params.gateLeadSlots, DeliverySlots.MAX_GATE_LEAD);
        _requireAtMost("finalAfterSeconds", params.finalAfterSeconds, DeliverySlots.MAX_FINAL_AFTER);
        _zones[zone] = params;
        emit ZoneOpened(zone, params);
    }

    /// @inheritdoc IEnergyMarket
    function fundBackstop(uint24 zone, uint256 amount) external nonReentrant {
        if (_zones[zone].profileStream == 0) revert ZoneUnknown(zone);
        uint128 arrived = _collect(amount);
        _backstops[zone].balance += arrived;
        emit BackstopFunded(zone, msg.sender, arrived);
    }

    /// @inheritdoc IEnergyMarket
    function withdrawBackstop(uint24 zone, uint256 amount, address to)
        external
        nonReentrant
        onlyRole(ZONE_OPERATOR_ROLE)
    {
        Backstop storage stop = _backstops[zone];
        if (stop.outstanding != 0) revert SchedulesOutstanding(zone, stop.outstanding);
        if (amount > stop.balance) revert BackstopExhausted(zone, amount, stop.balance);
        stop.balance -= uint128(amount);
        emit BackstopWithdrawn(zone, to, amount);
        _send(to, amount);
    }

    /// @inheritdoc IEnergyMarket
    function deposit(address account, uint256 amount) external nonReentrant {
        _deposit(account, amount);
    }

    /// @inheritdoc IEnergyMarket
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external nonReentrant {
        // Somebody else may have sent the permit already; whether it took effect is for the allowance to say.
        try IERC20Permit(address(_token)).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _deposit(msg.sender, amount);
    }

    /// @inheritdoc IEnergyMarket
    function withdraw(uint256 amount, address to) external nonReentrant {
        Account storage account = _accounts[msg.sender];
        if (amount > account.free) revert InsufficientBalance(msg.sender, amount, account.free);
        account.free -= uint128(amount);
        emit Withdrawn(msg.sender, to, amount);
        _send(to, amount);
    }

    /// @inheritdoc IEnergyMarket
    function token() external view returns (address) {
        return address(_token);
    }

    /// @inheritdoc IEnergyMarket
    function zoneParams(uint24 zone) external view returns (ZoneParams memory) {
        return _zones[zone];
    }

    /// @inheritdoc IEnergyMarket
    function backstop(uint24 zone) external view returns (uint256 balance, uint256 outstanding) {
        Backstop storage stop = _backstops[zone];
        return (stop.balance, stop.outstanding);
    }

    /// @inheritdoc IEnergyMarket
    function balanceOf(address account) public view returns (uint256 free, uint256 reserved) {
        Account storage money = _accounts[account];
        return (money.free, money.reserved);
    }

    /// @dev Free `released` of an account's reserve and reserve `reserved` anew; the caller has checked the balance.
    function _reserve(address account, uint256 released, uint256 reserved) internal {
        Account memory money = _accounts[account];
        money.free = (money.free + released - reserved).toUint128();
        money.reserved = (money.reserved - released + reserved).toUint128();
        _accounts[account] = money;
    }

    /// @dev Count schedules of a zone that became outstanding or ceased to be.
    function _countOutstanding(uint24 zone, uint256 opened, uint256 closed) internal {
        if (opened == closed) return;
        _backstops[zone].outstanding = (_backstops[zone].outstanding + opened - closed).toUint128();
    }

    /// @dev Release a settled schedule's reserve, and move `cash` (received > 0) between its account and the backstop.
    /// @return uncollected what the account could not pay
    function _settleCash(uint24 zone, address account, uint256 released, int256 cash)
        internal
        returns (uint256 uncollected)
    {
        Backstop memory stop = _backstops[zone];
        Account memory money = _accounts[account];
        uint256 free = money.free + released;
        if (cash >= 0) {
            uint256 payout = uint256(cash);
            if (payout > stop.balance) revert BackstopExhausted(zone, payout, stop.balance);
            free += payout;
            stop.balance -= uint128(payout);
        } else {
            uint256 owed = uint256(-cash);
            uint256 paid = owed < free ? owed : free;
            uncollected = owed - paid;
            free -= paid;
            stop.balance = (stop.balance + paid).toUint128();
        }
        stop.outstanding -= 1;
        money.free = free.toUint128();
        money.reserved = (money.reserved - released).toUint128();
        _backstops[zone] = stop;
        _accounts[account] = money;
    }

    function _deposit(address account, uint256 amount) private {
        uint128 arrived = _collect(amount);
        _accounts[account].free += arrived;
        emit Deposited(account, msg.sender, arrived);
    }

    /// @dev Take tokens from the caller and return what really arrived, since a token may keep a fee.
    function _collect(uint256 amount) private returns (uint128) {
        uint256 before = _token.balanceOf(address(this));
        _token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 arrived = _token.balanceOf(address(this)) - before;
        if (arrived == 0) revert ZeroAmount();
        return arrived.toUint128();
    }

    function _send(address to, uint256 amount) private {
        if (amount == 0) revert ZeroAmount();
        _token.safeTransfer(to, amount);
    }

    function _requireAtLeastOne(bytes32 name, uint256 value) private pure {
        if (value == 0) revert ZoneParamInvalid(name, value, 1);
    }

    function _requireAtMost(bytes32 name, uint256 value, uint256 limit) private pure {
        if (value > limit) revert ZoneParamInvalid(name, value, limit);
    }
}

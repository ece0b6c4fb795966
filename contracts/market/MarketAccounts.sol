// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IDeviceRegistry} from "../interfaces/IDeviceRegistry.sol";
import {IEnergyMarket} from "../interfaces/IEnergyMarket.sol";
import {IMarketZones} from "../interfaces/IMarketZones.sol";
import {AccountMoney, ZoneMoney, packAccountMoney, packZoneMoney} from "../types/MarketMoney.sol";
import {MarketState} from "./MarketState.sol";

/// @dev Accounts and backstops of EnergyMarket. Tokens move in {_collect} and {_send} alone.
abstract contract MarketAccounts is MarketState, IEnergyMarket, AccessControl, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @inheritdoc IMarketZones
    bytes32 public constant ZONE_OPERATOR_ROLE = keccak256("ZONE_OPERATOR_ROLE");

    /// @inheritdoc IEnergyMarket
    IDeviceRegistry public immutable registry;
    IERC20 private immutable _token;

    constructor(IDeviceRegistry registry_, IERC20 token_, address admin) {
        registry = registry_;
        _token = token_;
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
    }

    /// @inheritdoc IMarketZones
    function fundBackstop(uint24 zone, uint256 amount) external nonReentrant {
        if (_newestRules[zone].orders.isUnknown()) revert ZoneUnknown(zone);
        uint256 arrived = _collect(amount);
        ZoneMoney money = _zones[zone];
        _zones[zone] = packZoneMoney(money.balance() + arrived, money.exposure(), money.inTransit(), money.isPaused());
        emit BackstopFunded(zone, msg.sender, arrived);
    }

    /// @inheritdoc IMarketZones
    function withdrawBackstop(uint24 zone, uint256 amount, address to)
        external
        nonReentrant
        onlyRole(ZONE_OPERATOR_ROLE)
    {
        ZoneMoney money = _zones[zone];
        if (amount > money.unexposed()) revert BackstopExhausted(zone, amount, money.unexposed());
        _zones[zone] = packZoneMoney(money.balance() - amount, money.exposure(), money.inTransit(), money.isPaused());
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
        AccountMoney money = _accounts[msg.sender];
        if (amount > money.free()) revert InsufficientBalance(msg.sender, amount, money.free());
        _accounts[msg.sender] = packAccountMoney(money.free() - amount, money.reserved());
        emit Withdrawn(msg.sender, to, amount);
        _send(to, amount);
    }

    /// @inheritdoc IEnergyMarket
    function consentAsPayee(bytes32 deviceId, bool consents) external {
        _payeeConsents[msg.sender][deviceId] = consents ? registry.device(deviceId).owner : address(0);
        emit PayeeConsented(msg.sender, deviceId, consents);
    }

    /// @inheritdoc IEnergyMarket
    function consentsAsPayee(address payee, bytes32 deviceId) external view returns (bool) {
        address owner = _payeeConsents[payee][deviceId];
        return owner != address(0) && owner == registry.device(deviceId).owner;
    }

    /// @inheritdoc IEnergyMarket
    function token() external view returns (address) {
        return address(_token);
    }

    /// @inheritdoc IMarketZones
    function backstop(uint24 zone) external view returns (Backstop memory) {
        ZoneMoney money = _zones[zone];
        return Backstop(money.balance(), money.exposure(), money.inTransit(), money.isPaused());
    }

    /// @inheritdoc IEnergyMarket
    function balanceOf(address account) external view returns (uint256 free, uint256 reserved) {
        AccountMoney money = _accounts[account];
        return (money.free(), money.reserved());
    }

    /// @dev Whether a schedule's account is paid for a device of this owner, and agreed to both.
    function _isPayee(Schedule calldata schedule, address owner) internal view returns (bool) {
        (address account, bytes32 deviceId) = (schedule.account, schedule.deviceId);
        return _payeeConsents[account][deviceId] == owner && registry.payeeOf(deviceId) == account;
    }

    function _deposit(address account, uint256 amount) private {
        uint256 arrived = _collect(amount);
        AccountMoney money = _accounts[account];
        _accounts[account] = packAccountMoney(money.free() + arrived, money.reserved());
        emit Deposited(account, msg.sender, arrived);
    }

    /// @dev Take tokens from the caller and return what really arrived, since a token may keep a fee.
    function _collect(uint256 amount) private returns (uint256 arrived) {
        uint256 before = _token.balanceOf(address(this));
        _token.safeTransferFrom(msg.sender, address(this), amount);
        arrived = _token.balanceOf(address(this)) - before;
        if (arrived == 0) revert ZeroAmount();
    }

    function _send(address to, uint256 amount) private {
        if (amount == 0) revert ZeroAmount();
        _token.safeTransfer(to, amount);
    }
}

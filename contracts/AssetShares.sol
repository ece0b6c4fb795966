// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IAssetShares} from "./interfaces/IAssetShares.sol";
import {IEnergyMarket} from "./interfaces/IEnergyMarket.sol";
import {IFeedAdapter} from "./interfaces/IFeedAdapter.sol";
import {IPassports} from "./interfaces/IPassports.sol";
import {IVersioned} from "./interfaces/IVersioned.sol";
import {SharedCode} from "./libraries/SharedCode.sol";
import {ShareLedger} from "./shares/ShareLedger.sol";
import {ShareAccount} from "./types/ShareAccount.sol";
import {ShareState} from "./types/ShareState.sol";

/// @dev What holders do, and what the asset is. Everything else is AssetGovernance, one code for all assets, which the fallback
/// runs on this storage. So a transfer costs no call to other code, as it would from a clone (ADR 0016).
contract AssetShares is ShareLedger, IAssetShares {
    using SafeERC20 for IERC20;

    uint8 private constant MAX_DECIMALS = 6;

    address private immutable _governance;
    IPassports private immutable _passportsOf;
    IERC20 private immutable _cash;
    IFeedAdapter private immutable _reserve;
    uint64 private immutable _reservePerShare;
    bool private immutable _reserveIsCumulative;
    uint32 private immutable _maxReserveAgeSeconds;
    uint40 private immutable _maturesAt;
    uint64 private immutable _redemptionPerShare;
    IEnergyMarket private immutable _market;
    /// @inheritdoc IERC20Metadata
    uint8 public immutable decimals;

    constructor(address governance, Terms memory terms_) {
        if (terms_.decimals > MAX_DECIMALS) revert TermInvalid("decimals", terms_.decimals, MAX_DECIMALS);
        if (address(terms_.passports) == address(0)) revert TermInvalid("passports", 0, 1);
        if (address(terms_.cash) == address(0)) revert TermInvalid("cash", 0, 1);
        address market = address(terms_.market);
        address paidIn = market == address(0) ? address(terms_.cash) : terms_.market.token();
        if (paidIn != address(terms_.cash)) {
            revert TermInvalid("cash", uint160(address(terms_.cash)), uint160(paidIn));
        }
        if (address(terms_.reserve) != address(0) && terms_.reservePerShare == 0) {
            revert TermInvalid("reservePerShare", 0, 1);
        }
        _governance = governance;
        (_name, _symbol, decimals) = (terms_.name, terms_.symbol, terms_.decimals);
        (_passportsOf, _cash) = (terms_.passports, terms_.cash);
        (_reserve, _reservePerShare) = (terms_.reserve, terms_.reservePerShare);
        _reserveIsCumulative = terms_.reserveIsCumulative;
        _maxReserveAgeSeconds = terms_.maxReserveAgeSeconds;
        (_maturesAt, _redemptionPerShare) = (terms_.maturesAt, terms_.redemptionPerShare);
        _market = terms_.market;
    }

    /// @dev Everything that {IAssetShares} does not have is AssetGovernance's.
    fallback() external {
        SharedCode.run(_governance);
    }

    /// @inheritdoc IERC20
    function transfer(address to, uint256 shares) external returns (bool) {
        _transfer(msg.sender, to, shares);
        return true;
    }

    /// @inheritdoc IERC20
    function transferFrom(address from, address to, uint256 shares) external returns (bool) {
        uint256 allowed = _allowances[from][msg.sender];
        if (allowed != type(uint256).max) {
            if (shares > allowed) revert ERC20InsufficientAllowance(msg.sender, allowed, shares);
            unchecked {
                _allowances[from][msg.sender] = allowed - shares;
            }
        }
        _transfer(from, to, shares);
        return true;
    }

    /// @inheritdoc IERC20
    function approve(address spender, uint256 shares) external returns (bool) {
        _approve(msg.sender, spender, shares);
        return true;
    }

    /// @inheritdoc IAssetShares
    function fund(uint256 cash) external nonReentrant {
        if (address(_market) != address(0)) revert RevenueMustBeAttested(address(_market));
        uint256 supply = _state.supply();
        (uint256 arrived, uint256 held) = supply == 0 ? (0, 0) : _collect(_cash, cash);
        // nothing at all arrived: what a stranger sends only makes it more
        // slither-disable-next-line incorrect-equality
        if (arrived == 0) revert NothingToFund(cash, supply);
        emit Funded(msg.sender, arrived, _payShares(arrived, held));
    }

    /// @inheritdoc IAssetShares
    function claim() external returns (uint256 cash) {
        return _claim(msg.sender);
    }

    /// @inheritdoc IAssetShares
    function claimFor(address account) external returns (uint256 cash) {
        return _claim(account);
    }

    /// @inheritdoc IAssetShares
    function claimable(address account) external view returns (uint256 cash) {
        return _accounts[account].due(_state.index());
    }

    /// @inheritdoc IERC20
    function balanceOf(address account) external view returns (uint256) {
        return _accounts[account].balance();
    }

    /// @inheritdoc IERC20
    function totalSupply() external view returns (uint256) {
        return _state.supply();
    }

    /// @inheritdoc IERC20
    function allowance(address owner, address spender) external view returns (uint256) {
        return _allowances[owner][spender];
    }

    /// @inheritdoc IERC20Metadata
    function name() external view returns (string memory) {
        return _name;
    }

    /// @inheritdoc IERC20Metadata
    function symbol() external view returns (string memory) {
        return _symbol;
    }

    /// @inheritdoc IAssetShares
    function terms() external view returns (Terms memory) {
        return Terms(
            _name,
            _symbol,
            decimals,
            _passportsOf,
            _cash,
            _reserve,
            _reservePerShare,
            _reserveIsCumulative,
            _maxReserveAgeSeconds,
            _maturesAt,
            _redemptionPerShare,
            _market
        );
    }

    /// @inheritdoc IVersioned
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    function _passports() internal view override returns (IPassports) {
        return _passportsOf;
    }

    function _claim(address account) private returns (uint256 cash) {
        ShareState state = _state;
        (ShareAccount word,) = _accepted(account, _accounts[account], state);
        if (word.hasFrozen()) {
            (uint256 balance, uint256 frozen) = (word.balance(), _frozen[account]);
            if (frozen >= balance) revert SharesAllFrozen(account, balance, frozen);
        }
        word = word.settled(state.index());
        cash = word.owed();
        if (cash == 0) revert NothingToClaim(account);
        _accounts[account] = word.paid();
        emit Claimed(account, cash);
        _cash.safeTransfer(account, cash);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IAssetShares} from "../interfaces/IAssetShares.sol";
import {IERC7943Fungible} from "../interfaces/IERC7943Fungible.sol";
import {IPassports} from "../interfaces/IPassports.sol";
import {ShareAccount} from "../types/ShareAccount.sol";
import {ShareState} from "../types/ShareState.sol";

/// @dev Holders of AssetShares: their words, what the rules say of them, and the one way in which shares move.
abstract contract ShareLedger is IERC20Errors, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    uint256 internal constant BPS = 10_000;

    struct HolderRules {
        uint16 classes;
        uint32 verdictSeconds;
        uint24 holderCap;
        uint40 lockUntil;
        uint40 epochBegunAt;
    }

    ShareState internal _state;
    mapping(address account => ShareAccount) internal _accounts;
    // AssetGovernance writes these three, on the same storage
    // slither-disable-start uninitialized-state
    HolderRules internal _holderRules;
    uint256[4] internal _countries;
    mapping(address account => uint256) internal _frozen;
    // slither-disable-end uninitialized-state
    mapping(address owner => mapping(address spender => uint256)) internal _allowances;
    /// @dev Cash that redemptions are paid from; all other cash is for claims.
    uint256 internal _redemptionCash;
    string internal _name;
    string internal _symbol;

    /// @dev What a passport says, as far as the rules ask.
    struct Judged {
        IAssetShares.Rule rule;
        uint256 value;
        uint256 limit;
        uint256 okUntil;
        uint256 wallets;
    }

    /// @dev Registry of passports: a term of the asset.
    function _passports() internal view virtual returns (IPassports);

    /// @dev Move shares as their holder: every rule is looked at.
    function _transfer(address from, address to, uint256 shares) internal {
        ShareState state = _unpaused(from);
        (ShareAccount sender,) = _accepted(from, _accounts[from], state);
        if (sender.hasFrozen()) _requireUnfrozen(from, sender.balance(), shares);
        ShareAccount receiver = _move(state, from, to, sender, shares);
        if (shares != 0) _requireHolding(state, to, receiver);
    }

    /// @dev Move shares between accounts whose words may have a fresh verdict; the sender's has been looked at. Returns the
    /// receiver, or nothing if that is the sender, who then has no more than before.
    function _move(ShareState state, address from, address to, ShareAccount sender, uint256 shares)
        internal
        returns (ShareAccount receiver)
    {
        uint256 available = sender.balance();
        if (shares > available) revert ERC20InsufficientBalance(from, available, shares);
        if (from == to) {
            _accounts[from] = sender;
            emit IERC20.Transfer(from, to, shares);
            return receiver;
        }
        uint256 wallets;
        (receiver, wallets) = _accepted(to, _accounts[to], state);
        uint256 index = state.index();
        sender = sender.settled(index).minus(shares);
        bool enters = receiver.balance() == 0 && shares != 0;
        receiver = receiver.settled(index).plus(shares);
        uint256 holders_ = state.holders();
        if (enters) {
            bool isNew;
            (isNew, sender, receiver) = _enter(from, to, sender, receiver, available, wallets);
            if (isNew) ++holders_;
        }
        _accounts[from] = sender;
        _accounts[to] = receiver;
        if (shares != 0 && shares == available && _leaves(from, sender)) --holders_;
        if (enters || shares == available) _keepHolders(state, to, holders_);
        emit IERC20.Transfer(from, to, shares);
    }

    /// @dev Add shares to the supply and to an account that the rules accept.
    function _issue(address to, uint256 shares) internal {
        if (to == address(0)) revert ERC20InvalidReceiver(to);
        ShareState state = _state;
        (ShareAccount receiver, uint256 wallets) = _accepted(to, _accounts[to], state);
        bool enters = receiver.balance() == 0 && shares != 0;
        receiver = receiver.settled(state.index()).plus(shares);
        state = state.withSupply(state.supply() + shares);
        uint256 holders_ = state.holders();
        if (enters) {
            bool isNew;
            (isNew,, receiver) = _enter(address(0), to, ShareAccount.wrap(0), receiver, 0, wallets);
            if (isNew) ++holders_;
        }
        _accounts[to] = receiver;
        _state = state;
        if (enters) _keepHolders(state, to, holders_);
        if (shares != 0) _requireHolding(state, to, receiver);
        emit IERC20.Transfer(address(0), to, shares);
    }

    /// @dev Take shares of an account, none of them frozen, out of the supply, when it could send them (ERC-7943). What it is due
    /// stays due.
    function _extinguish(address from, uint256 shares) internal {
        ShareState state = _unpaused(from);
        (ShareAccount holder,) = _accepted(from, _accounts[from], state);
        uint256 available = holder.balance();
        if (shares > available) revert ERC20InsufficientBalance(from, available, shares);
        if (holder.hasFrozen()) _requireUnfrozen(from, available, shares);
        holder = holder.settled(state.index()).minus(shares);
        _accounts[from] = holder;
        state = state.withSupply(state.supply() - shares);
        if (shares != 0 && shares == available && _leaves(from, holder)) {
            state = state.withHolders(state.holders() - 1);
        }
        _state = state;
        emit IERC20.Transfer(from, address(0), shares);
    }

    /// @dev The account, its passport asked if no verdict of before holds, and then how many wallets its investor has (else 0).
    /// Reverts if it breaks a rule.
    function _accepted(address account, ShareAccount word, ShareState state)
        internal
        view
        returns (ShareAccount, uint256 wallets)
    {
        uint256 epoch = state.epoch();
        if (word.isOk(epoch, block.timestamp)) return (word, 0);
        Judged memory judged = _judge(account);
        if (judged.rule != IAssetShares.Rule.None) {
            revert IAssetShares.RuleBroken(judged.rule, account, judged.value, judged.limit);
        }
        return (word.withVerdict(judged.okUntil, epoch), judged.wallets);
    }

    /// @dev What the rules say of an account's passport now.
    function _judge(address account) internal view returns (Judged memory judged) {
        (address investor, IPassports.Passport memory passport, uint256 wallets) = _passports().passportOf(account);
        if (investor == address(0)) return Judged(IAssetShares.Rule.Registration, 0, 0, 0, 0);
        if (passport.expiresAt < block.timestamp) {
            return Judged(IAssetShares.Rule.Passport, passport.expiresAt, block.timestamp, 0, wallets);
        }
        if ((_countries[passport.country >> 8] >> (passport.country & 0xff)) & 1 == 0) {
            return Judged(IAssetShares.Rule.Country, passport.country, 0, 0, wallets);
        }
        HolderRules storage rules_ = _holderRules;
        uint256 classes = rules_.classes;
        if ((classes >> passport.investorClass) & 1 == 0) {
            return Judged(IAssetShares.Rule.InvestorClass, passport.investorClass, classes, 0, wallets);
        }
        uint256 okUntil = block.timestamp + rules_.verdictSeconds;
        judged.wallets = wallets;
        judged.okUntil = okUntil < passport.expiresAt ? okUntil : passport.expiresAt;
    }

    /// @dev Pay cash that has come to all shares, of which there must be some. What a holder is owed is part of all that is held,
    /// and so fits the holder's word.
    function _payShares(uint256 cash, uint256 held) internal returns (uint256 index) {
        if (held > type(uint56).max) revert IAssetShares.CashHeldAboveLimit(held, type(uint56).max);
        ShareState state = _state.earned(cash);
        _state = state;
        return state.index();
    }

    /// @dev Take cash from the caller: what arrives, which may be less than was sent, and what is held then.
    function _collect(IERC20 token, uint256 cash) internal returns (uint256 arrived, uint256 held) {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), cash);
        held = token.balanceOf(address(this));
        arrived = held - before;
    }

    function _approve(address owner, address spender, uint256 shares) internal {
        if (spender == address(0)) revert ERC20InvalidSpender(spender);
        _allowances[owner][spender] = shares;
        emit IERC20.Approval(owner, spender, shares);
    }

    /// @dev Shares of a balance that are not frozen.
    function _unfrozen(address account, uint256 balance) internal view returns (uint256) {
        return Math.saturatingSub(balance, _frozen[account]);
    }

    function _requireUnfrozen(address account, uint256 balance, uint256 shares) internal view {
        if (shares > balance) revert ERC20InsufficientBalance(account, balance, shares);
        uint256 unfrozen = _unfrozen(account, balance);
        if (shares > unfrozen) revert IERC7943Fungible.ERC7943InsufficientUnfrozenBalance(account, shares, unfrozen);
    }

    /// @dev Shares of an investor beside those in `wallet`.
    function _inOtherWallets(address wallet) internal view returns (uint256 shares) {
        // whose it is, whatever the passport allows
        // slither-disable-next-line unused-return
        (address investor,,) = _passports().passportOf(wallet);
        address[] memory wallets = _passports().walletsOf(investor);
        for (uint256 i = 0; i < wallets.length; ++i) {
            if (wallets[i] != wallet) shares += _accounts[wallets[i]].balance();
        }
    }

    /// @dev Whether the investor of an account that just lost its last share has none in other wallets either.
    function _leaves(address account, ShareAccount word) private view returns (bool) {
        return !word.isShared() || _inOtherWallets(account) == 0;
    }

    /// @dev An account gets its first share: whether its investor had none. Wallets that have shares beside it, and itself, are
    /// marked as shared. `before` is what `from`, not written yet, had before this transfer.
    function _enter(address from, address to, ShareAccount sender, ShareAccount receiver, uint256 before, uint256 count)
        private
        returns (bool isNew, ShareAccount, ShareAccount)
    {
        isNew = true;
        // a passport has one wallet at least, and 1 is the cheap common case, not a guard
        // slither-disable-next-line incorrect-equality
        if (count == 1) return (isNew, sender, receiver);
        address investor;
        // the epoch was judged before
        // slither-disable-next-line unused-return
        (investor,, count) = _passports().passportOf(to);
        // as above
        // slither-disable-next-line incorrect-equality
        if (count == 1) return (isNew, sender, receiver);
        address[] memory wallets = _passports().walletsOf(investor);
        for (uint256 i = 0; i < wallets.length; ++i) {
            address wallet = wallets[i];
            if (wallet == to) continue;
            ShareAccount word = _accounts[wallet];
            if ((wallet == from ? before : word.balance()) == 0) continue;
            isNew = false;
            receiver = receiver.withShared();
            if (wallet == from) sender = sender.withShared();
            else if (!word.isShared()) _accounts[wallet] = word.withShared();
        }
        return (isNew, sender, receiver);
    }

    function _keepHolders(ShareState state, address to, uint256 count) private {
        if (count == state.holders()) return;
        if (count > state.holders()) {
            uint256 cap = _holderRules.holderCap;
            if (count > cap) revert IAssetShares.RuleBroken(IAssetShares.Rule.HolderCap, to, count, cap);
        }
        _state = state.withHolders(count);
    }

    function _requireHolding(ShareState state, address to, ShareAccount receiver) internal view {
        uint256 held = receiver.balance();
        if (receiver.isShared()) held += _inOtherWallets(to);
        uint256 bps = state.maxHoldingBps();
        if (held * BPS > state.supply() * bps) {
            revert IAssetShares.RuleBroken(IAssetShares.Rule.MaxHolding, to, held, state.supply() * bps / BPS);
        }
    }

    /// @dev The state, in which holders may let go of shares: reverts during a pause and the lock-up.
    function _unpaused(address from) private returns (ShareState state) {
        state = _state;
        if (state.isPaused()) revert IAssetShares.RuleBroken(IAssetShares.Rule.Pause, from, 0, 0);
        if (state.isLocked()) state = _unlocked(state, from);
    }

    /// @dev Reverts during the lock-up. After it the flag goes, so that nobody looks again.
    function _unlocked(ShareState state, address from) private returns (ShareState) {
        uint256 lockUntil = _holderRules.lockUntil;
        if (block.timestamp < lockUntil) {
            revert IAssetShares.RuleBroken(IAssetShares.Rule.LockUp, from, block.timestamp, lockUntil);
        }
        state = state.withLocked(false);
        _state = state;
        return state;
    }
}

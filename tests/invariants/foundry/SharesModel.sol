// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SharesSetting} from "./SharesSetting.sol";

/// @dev A plain book of the asset: who has how much, what is frozen, how long whom the asset has found good may rely on it. What
/// must go through is asked of this book, never of the contracts under test.
abstract contract SharesModel is SharesSetting {
    uint256 private constant BPS = 10_000;
    uint256 private constant EPOCH_SECONDS = 10 minutes;

    /// @dev A wallet found good, until a second and only under the rules of that time.
    struct Verdict {
        uint40 okUntil;
        uint40 rulesNumber;
    }

    mapping(address wallet => uint256) internal _balances;
    mapping(address wallet => uint256) internal _frozen;
    mapping(address owner => mapping(address spender => uint256)) internal _allowances;
    mapping(address wallet => Verdict) private _verdicts;
    mapping(uint256 number => uint256) private _holdings;
    uint40 private _rulesNumber;
    uint256 private _rulesSetAt = block.timestamp;
    uint256 internal _supply;
    bool internal _isPaused;
    uint256 public redemptionCash;

    /// @dev Investors with shares.
    function holders() public view returns (uint256 count) {
        for (uint256 number = 0; number < INVESTORS; ++number) {
            if (_holdings[number] != 0) ++count;
        }
    }

    /// @dev What the asset says of all wallets together, and whether of each what the book does.
    function audit() external view returns (uint256 held, uint256 due, bool isBooked) {
        isBooked = shares.totalSupply() == _supply;
        for (uint256 seat = 0; seat < SEATS; ++seat) {
            address wallet = _seat(seat);
            uint256 balance = shares.balanceOf(wallet);
            (held, due) = (held + balance, due + shares.claimable(wallet));
            isBooked = isBooked && balance == _balances[wallet] && governance.getFrozenTokens(wallet) == _frozen[wallet];
        }
    }

    /// @dev Whether the asset takes a wallet: by its passport, or by a verdict of before, which outlasts a revocation that the
    /// asset was not told of.
    function _isAccepted(address wallet) internal view returns (bool) {
        return _hasVerdict(wallet) || hasGoodPassport(wallet);
    }

    function _mayMint(address to, uint256 amount) internal view returns (bool) {
        uint256 held = _holdings[numberOf(to)];
        if (held == 0 && holders() >= _limits.holderCap) return false;
        return _isAccepted(to) && _isHoldingAllowed(held + amount, _supply + amount);
    }

    /// @dev Whether a holder may part with shares.
    function _maySend(address from, uint256 amount) internal view returns (bool) {
        return !_isPaused && _now() >= _limits.lockUntil && _isAccepted(from) && amount <= _unfrozen(from);
    }

    function _mayTransfer(address from, address to, uint256 amount) internal view returns (bool) {
        return _maySend(from, amount) && _isAccepted(to) && _fits(from, to, amount);
    }

    function _mayForce(address from, address to, uint256 amount) internal view returns (bool) {
        if (amount > _balances[from]) return false;
        return from == to || (_isAccepted(to) && _fits(from, to, amount));
    }

    function _mayRecover(address lost, address found) internal view returns (bool) {
        return lost != found && isRegistered(lost) && isRegistered(found) && numberOf(lost) == numberOf(found)
            && _isAccepted(found);
    }

    /// @dev Dividends wait for whom the asset refuses, and for who has no more shares than frozen ones.
    function _mayClaim(address account) internal view returns (bool) {
        uint256 frozen = _frozen[account];
        return _isAccepted(account) && (frozen == 0 || frozen < _balances[account]);
    }

    function _maySetRules() internal view returns (bool) {
        return _now() >= _rulesSetAt + EPOCH_SECONDS;
    }

    function _bookMint(address to, uint256 amount) internal {
        _keepVerdict(to);
        _give(to, amount);
        _supply += amount;
    }

    function _bookTransfer(address from, address to, uint256 amount) internal {
        _keepVerdict(from);
        _keepVerdict(to);
        _take(from, amount);
        _give(to, amount);
    }

    /// @dev Force frees what it moves beyond the shares that are free, and no more. The sender is not judged.
    function _bookForce(address from, address to, uint256 amount) internal {
        if (from == to) return;
        uint256 unfrozen = _unfrozen(from);
        if (amount > unfrozen) _frozen[from] -= amount - unfrozen;
        _keepVerdict(to);
        _take(from, amount);
        _give(to, amount);
    }

    function _bookRecover(address lost, address found) internal {
        _keepVerdict(found);
        uint256 balance = _balances[lost];
        _take(lost, balance);
        _give(found, balance);
        uint256 room = type(uint256).max - _frozen[found];
        _frozen[found] += _frozen[lost] < room ? _frozen[lost] : room;
        _frozen[lost] = 0;
    }

    function _bookRetire(address holder, uint256 amount) internal {
        _keepVerdict(holder);
        _take(holder, amount);
        _supply -= amount;
    }

    function _bookRules(Limits memory limits) internal {
        (_limits, _rulesSetAt) = (limits, _now());
        ++_rulesNumber;
    }

    /// @dev What a call leaves of an account that it found good; a verdict that lasts is not made anew.
    function _keepVerdict(address wallet) internal {
        if (!_hasVerdict(wallet)) _judge(wallet);
    }

    /// @dev A verdict made now, whatever was before.
    function _judge(address wallet) internal {
        uint256 expiresAt = _investors[numberOf(wallet)].expiresAt;
        uint256 okUntil = _now() + _limits.verdictSeconds;
        if (okUntil > expiresAt) okUntil = expiresAt;
        _verdicts[wallet] = Verdict(hasGoodPassport(wallet) ? uint40(okUntil) : 0, _rulesNumber);
    }

    function _judgeAll(uint256 number) internal {
        for (uint256 i = 0; i < _investors[number].wallets; ++i) {
            _judge(walletOf(number, i));
        }
    }

    function _hasVerdict(address wallet) private view returns (bool) {
        Verdict memory verdict = _verdicts[wallet];
        return verdict.rulesNumber == _rulesNumber && verdict.okUntil >= _now();
    }

    /// @dev Whether the caps let shares come to a wallet. An investor that takes the place of another enters a full house.
    function _fits(address from, address to, uint256 amount) private view returns (bool) {
        if (amount == 0 || from == to) return true;
        (uint256 giver, uint256 taker) = (numberOf(from), numberOf(to));
        uint256 held = _holdings[taker];
        if (giver == taker) return _isHoldingAllowed(held, _supply);
        bool isOneMore = held == 0 && _holdings[giver] > amount;
        return (!isOneMore || holders() < _limits.holderCap) && _isHoldingAllowed(held + amount, _supply);
    }

    function _isHoldingAllowed(uint256 held, uint256 supply) private view returns (bool) {
        return held * BPS <= supply * _limits.maxHoldingBps;
    }

    function _unfrozen(address wallet) private view returns (uint256) {
        return _balances[wallet] > _frozen[wallet] ? _balances[wallet] - _frozen[wallet] : 0;
    }

    function _take(address from, uint256 amount) private {
        _balances[from] -= amount;
        _holdings[numberOf(from)] -= amount;
    }

    function _give(address to, uint256 amount) private {
        _balances[to] += amount;
        _holdings[numberOf(to)] += amount;
    }
}

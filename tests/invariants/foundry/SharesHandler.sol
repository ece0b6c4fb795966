// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IShareMarket} from "../../../contracts/interfaces/IShareMarket.sol";
import {CHEATS} from "./Cheats.sol";
import {SharesModel} from "./SharesModel.sol";

/// @dev Everything that moves shares, cash or passports, at random, by everyone. Each call goes through if, and only if, the book
/// says so; `surprise` names the last thing that went otherwise.
contract SharesHandler is SharesModel {
    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    string public surprise;
    uint256 private _lastIndex;
    uint64 private _number;

    function mint(uint256 to, uint256 amount) external {
        address receiver = _seat(to);
        amount = 1 + amount % 1_000;
        bool may = _mayMint(receiver, amount);
        try governance.mint(receiver, amount) {
            _expect(may, "shares were minted against the rules");
            _bookMint(receiver, amount);
        } catch {
            _expect(!may, "mint was refused");
        }
        _keepIndex();
    }

    function transfer(uint256 from, uint256 to, uint256 amount) external {
        (address sender, address receiver) = (_seat(from), _seat(to));
        amount = _amount(sender, amount);
        bool may = _mayTransfer(sender, receiver, amount);
        _expect(governance.canTransfer(sender, receiver, amount) == may, "canTransfer was wrong");
        CHEATS.prank(sender);
        try shares.transfer(receiver, amount) returns (bool done) {
            _expect(may && done, "shares were sent against the rules");
            _bookTransfer(sender, receiver, amount);
        } catch {
            _expect(!may, "transfer was refused");
        }
    }

    function transferFrom(uint256 owner, uint256 spender, uint256 to, uint256 amount) external {
        (address sender, address caller, address receiver) = (_seat(owner), _spender(spender), _seat(to));
        amount = _amount(sender, amount);
        uint256 allowed = _allowances[sender][caller];
        bool may = allowed >= amount && _mayTransfer(sender, receiver, amount);
        CHEATS.prank(caller);
        try shares.transferFrom(sender, receiver, amount) {
            _expect(may, "a spender sent shares against the rules");
            if (allowed != type(uint256).max) _allowances[sender][caller] = allowed - amount;
            _bookTransfer(sender, receiver, amount);
        } catch {
            _expect(!may, "transferFrom was refused");
        }
        _expect(shares.allowance(sender, caller) == _allowances[sender][caller], "an allowance is not the book's");
    }

    function permit(uint256 owner, uint256 spender, uint256 amount, bool isForged) external {
        (address from, address to) = (_seat(owner), _spender(spender));
        amount = amount % 4 == 0 ? type(uint256).max : amount % 500;
        uint256 nonce = governance.nonces(from);
        bytes32 structHash = keccak256(abi.encode(PERMIT, from, to, amount, nonce, _now()));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", governance.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = CHEATS.sign(_keyOf(owner % SEATS) + (isForged ? 1 : 0), digest);
        try governance.permit(from, to, amount, _now(), v, r, s) {
            _expect(!isForged && governance.nonces(from) == nonce + 1, "a permit was taken that must not be");
            _allowances[from][to] = amount;
        } catch {
            _expect(isForged, "permit was refused");
        }
    }

    function fill(uint256 from, uint256 by, uint64 amount, uint64 price) external {
        (address seller, address buyer) = (_seat(from), _seat(by));
        uint64 part = uint64(_amount(seller, amount));
        IShareMarket.Ask memory ask =
            IShareMarket.Ask(shares, seller, address(0), IERC20(euro), part, price % 100, _number++, uint40(_now()));
        (uint8 v, bytes32 r, bytes32 s) = CHEATS.sign(_keyOf(from % SEATS), market.askDigest(ask));
        bool may = part != 0 && _mayTransfer(seller, buyer, part);
        uint256 cash = euro.balanceOf(seller);
        CHEATS.prank(buyer);
        try market.fill(ask, abi.encodePacked(r, s, v), part, type(uint256).max) returns (uint256 paid) {
            _expect(may, "shares were sold against the rules");
            _expect(paid == part * (price % 100), "the price is not the ask's");
            _expect(euro.balanceOf(seller) == cash + (seller == buyer ? 0 : paid), "the seller was not paid");
            _bookTransfer(seller, buyer, part);
        } catch {
            _expect(!may && euro.balanceOf(seller) == cash, "fill was refused");
        }
    }

    function force(uint256 from, uint256 to, uint256 amount) external {
        (address sender, address receiver) = (_seat(from), _seat(to));
        amount = _amount(sender, amount);
        bool may = _mayForce(sender, receiver, amount);
        try governance.forcedTransfer(sender, receiver, amount) {
            _expect(may, "shares were forced to whom the rules refuse");
            _bookForce(sender, receiver, amount);
        } catch {
            _expect(!may, "forcedTransfer was refused");
        }
        _keepIndex();
    }

    function recover(uint256 from, uint256 to, bool isOfOther) external {
        (address lost, address found) = (_seat(from), _seat(to));
        if (!isOfOther) found = walletOf(numberOf(lost), to % WALLETS);
        (uint256 due, uint256 dueThere) = (shares.claimable(lost), shares.claimable(found));
        bool may = _mayRecover(lost, found);
        try governance.recover(lost, found) {
            _expect(may, "shares were recovered to where they must not be");
            bool isDueThere = shares.claimable(lost) == 0 && shares.claimable(found) == due + dueThere;
            _expect(isDueThere, "dividends were lost in a recovery");
            _bookRecover(lost, found);
        } catch {
            _expect(!may, "recover was refused");
        }
        _keepIndex();
    }

    function retire(uint256 from, uint256 amount) external {
        address holder = _seat(from);
        amount = _amount(holder, amount);
        uint256 due = shares.claimable(holder);
        bool may = _maySend(holder, amount);
        CHEATS.prank(holder);
        try governance.retire(amount, "") {
            _expect(may && shares.claimable(holder) == due, "shares were retired against the rules, or dividends lost");
            _bookRetire(holder, amount);
        } catch {
            _expect(!may, "retire was refused");
        }
        _keepIndex();
    }

    function redeem(uint256 from, uint256 amount) external {
        address holder = _seat(from);
        amount = _amount(holder, amount);
        uint256 due = shares.claimable(holder);
        uint256 price = amount * REDEMPTION;
        bool may = _maySend(holder, amount) && price <= redemptionCash;
        CHEATS.prank(holder);
        try governance.redeem(amount) returns (uint256 cash) {
            _expect(may && shares.claimable(holder) == due, "shares were redeemed against the rules, or dividends lost");
            _expect(cash == price, "shares were redeemed at another price");
            redemptionCash -= price;
            _bookRetire(holder, amount);
        } catch {
            _expect(!may, "redeem was refused");
        }
        _keepIndex();
    }

    function fund(uint256 cash, bool isRedemption) external {
        cash = 1 + cash % 1e12;
        if (isRedemption) {
            cash = 1 + cash % 10_000;
            redemptionCash += cash;
            return governance.fundRedemption(cash);
        }
        try shares.fund(cash) {
            _expect(_supply != 0, "nobody was funded");
        } catch {
            _expect(_supply == 0, "fund was refused");
        }
        _keepIndex();
    }

    function claim(uint256 to, bool isByOther) external {
        address account = _seat(to);
        (uint256 due, uint256 cash) = (shares.claimable(account), euro.balanceOf(account));
        bool may = due != 0 && _mayClaim(account);
        if (!isByOther) CHEATS.prank(account);
        try shares.claimFor(account) returns (uint256 paid) {
            _expect(may && paid == due && euro.balanceOf(account) == cash + due, "a claim was paid that must not be");
            _expect(shares.claimable(account) == 0, "what was claimed is due again");
            _keepVerdict(account);
        } catch {
            _expect(!may && shares.claimable(account) == due, "claim was refused");
        }
    }

    function freeze(uint256 account, uint256 amount) external {
        address wallet = _seat(account);
        _frozen[wallet] = amount % 4 == 0 ? amount : amount % 4 == 1 ? amount % 2_000 : 0;
        governance.setFrozenTokens(wallet, _frozen[wallet]);
    }

    function setPassport(uint256 number, uint8 kind, uint32 duration, bool isAssetTold) external {
        number %= INVESTORS;
        if (kind % 8 == 0) {
            passports.revoke(walletOf(number, 0), _readers(isAssetTold));
            _investors[number].expiresAt = 0;
        } else {
            _givePassport(number, kind % 8 == 1, 1 hours + duration % 300 days, isAssetTold);
        }
        if (isAssetTold) _judgeAll(number);
    }

    /// @dev Anyone may have the asset look again.
    function refresh(uint256 account) external {
        governance.refresh(_seat(account));
        _judge(_seat(account));
    }

    function addWallet(uint256 number) external {
        Investor storage investor = _investors[number % INVESTORS];
        if (investor.wallets == WALLETS) return;
        passports.addWallet(walletOf(number % INVESTORS, 0), walletOf(number % INVESTORS, investor.wallets));
        ++investor.wallets;
    }

    function retireWallet(uint256 seed, bool isAssetTold) external {
        address wallet = _seat(seed / 8);
        if (seed % 8 != 0 || _retired[wallet] || !isRegistered(wallet)) return; // now and then
        passports.retireWallet(wallet, _readers(isAssetTold));
        _retired[wallet] = true;
        if (isAssetTold) _judge(wallet);
    }

    function setRules(uint24 holderCap, uint16 bps, uint32 verdict, uint32 lockUp, bool isAtOnce) external {
        if (!isAtOnce) _pass(10 minutes);
        Limits memory limits = Limits(1 + holderCap % 6, bps % 4 == 0 ? 4_000 : 10_000, 1 days, 0);
        if (verdict % 4 == 0) limits.verdictSeconds = verdict % 1 hours;
        if (lockUp % 4 == 0) limits.lockUntil = uint40(_now() + lockUp % 6 hours);
        bool may = _maySetRules();
        try governance.setRules(_rules(limits)) {
            _expect(may, "rules were set too soon");
            _bookRules(limits);
        } catch {
            _expect(!may, "setRules was refused");
        }
    }

    function pause(uint8 seed) external {
        _isPaused = seed % 8 == 0;
        governance.setPaused(_isPaused);
    }

    /// @dev Mostly less than a verdict lasts.
    function pass(uint32 duration) external {
        _pass(duration % 4 == 0 ? duration % 3 days : duration % 3 hours);
    }

    /// @dev Often all there is, sometimes too much.
    function _amount(address account, uint256 seed) private view returns (uint256) {
        uint256 balance = _balances[account];
        return seed % 4 == 0 ? balance : seed % (balance + 2);
    }

    /// @dev One of two, so that there often is an allowance.
    function _spender(uint256 seed) private view returns (address) {
        return walletOf(seed % 2, 0);
    }

    function _keepIndex() private {
        uint256 index = governance.dividendIndex();
        _expect(index >= _lastIndex, "the index fell");
        _lastIndex = index;
    }

    function _expect(bool condition, string memory otherwise) private {
        if (!condition) surprise = otherwise;
    }
}

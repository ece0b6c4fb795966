// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IShareMarket} from "../../../contracts/interfaces/IShareMarket.sol";
import {CHEATS} from "./Cheats.sol";
import {SharesSetting} from "./SharesSetting.sol";

/// @dev Everything that moves shares, cash or passports, at random, by everyone. `surprises` counts what must never happen:
/// shares that came to, or by their holder's will left, somebody the rules refused then; frozen ones that moved; more
/// than the largest holding; a `canTransfer` that was wrong; an index that fell.
contract SharesHandler is SharesSetting {
    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    uint256 public surprises;
    uint256 private _lastIndex;
    uint64 private _number;

    /// @dev What is known before a call that may move shares.
    struct Before {
        bool takesReceiver;
        bool takesSender;
        uint256 balance;
        uint256 frozen;
    }

    function mint(uint256 to, uint256 amount) external {
        address receiver = _seat(to);
        Before memory before = _before(address(0), receiver);
        amount = 1 + amount % 1_000;
        try governance.mint(receiver, amount) {
            _expect(before.takesReceiver);
        } catch {}
        _keepIndex();
    }

    function transfer(uint256 from, uint256 to, uint256 amount) external {
        (address sender, address receiver) = (_seat(from), _seat(to));
        amount = _amount(sender, amount);
        Before memory before = _before(sender, receiver);
        bool can = governance.canTransfer(sender, receiver, amount);
        CHEATS.prank(sender);
        try shares.transfer(receiver, amount) returns (bool done) {
            _expect(can && done);
            _expectByWill(before, sender, receiver, amount);
        } catch {
            _expect(!can);
        }
    }

    function transferFrom(uint256 owner, uint256 spender, uint256 to, uint256 amount) external {
        (address sender, address caller, address receiver) = (_seat(owner), _seat(spender), _seat(to));
        amount = _amount(sender, amount);
        Before memory before = _before(sender, receiver);
        uint256 allowed = shares.allowance(sender, caller);
        CHEATS.prank(caller);
        try shares.transferFrom(sender, receiver, amount) {
            _expect(allowed >= amount && shares.allowance(sender, caller) == allowed - amount);
            _expectByWill(before, sender, receiver, amount);
        } catch {}
    }

    function permit(uint256 owner, uint256 spender, uint256 amount, bool isForged) external {
        (address from, address to) = (_seat(owner), _seat(spender));
        uint256 nonce = governance.nonces(from);
        bytes32 structHash = keccak256(abi.encode(PERMIT, from, to, amount % 500, nonce, _now()));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", governance.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = CHEATS.sign(_keyOf(owner % SEATS) + (isForged ? 1 : 0), digest);
        try governance.permit(from, to, amount % 500, _now(), v, r, s) {
            _expect(!isForged && governance.nonces(from) == nonce + 1);
        } catch {
            _expect(isForged);
        }
    }

    function fill(uint256 from, uint256 by, uint64 amount, uint64 price) external {
        (address seller, address buyer) = (_seat(from), _seat(by));
        uint64 part = uint64(_amount(seller, amount));
        IShareMarket.Ask memory ask =
            IShareMarket.Ask(shares, seller, address(0), IERC20(euro), part, price % 100, _number++, uint40(_now()));
        (uint8 v, bytes32 r, bytes32 s) = CHEATS.sign(_keyOf(from % SEATS), market.askDigest(ask));
        bool can = governance.canTransfer(seller, buyer, part) && part != 0;
        Before memory before = _before(seller, buyer);
        uint256 cash = euro.balanceOf(seller);
        CHEATS.prank(buyer);
        try market.fill(ask, abi.encodePacked(r, s, v), part, type(uint256).max) returns (uint256 paid) {
            _expect(can && (seller == buyer || euro.balanceOf(seller) == cash + paid));
            _expectByWill(before, seller, buyer, part);
        } catch {
            _expect(!can && euro.balanceOf(seller) == cash);
        }
    }

    function force(uint256 from, uint256 to, uint256 amount) external {
        (address sender, address receiver) = (_seat(from), _seat(to));
        amount = _amount(sender, amount);
        Before memory before = _before(sender, receiver);
        try governance.forcedTransfer(sender, receiver, amount) {
            _expect(sender == receiver || before.takesReceiver);
            uint256 frozen = governance.getFrozenTokens(sender);
            if (sender == receiver) _expect(frozen == before.frozen);
            else _expect(frozen <= before.frozen && frozen + amount >= before.frozen);
        } catch {}
        _keepIndex();
    }

    function recover(uint256 from, uint256 to) external {
        (address lost, address found) = (_seat(from), _seat(from / WALLETS % INVESTORS * WALLETS + to % WALLETS));
        Before memory before = _before(lost, found);
        (uint256 due, uint256 dueThere) = (shares.claimable(lost), shares.claimable(found));
        uint256 held = heldBy(numberOf(lost));
        try governance.recover(lost, found) {
            _expect(before.takesReceiver && lost != found && isRegistered(lost));
            _expect(shares.claimable(lost) == 0 && shares.claimable(found) == due + dueThere);
            _expect(shares.balanceOf(lost) == 0 && heldBy(numberOf(found)) == held);
        } catch {
            _expect(!before.takesReceiver || lost == found || !isRegistered(lost));
        }
        _keepIndex();
    }

    function retire(uint256 from, uint256 amount, bool isRedeemed) external {
        address holder = _seat(from);
        amount = _amount(holder, amount);
        Before memory before = _before(holder, address(0));
        uint256 due = shares.claimable(holder);
        CHEATS.prank(holder);
        if (isRedeemed) {
            try governance.redeem(amount) returns (uint256 cash) {
                _expect(cash == amount * REDEMPTION);
            } catch {
                return;
            }
        } else {
            try governance.retire(amount, "") {}
            catch {
                return;
            }
        }
        _expect(before.takesSender && shares.claimable(holder) == due);
        if (amount != 0) _expect(shares.balanceOf(holder) >= before.frozen);
        _keepIndex();
    }

    function fund(uint256 cash, bool isRedemption) external {
        cash = 1 + cash % 1e12;
        uint256 supply = shares.totalSupply();
        if (isRedemption) return governance.fundRedemption(cash % 10_000);
        try shares.fund(cash) {
            _expect(supply != 0);
        } catch {
            _expect(supply == 0);
        }
        _keepIndex();
    }

    function claim(uint256 to, bool isByOther) external {
        address account = _seat(to);
        Before memory before = _before(account, address(0));
        (uint256 due, uint256 cash) = (shares.claimable(account), euro.balanceOf(account));
        bool isFrozen = before.frozen != 0 && before.frozen >= before.balance;
        bool can = before.takesSender && due != 0 && !isFrozen;
        if (!isByOther) CHEATS.prank(account);
        try shares.claimFor(account) returns (uint256 paid) {
            _expect(can && paid == due && euro.balanceOf(account) == cash + due && shares.claimable(account) == 0);
        } catch {
            _expect(!can && shares.claimable(account) == due);
        }
    }

    function freeze(uint256 account, uint256 amount) external {
        address wallet = _seat(account);
        governance.setFrozenTokens(wallet, amount % 4 == 0 ? amount : amount % 4 == 1 ? amount % 2_000 : 0);
    }

    function setPassport(uint256 number, uint8 kind, uint32 duration) external {
        number %= INVESTORS;
        if (kind % 8 != 0) return _givePassport(number, kind % 8 == 1, 1 hours + duration % 300 days);
        passports.revoke(walletOf(number, 0), _readers());
        _investors[number].expiresAt = 0;
    }

    function addWallet(uint256 number) external {
        Investor storage investor = _investors[number % INVESTORS];
        if (investor.wallets == WALLETS) return;
        passports.addWallet(walletOf(number % INVESTORS, 0), walletOf(number % INVESTORS, investor.wallets));
        ++investor.wallets;
    }

    function retireWallet(uint256 seed) external {
        address wallet = _seat(seed / 8);
        if (
            seed % 8 != 0 || _retired[wallet]
                || seed / 8 % SEATS % WALLETS >= _investors[seed / 8 % SEATS / WALLETS].wallets
        ) {
            return; // now and then
        }
        passports.retireWallet(wallet, _readers());
        _retired[wallet] = true;
    }

    function setRules(uint24 holderCap, uint16 bps) external {
        _pass(10 minutes);
        maxHoldingBps = bps % 4 == 0 ? 4_000 : 10_000;
        governance.setRules(_rules(1 + holderCap % 6, maxHoldingBps));
    }

    function pause(uint8 seed) external {
        governance.setPaused(seed % 8 == 0);
    }

    function pass(uint32 duration) external {
        _pass(duration % 3 days);
    }

    function _before(address from, address to) private view returns (Before memory) {
        return Before(isAccepted(to), isAccepted(from), shares.balanceOf(from), governance.getFrozenTokens(from));
    }

    /// @dev Often all there is, sometimes too much.
    function _amount(address account, uint256 seed) private view returns (uint256) {
        uint256 balance = shares.balanceOf(account);
        return seed % 4 == 0 ? balance : seed % (balance + 2);
    }

    function _expectByWill(Before memory before, address from, address to, uint256 amount) private {
        _expect(before.takesSender && before.takesReceiver);
        if (amount != 0 && from != to) {
            _expect(shares.balanceOf(from) == before.balance - amount && shares.balanceOf(from) >= before.frozen);
            _expect(heldBy(numberOf(to)) * 10_000 <= shares.totalSupply() * maxHoldingBps);
        }
        _keepIndex();
    }

    function _keepIndex() private {
        uint256 index = governance.dividendIndex();
        _expect(index >= _lastIndex);
        _lastIndex = index;
    }

    function _expect(bool condition) private {
        if (!condition) ++surprises;
    }
}

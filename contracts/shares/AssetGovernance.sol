// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC165} from "@openzeppelin/contracts/interfaces/IERC165.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IAssetGovernance} from "../interfaces/IAssetGovernance.sol";
import {IAssetRevenue} from "../interfaces/IAssetRevenue.sol";
import {IAssetShares} from "../interfaces/IAssetShares.sol";
import {IERC7943Fungible} from "../interfaces/IERC7943Fungible.sol";
import {IPassportReader, IPassports} from "../interfaces/IPassports.sol";
import {ShareAccount} from "../types/ShareAccount.sol";
import {ShareState} from "../types/ShareState.sol";
import {AssetRevenue} from "./AssetRevenue.sol";

/// @dev Runs on the storage of each AssetShares and at its address. Its own storage stands behind ShareLedger's.
contract AssetGovernance is AssetRevenue, IAssetGovernance, AccessControl, EIP712, Nonces {
    using Math for uint256;
    using SafeERC20 for IERC20;

    struct Document {
        bytes32 documentHash;
        uint40 setAt;
        string uri;
    }

    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
    uint256 private constant MAX_VERDICT_SECONDS = 1 days;
    /// @dev Fewer than 256 epochs in the longest verdict, so none that was counted round can be taken for an older one.
    uint256 private constant MIN_EPOCH_SECONDS = 10 minutes;

    /// @inheritdoc IAssetGovernance
    bytes32 public constant ISSUER_ROLE = keccak256("ISSUER_ROLE");
    /// @inheritdoc IAssetGovernance
    bytes32 public constant AGENT_ROLE = keccak256("AGENT_ROLE");

    /// @dev Made by the factory, which alone begins an asset.
    address private immutable _factory = msg.sender;

    mapping(bytes32 name => Document) private _documents;

    constructor() EIP712("Gridwitness AssetShares", "1") {}

    /// @notice Give a new asset its admin, who is its first issuer and agent, and its first rules. The factory calls it at once.
    function begin(address admin, IAssetShares.Rules calldata rules_) external {
        if (msg.sender != _factory) revert AccessControlUnauthorizedAccount(msg.sender, DEFAULT_ADMIN_ROLE);
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(ISSUER_ROLE, admin);
        _grantRole(AGENT_ROLE, admin);
        _setRules(rules_);
    }

    /// @inheritdoc IERC20Permit
    function permit(address owner, address spender, uint256 shares, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
    {
        if (block.timestamp > deadline) revert PermitExpired(deadline, block.timestamp);
        bytes32 structHash = keccak256(abi.encode(PERMIT, owner, spender, shares, _useNonce(owner), deadline));
        bytes32 digest = _hashTypedDataV4(structHash);
        if (!SignatureChecker.isValidSignatureNow(owner, digest, abi.encodePacked(r, s, v))) {
            revert PermitSignerInvalid(owner);
        }
        _approve(owner, spender, shares);
    }

    /// @inheritdoc IAssetGovernance
    function mint(address to, uint256 shares) external onlyRole(ISSUER_ROLE) {
        _issue(to, shares);
        IAssetShares.Terms memory terms_ = IAssetShares(address(this)).terms();
        if (address(terms_.reserve) == address(0)) return;
        // readFresh has judged the time already
        // slither-disable-next-line unused-return
        (int256 reserve,) = terms_.reserve.readFresh(terms_.maxReserveAgeSeconds);
        if (terms_.reserveIsCumulative) _minted += shares;
        uint256 needed = _reserveNeeded(terms_);
        uint256 covered = reserve < 0 ? 0 : uint256(reserve);
        if (covered < needed) revert ReserveTooSmall(covered, needed);
    }

    /// @inheritdoc IAssetGovernance
    function retire(uint256 shares, bytes32 purpose) external {
        _extinguish(msg.sender, shares);
        emit Retired(msg.sender, shares, purpose);
    }

    /// @inheritdoc IAssetGovernance
    function redeem(uint256 shares) external nonReentrant returns (uint256 cash) {
        IAssetShares.Terms memory terms_ = IAssetShares(address(this)).terms();
        if (terms_.maturesAt == 0 || block.timestamp < terms_.maturesAt) {
            revert NotMatured(terms_.maturesAt, block.timestamp);
        }
        _extinguish(msg.sender, shares);
        cash = shares * terms_.redemptionPerShare;
        if (cash > _redemptionCash) revert RedemptionUnfunded(cash, _redemptionCash);
        _redemptionCash -= cash;
        emit Redeemed(msg.sender, shares, cash);
        uint256 held = terms_.cash.balanceOf(address(this));
        terms_.cash.safeTransfer(msg.sender, cash);
        // The shares are gone, so the token is not believed.
        uint256 left = terms_.cash.balanceOf(address(this));
        if (left + cash != held) revert RedemptionUnpaid(msg.sender, cash, held, left);
    }

    /// @inheritdoc IAssetGovernance
    function fundRedemption(uint256 cash) external nonReentrant {
        IAssetShares.Terms memory terms_ = IAssetShares(address(this)).terms();
        if (terms_.maturesAt == 0) revert NotMatured(0, block.timestamp);
        (uint256 arrived,) = _collect(terms_.cash, cash);
        // nothing at all arrived: what a stranger sends only makes it more
        // slither-disable-next-line incorrect-equality
        if (arrived == 0) revert IAssetShares.NothingToFund(cash, _state.supply());
        _redemptionCash += arrived;
        emit RedemptionFunded(msg.sender, arrived);
    }

    /// @inheritdoc IERC7943Fungible
    function forcedTransfer(address from, address to, uint256 shares) external onlyRole(AGENT_ROLE) returns (bool) {
        ShareAccount sender = _accounts[from];
        if (from != to && sender.hasFrozen()) {
            uint256 unfrozen = _unfrozen(from, sender.balance());
            // What is missing stops being frozen; what was frozen ahead of its coming stays so.
            if (shares > unfrozen && shares <= sender.balance()) {
                sender = _setFrozen(from, sender, _frozen[from] - (shares - unfrozen));
            }
        }
        ShareState state = _state;
        ShareAccount receiver = _move(state, from, to, sender, shares);
        if (shares != 0) _requireHolding(state, to, receiver);
        emit ForcedTransfer(from, to, shares);
        return true;
    }

    /// @inheritdoc IERC7943Fungible
    function setFrozenTokens(address account, uint256 shares) external onlyRole(AGENT_ROLE) returns (bool) {
        _accounts[account] = _setFrozen(account, _accounts[account], shares);
        return true;
    }

    /// @inheritdoc IAssetGovernance
    function recover(address from, address to) external onlyRole(AGENT_ROLE) {
        // who they are is all that counts here, whatever their passports allow
        // slither-disable-start unused-return
        (address investor,,) = _passports().passportOf(from);
        (address other,,) = _passports().passportOf(to);
        // slither-disable-end unused-return
        if (investor == address(0) || investor != other || from == to) revert NotSameInvestor(from, to);
        ShareState state = _state;
        uint256 index = state.index();
        ShareAccount lost = _accounts[from].settled(index);
        (uint256 shares, uint256 cash, uint256 frozen) = (lost.balance(), lost.owed(), _frozen[from]);
        if (frozen != 0) lost = _setFrozen(from, lost, 0);
        _move(state, from, to, lost.paid(), shares);
        ShareAccount found = _accounts[to].settled(index);
        found = found.withOwed(found.owed() + cash);
        _accounts[to] = frozen == 0 ? found : _setFrozen(to, found, _frozen[to].saturatingAdd(frozen));
        emit Recovered(from, to, shares, cash);
    }

    /// @inheritdoc IAssetGovernance
    function setRules(IAssetShares.Rules calldata rules_) external onlyRole(ISSUER_ROLE) {
        _setRules(rules_);
    }

    /// @inheritdoc IAssetGovernance
    function beginEpoch() external onlyRole(AGENT_ROLE) {
        _beginEpoch();
    }

    /// @inheritdoc IAssetRevenue
    function addPlant(bytes32 deviceId) external onlyRole(ISSUER_ROLE) {
        _addPlant(deviceId);
    }

    /// @inheritdoc IAssetRevenue
    function removePlant(bytes32 deviceId) external onlyRole(ISSUER_ROLE) {
        _removePlant(deviceId);
    }

    /// @inheritdoc IAssetRevenue
    function returnDeposit(address to) external nonReentrant onlyRole(ISSUER_ROLE) returns (uint256 cash) {
        return _returnDeposit(to);
    }

    /// @inheritdoc IPassportReader
    function refresh(address account) external {
        ShareAccount word = _accounts[account];
        Judged memory judged = _judge(account);
        uint256 okUntil = judged.rule == IAssetShares.Rule.None ? judged.okUntil : 0;
        _accounts[account] = word.withVerdict(okUntil, _state.epoch());
    }

    /// @inheritdoc IAssetGovernance
    function setPaused(bool paused) external onlyRole(AGENT_ROLE) {
        _state = _state.withPaused(paused);
        emit PauseSet(paused);
    }

    /// @inheritdoc IAssetGovernance
    function setDocument(bytes32 name_, string calldata uri, bytes32 documentHash) external onlyRole(ISSUER_ROLE) {
        _documents[name_] = Document(documentHash, uint40(block.timestamp), uri);
        emit DocumentSet(name_, uri, documentHash);
    }

    /// @inheritdoc IAssetGovernance
    function document(bytes32 name_) external view returns (string memory uri, bytes32 documentHash, uint40 setAt) {
        Document storage kept = _documents[name_];
        return (kept.uri, kept.documentHash, kept.setAt);
    }

    /// @inheritdoc IAssetGovernance
    function isPaused() external view returns (bool) {
        return _state.isPaused();
    }

    /// @inheritdoc IAssetGovernance
    function holders() external view returns (uint256) {
        return _state.holders();
    }

    /// @inheritdoc IAssetGovernance
    function dividendIndex() external view returns (uint256) {
        return _state.index();
    }

    /// @inheritdoc IAssetGovernance
    function cashHeld() external view returns (uint256 dividends, uint256 redemptions) {
        redemptions = _redemptionCash;
        dividends = IAssetShares(address(this)).terms().cash.balanceOf(address(this)) - redemptions;
    }

    /// @inheritdoc IAssetGovernance
    function rules() external view returns (IAssetShares.Rules memory) {
        HolderRules storage kept = _holderRules;
        return IAssetShares.Rules(
            _countries,
            kept.classes,
            kept.verdictSeconds,
            kept.holderCap,
            uint16(_state.maxHoldingBps()),
            kept.lockUntil
        );
    }

    /// @inheritdoc IAssetGovernance
    function verdictOf(address account) external view returns (IAssetShares.Rule, uint256, uint256) {
        Judged memory judged = _judge(account);
        return (judged.rule, judged.value, judged.limit);
    }

    /// @inheritdoc IERC7943Fungible
    function getFrozenTokens(address account) external view returns (uint256) {
        return _frozen[account];
    }

    /// @inheritdoc IERC7943Fungible
    function canTransfer(address from, address to, uint256 shares) external view returns (bool) {
        if (!canSend(from) || !canReceive(to)) return false;
        uint256 available = _accounts[from].balance();
        if (shares > _unfrozen(from, available)) return false;
        return shares == 0 || from == to || _fits(from, to, shares, available);
    }

    /// @inheritdoc IERC20Permit
    // solhint-disable-next-line func-name-mixedcase
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// @inheritdoc IERC7943Fungible
    function canSend(address account) public view returns (bool) {
        ShareState state = _state;
        if (state.isPaused() || (state.isLocked() && block.timestamp < _holderRules.lockUntil)) return false;
        return _isAccepted(account, state);
    }

    /// @inheritdoc IERC7943Fungible
    function canReceive(address account) public view returns (bool) {
        return _isAccepted(account, _state);
    }

    /// @inheritdoc IERC20Permit
    function nonces(address owner) public view override(IERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 id) public view override(AccessControl, IERC165) returns (bool) {
        return id == type(IERC7943Fungible).interfaceId || id == type(IERC20).interfaceId || super.supportsInterface(id);
    }

    function _passports() internal view override returns (IPassports) {
        return IAssetShares(address(this)).terms().passports;
    }

    function _isAccepted(address account, ShareState state) private view returns (bool) {
        return _accounts[account].isOk(state.epoch(), block.timestamp) || _judge(account).rule == IAssetShares.Rule.None;
    }

    /// @dev Whether holder cap and largest holding let some of what `from` has go to another account.
    function _fits(address from, address to, uint256 shares, uint256 available) private view returns (bool) {
        // only whether they are one investor: their passports are judged before
        // slither-disable-start unused-return
        (address sender,,) = _passports().passportOf(from);
        (address receiver,,) = _passports().passportOf(to);
        // slither-disable-end unused-return
        ShareState state = _state;
        uint256 held = _accounts[to].balance() + _inOtherWallets(to);
        if (sender != receiver) {
            bool enters = held == 0 && (shares < available || _inOtherWallets(from) != 0);
            if (enters && state.holders() >= _holderRules.holderCap) return false;
            held += shares;
        }
        return held * BPS <= state.supply() * state.maxHoldingBps();
    }

    function _setFrozen(address account, ShareAccount word, uint256 shares) private returns (ShareAccount) {
        _frozen[account] = shares;
        emit Frozen(account, shares);
        return word.withFrozen(shares != 0);
    }

    function _setRules(IAssetShares.Rules calldata rules_) private {
        if (rules_.verdictSeconds > MAX_VERDICT_SECONDS) {
            revert IAssetShares.RuleInvalid("verdictSeconds", rules_.verdictSeconds, MAX_VERDICT_SECONDS);
        }
        if (rules_.maxHoldingBps > BPS) revert IAssetShares.RuleInvalid("maxHoldingBps", rules_.maxHoldingBps, BPS);
        _countries = rules_.countries;
        uint40 begunAt = _holderRules.epochBegunAt;
        _holderRules = HolderRules(rules_.classes, rules_.verdictSeconds, rules_.holderCap, rules_.lockUntil, begunAt);
        _state = _state.withMaxHolding(rules_.maxHoldingBps).withLocked(block.timestamp < rules_.lockUntil);
        emit RulesSet(rules_);
        _beginEpoch();
    }

    function _beginEpoch() private {
        uint256 nextAt = _holderRules.epochBegunAt + MIN_EPOCH_SECONDS;
        if (block.timestamp < nextAt) revert EpochTooSoon(nextAt, block.timestamp);
        _holderRules.epochBegunAt = uint40(block.timestamp);
        ShareState state = _state.withNextEpoch();
        _state = state;
        emit EpochBegun(uint8(state.epoch()));
    }
}

// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC1363Receiver} from "@openzeppelin/contracts/interfaces/IERC1363Receiver.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {AccountWord} from "./AccountWord.sol";
import {ClaimWord} from "./ClaimWord.sol";
import {CompactSignature} from "./CompactSignature.sol";
import {ConcentKeys} from "./ConcentKeys.sol";
import {IConcentDeposit} from "./interfaces/IConcentDeposit.sol";

/// @title The guarantee behind a deal
/// @notice See `IConcentDeposit`.
contract ConcentDeposit is IConcentDeposit, ConcentKeys {
    using SafeERC20 for IERC20;

    bytes32 private constant PROMISE_TYPEHASH =
        keccak256("Promise(address provider,uint96 amount,uint256 nonce,bytes32 deal,uint40 deadline)");
    bytes32 private constant RECEIPT_TYPEHASH = keccak256("Receipt(address requestor,bytes32 promiseDigest)");
    bytes32 private constant RULING_TYPEHASH =
        keccak256("Ruling(address requestor,bytes32 promiseDigest,uint96 amount,bytes32 evidence)");

    /// A window nobody would wait through, or a delay nobody would leave money under.
    uint256 private constant DELAY_MAX = 30 days;

    /// What is `s` in the `vs` of EIP-2098.
    bytes32 private constant S_MASK = bytes32(type(uint256).max >> 1);

    IERC20 private immutable _TOKEN;
    address private immutable _TREASURY;
    uint256 private immutable _WITHDRAW_DELAY;
    uint256 private immutable _CONTEST_WINDOW;
    uint256 private immutable _RULING_WINDOW;
    uint256 private immutable _FEE;
    uint256 private immutable _COVER;
    uint256 private immutable _DEPOSIT_MAX;

    /// An `AccountWord` each.
    mapping(address owner => uint256 word) private _accounts;
    /// A `ClaimWord` each.
    mapping(address requestor => mapping(bytes32 promiseDigest => uint256 word)) private _claims;
    /// A bit for each promise that was used up, by its number. Each pair has its own, or a requestor could use a
    /// provider's number up with a promise to a friend.
    mapping(address requestor => mapping(address provider => mapping(uint256 index => uint256 bits))) private _used;

    /// @param terms_ See `Terms`. Delays and windows from 1 second to 30 days.
    /// @param keys Of Concent, in ascending order; 1 to 16.
    /// @param threshold How many of them make a ruling.
    constructor(Terms memory terms_, address[] memory keys, uint256 threshold)
        EIP712("Golem ConcentDeposit", "1")
        ConcentKeys(keys, threshold, terms_.rotationDelay, terms_.dailyLimit)
    {
        if (address(terms_.token).code.length == 0) {
            revert NotAToken(address(terms_.token));
        }
        if (terms_.treasury == address(0)) revert BadTerm("treasury", 0, type(uint160).max);
        _checkDelay("withdrawDelay", terms_.withdrawDelay);
        _checkDelay("contestWindow", terms_.contestWindow);
        _checkDelay("rulingWindow", terms_.rulingWindow);
        _checkDelay("rotationDelay", terms_.rotationDelay);
        // Until the withdrawal a claim can come, be contested up to the end of its window, and wait for its ruling.
        uint256 leaving = uint256(terms_.withdrawDelay) + terms_.contestWindow + terms_.rulingWindow;
        if (terms_.rotationDelay < leaving) revert BadTerm("rotationDelay", terms_.rotationDelay, leaving);
        // Without a stake a claim of something that was never promised would cost its maker nothing.
        if (terms_.fee == 0) revert BadTerm("fee", 0, type(uint96).max);
        if (terms_.cover == 0) revert BadTerm("cover", 0, type(uint96).max);
        if (terms_.dailyLimit == 0 || terms_.dailyLimit > DAILY_LIMIT_MAX) {
            revert BadTerm("dailyLimit", terms_.dailyLimit, DAILY_LIMIT_MAX);
        }
        if (terms_.depositMax == 0) revert BadTerm("depositMax", 0, type(uint96).max);
        _TOKEN = terms_.token;
        _TREASURY = terms_.treasury;
        _WITHDRAW_DELAY = terms_.withdrawDelay;
        _CONTEST_WINDOW = terms_.contestWindow;
        _RULING_WINDOW = terms_.rulingWindow;
        _FEE = terms_.fee;
        _COVER = terms_.cover;
        _DEPOSIT_MAX = terms_.depositMax;
    }

    /// @inheritdoc IConcentDeposit
    function deposit(uint96 amount) external {
        _deposit(msg.sender, amount);
        _pull(amount);
    }

    /// @inheritdoc IConcentDeposit
    function depositByPermit(uint96 amount, uint256 deadline, bytes32 r, bytes32 vs) external {
        _deposit(msg.sender, amount);
        (uint8 v, bytes32 s) = (uint8(27 + (uint256(vs) >> 255)), vs & S_MASK);
        // If it fails, either the allowance is there all the same or the transfer says that it is not.
        try IERC20Permit(address(_TOKEN)).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _pull(amount);
    }

    /// @inheritdoc IConcentDeposit
    function onTransferReceived(address operator, address from, uint256 value, bytes calldata data)
        external
        returns (bytes4)
    {
        if (msg.sender != address(_TOKEN)) revert NotTheToken(msg.sender, address(_TOKEN));
        if (operator != from) revert NotTheOwner(operator, from);
        if (data.length != 0) revert BadLength(data.length);
        _deposit(from, value);
        return IERC1363Receiver.onTransferReceived.selector;
    }

    /// @inheritdoc IConcentDeposit
    function unlock() external {
        uint256 word = _accounts[msg.sender];
        // slither-disable-next-line incorrect-equality: a sum that is kept here, not a balance
        if (AccountWord.deposit(word) == 0) revert TooLittle(msg.sender, 0, 1);
        if (AccountWord.unlockAt(word) != 0) revert AlreadyUnlocked(uint40(AccountWord.unlockAt(word)));
        uint40 unlockAt = SafeCast.toUint40(block.timestamp + _WITHDRAW_DELAY);

        _accounts[msg.sender] = AccountWord.unlocked(word, unlockAt);
        emit Unlocked(msg.sender, unlockAt);
    }

    /// @inheritdoc IConcentDeposit
    function withdraw(uint96 amount) external {
        uint256 word = _accounts[msg.sender];
        uint256 unlockAt = AccountWord.unlockAt(word);
        uint256 free = AccountWord.free(word);
        // slither-disable-next-line incorrect-equality: 0 stands for locked
        if (unlockAt == 0) revert Locked(msg.sender);
        if (block.timestamp < unlockAt) revert TooEarly(unlockAt, block.timestamp);
        if (amount == 0) revert BadAmount(0, free);
        if (amount > free) revert TooLittle(msg.sender, free, amount);

        _accounts[msg.sender] = AccountWord.minusDeposit(word, amount);
        emit Withdrawn(msg.sender, amount);

        _TOKEN.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IConcentDeposit
    function claim(Promise calldata promised, bytes32 r, bytes32 vs, uint96 amount, uint96 reservedMin) external {
        if (msg.sender != promised.provider) revert NotTheProvider(msg.sender, promised.provider);
        if (block.timestamp > promised.deadline) revert TooLate(uint256(promised.deadline) + 1, block.timestamp);
        if (amount == 0 || amount > promised.amount) revert BadAmount(amount, promised.amount);
        (address requestor, bytes32 digest) = _requestor(promised, r, vs);
        uint256 bond = _FEE + _COVER;
        uint256 stake = _accounts[msg.sender];
        if (AccountWord.free(stake) < bond) revert TooLittle(msg.sender, AccountWord.free(stake), bond);
        uint256 word = _accounts[requestor];
        uint256 reserved = Math.min(amount, AccountWord.free(word));
        if (reserved == 0 || reserved < reservedMin) revert TooLittle(requestor, reserved, reservedMin);
        uint40 due = SafeCast.toUint40(block.timestamp + _CONTEST_WINDOW);

        _useUp(requestor, promised);
        _accounts[msg.sender] = AccountWord.plusReserved(stake, bond);
        _accounts[requestor] = AccountWord.plusReserved(word, reserved);
        _claims[requestor][digest] = ClaimWord.pack(Stage.Open, due, reserved, amount);
        emit Claimed(requestor, msg.sender, digest, amount, uint96(reserved), due);
    }

    /// @inheritdoc IConcentDeposit
    function contest(bytes32 promiseDigest_) external {
        uint256 claimed = _claims[msg.sender][promiseDigest_];
        Stage stage = ClaimWord.stage(claimed);
        uint256 due = ClaimWord.due(claimed);
        if (stage == Stage.None) revert NoClaim(msg.sender, promiseDigest_);
        if (stage == Stage.Contested) revert AlreadyContested(uint40(due));
        if (block.timestamp >= due) revert TooLate(due, block.timestamp);
        uint256 bond = _FEE + _COVER;
        uint256 word = _accounts[msg.sender];
        if (AccountWord.free(word) < bond) revert TooLittle(msg.sender, AccountWord.free(word), bond);
        due = SafeCast.toUint40(block.timestamp + _RULING_WINDOW);

        _accounts[msg.sender] = AccountWord.plusReserved(word, bond);
        _claims[msg.sender][promiseDigest_] =
            ClaimWord.pack(Stage.Contested, due, ClaimWord.reserved(claimed), ClaimWord.amount(claimed));
        emit Contested(msg.sender, promiseDigest_, uint40(due));
    }

    /// @inheritdoc IConcentDeposit
    function settle(address requestor, Promise calldata promised) external {
        bytes32 digest = promiseDigest(promised);
        uint256 claimed = _claims[requestor][digest];
        if (ClaimWord.stage(claimed) == Stage.None) revert NoClaim(requestor, digest);
        if (block.timestamp < ClaimWord.due(claimed)) revert TooEarly(ClaimWord.due(claimed), block.timestamp);
        uint256 paid = ClaimWord.stage(claimed) == Stage.Open ? ClaimWord.reserved(claimed) : 0;

        _release(requestor, digest, claimed, promised.provider, paid);
        if (paid == 0) {
            emit Lapsed(requestor, promised.provider, digest);
            return;
        }
        emit Settled(requestor, promised.provider, digest, uint96(paid));

        _TOKEN.safeTransfer(promised.provider, paid);
    }

    /// @inheritdoc IConcentDeposit
    function rule(
        Promise calldata promised,
        bytes32 r,
        bytes32 vs,
        uint96 amount,
        bytes32 evidence,
        bytes calldata signatures
    ) external {
        (address requestor, bytes32 digest) = _requestor(promised, r, vs);
        if (amount > promised.amount) revert BadAmount(amount, promised.amount);
        // Whatever was claimed is used up, so that of the two only one has to be looked at.
        (uint256 paid, uint256 moved) = isUsedUp(requestor, promised.provider, promised.nonce)
            ? _ruleClaim(promised, requestor, digest, amount)
            : _ruleUnclaimed(promised, requestor, amount);
        _checkRuling(rulingDigest(requestor, digest, amount, evidence), signatures, moved);
        emit Ruled(requestor, promised.provider, digest, uint96(paid), evidence);

        if (paid != 0) _TOKEN.safeTransfer(promised.provider, paid);
    }

    /// @inheritdoc IConcentDeposit
    function void(Promise calldata promised, bytes32 r, bytes32 vs, bytes32 receiptR, bytes32 receiptVs) external {
        (address requestor, bytes32 digest) = _requestor(promised, r, vs);
        address signer = CompactSignature.signer(receiptDigest(requestor, digest), receiptR, receiptVs);
        if (signer != promised.provider) revert BadSignature(signer);
        uint256 claimed = _claims[requestor][digest];
        if (claimed == 0) {
            _useUp(requestor, promised);
            emit Voided(requestor, promised.provider, digest);
            return;
        }
        _release(requestor, digest, claimed, promised.provider, 0);
        _accounts[promised.provider] = AccountWord.minusDeposit(_accounts[promised.provider], _FEE + _COVER);
        _credit(requestor, _FEE);
        emit Voided(requestor, promised.provider, digest);

        _TOKEN.safeTransfer(msg.sender, _COVER);
    }

    /// @inheritdoc IConcentDeposit
    function account(address owner) external view returns (Account memory) {
        uint256 word = _accounts[owner];
        return Account({
            deposit: uint96(AccountWord.deposit(word)),
            reserved: uint96(AccountWord.reserved(word)),
            unlockAt: uint40(AccountWord.unlockAt(word))
        });
    }

    /// @inheritdoc IConcentDeposit
    function claimOf(address requestor, bytes32 promiseDigest_) external view returns (Claim memory) {
        uint256 word = _claims[requestor][promiseDigest_];
        return Claim({
            amount: uint96(ClaimWord.amount(word)),
            reserved: uint96(ClaimWord.reserved(word)),
            due: uint40(ClaimWord.due(word)),
            stage: ClaimWord.stage(word)
        });
    }

    /// @inheritdoc IConcentDeposit
    function isUsedUp(address requestor, address provider, uint256 nonce) public view returns (bool) {
        return _used[requestor][provider][nonce >> 8] & (1 << (nonce & 0xff)) != 0;
    }

    /// @inheritdoc IConcentDeposit
    function terms() external view returns (Terms memory) {
        return Terms({
            token: _TOKEN,
            treasury: _TREASURY,
            withdrawDelay: uint32(_WITHDRAW_DELAY),
            contestWindow: uint32(_CONTEST_WINDOW),
            rulingWindow: uint32(_RULING_WINDOW),
            rotationDelay: uint32(_ROTATION_DELAY),
            fee: uint96(_FEE),
            cover: uint96(_COVER),
            dailyLimit: uint96(_DAILY_LIMIT),
            depositMax: uint96(_DEPOSIT_MAX)
        });
    }

    /// @inheritdoc IConcentDeposit
    function promiseDigest(Promise calldata promised) public view returns (bytes32) {
        bytes32 structHash = keccak256(
            abi.encode(
                PROMISE_TYPEHASH, promised.provider, promised.amount, promised.nonce, promised.deal, promised.deadline
            )
        );
        return _hashTypedDataV4(structHash);
    }

    /// @inheritdoc IConcentDeposit
    function receiptDigest(address requestor, bytes32 promiseDigest_) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(RECEIPT_TYPEHASH, requestor, promiseDigest_)));
    }

    /// @inheritdoc IConcentDeposit
    function rulingDigest(address requestor, bytes32 promiseDigest_, uint96 amount, bytes32 evidence)
        public
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(keccak256(abi.encode(RULING_TYPEHASH, requestor, promiseDigest_, amount, evidence)));
    }

    /// @inheritdoc IConcentDeposit
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function _deposit(address owner, uint256 amount) private {
        uint256 word = _accounts[owner];
        // Not what is at stake: else claims of all it has would keep a requestor from the bond it contests them with.
        uint256 free = AccountWord.free(word) + amount;
        if (amount == 0) revert BadAmount(0, _DEPOSIT_MAX);
        if (free > _DEPOSIT_MAX) revert DepositTooLarge(free, _DEPOSIT_MAX);
        uint96 total = SafeCast.toUint96(AccountWord.reserved(word) + free);

        _accounts[owner] = AccountWord.locked(word, amount);
        emit Deposited(owner, total);
    }

    /// Pays a promise that nobody claimed.
    function _ruleUnclaimed(Promise calldata promised, address requestor, uint256 amount)
        private
        returns (uint256 paid, uint256 moved)
    {
        uint256 due = uint256(promised.deadline) + _RULING_WINDOW;
        if (block.timestamp >= due) revert TooLate(due, block.timestamp);
        if (amount == 0) revert BadAmount(0, promised.amount);
        uint256 word = _accounts[requestor];
        paid = Math.min(amount, AccountWord.free(word));
        // Else a requestor could put all it has at stake with a friend, show the ruling, and be rid of it for nothing.
        // slither-disable-next-line incorrect-equality: a sum that is kept here, not a balance
        if (paid < amount && (paid == 0 || msg.sender != promised.provider)) revert TooLittle(requestor, paid, amount);

        _useUp(requestor, promised);
        _accounts[requestor] = AccountWord.minusDeposit(word, paid);
        return (paid, paid);
    }

    /// Ends a claim by a ruling. `moved` is all that changes its owner.
    function _ruleClaim(Promise calldata promised, address requestor, bytes32 digest, uint256 amount)
        private
        returns (uint256 paid, uint256 moved)
    {
        address provider = promised.provider;
        uint256 claimed = _claims[requestor][digest];
        if (claimed == 0) revert UsedUp(requestor, provider, promised.nonce);
        if (block.timestamp >= ClaimWord.due(claimed)) revert TooLate(ClaimWord.due(claimed), block.timestamp);
        bool contested = ClaimWord.stage(claimed) == Stage.Contested;
        bool granted = amount >= ClaimWord.amount(claimed);
        // Else Concent alone could take the bond of any claim, part of which goes to its treasury.
        if (!granted && !contested) revert NotContested(requestor, digest);
        paid = Math.min(amount, ClaimWord.reserved(claimed));
        moved = paid;

        _release(requestor, digest, claimed, provider, paid);
        // Who did not contest staked nothing, and loses no more than what was claimed.
        if (!contested) return (paid, moved);
        (address winner, address loser) = granted ? (provider, requestor) : (requestor, provider);
        moved += _FEE + _COVER;
        _accounts[loser] = AccountWord.minusDeposit(_accounts[loser], _FEE + _COVER);
        _credit(winner, _COVER);
        _credit(_TREASURY, _FEE);
    }

    /// Deletes a claim: nothing of either account is at stake for it any more, and `paid` has left the requestor's.
    function _release(address requestor, bytes32 digest, uint256 claimed, address provider, uint256 paid) private {
        uint256 bond = _FEE + _COVER;
        uint256 staked = ClaimWord.reserved(claimed) + (ClaimWord.stage(claimed) == Stage.Contested ? bond : 0);
        delete _claims[requestor][digest];
        _accounts[requestor] = AccountWord.minusDeposit(AccountWord.minusReserved(_accounts[requestor], staked), paid);
        _accounts[provider] = AccountWord.minusReserved(_accounts[provider], bond);
    }

    /// Does not lock the account: nobody but its owner moves its times.
    function _credit(address owner, uint256 amount) private {
        uint256 word = _accounts[owner];
        // slither-disable-next-line unused-return: for its check alone
        SafeCast.toUint96(AccountWord.deposit(word) + amount);
        _accounts[owner] = AccountWord.plusDeposit(word, amount);
    }

    function _useUp(address requestor, Promise calldata promised) private {
        uint256 nonce = promised.nonce;
        uint256 bit = 1 << (nonce & 0xff);
        uint256 bits = _used[requestor][promised.provider][nonce >> 8];
        if (bits & bit != 0) revert UsedUp(requestor, promised.provider, nonce);
        _used[requestor][promised.provider][nonce >> 8] = bits | bit;
    }

    /// Who signed a promise, and its digest.
    function _requestor(Promise calldata promised, bytes32 r, bytes32 vs)
        private
        view
        returns (address requestor, bytes32 digest)
    {
        digest = promiseDigest(promised);
        requestor = CompactSignature.signer(digest, r, vs);
        if (requestor == address(0)) revert BadSignature(requestor);
        if (promised.provider == address(0) || promised.provider == requestor) revert BadProvider(promised.provider);
    }

    /// Collects `total` from the caller.
    function _pull(uint256 total) private {
        uint256 before = _TOKEN.balanceOf(address(this));
        _TOKEN.safeTransferFrom(msg.sender, address(this), total);
        uint256 received = _TOKEN.balanceOf(address(this)) - before;
        if (received != total) revert WrongTotal(total, received);
    }

    function _checkDelay(string memory term, uint256 delay) private pure {
        if (delay == 0 || delay > DELAY_MAX) revert BadTerm(term, delay, DELAY_MAX);
    }
}

// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC1363Receiver} from "@openzeppelin/contracts/interfaces/IERC1363Receiver.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ClaimLog} from "./ClaimLog.sol";
import {ChannelWord} from "./ChannelWord.sol";
import {Voucher} from "./Voucher.sol";
import {IPaymentChannels} from "./interfaces/IPaymentChannels.sol";

/// @title Payment channels
/// @notice See `IPaymentChannels`.
contract PaymentChannels is IPaymentChannels, EIP712 {
    using SafeERC20 for IERC20;

    /// A `ChannelWord`, in a struct to have a reference to it.
    struct Slot {
        uint256 word;
    }

    /// A payer must get out within a time it would accept; 30 days is already long.
    uint256 private constant CLOSE_DELAY_MAX = 30 days;
    uint256 private constant DEPOSIT_MAX = type(uint96).max;
    uint256 private constant EPOCH_MAX = type(uint32).max;

    /// What is `s` in the `vs` of EIP-2098.
    bytes32 private constant S_MASK = bytes32(type(uint256).max >> 1);

    /// @inheritdoc IPaymentChannels
    IERC20 public immutable TOKEN;
    /// @inheritdoc IPaymentChannels
    uint32 public immutable CLOSE_DELAY;

    /// What `_domainSeparatorV4` keeps too, within reach of the hot path.
    uint256 private immutable _CHAIN_ID = block.chainid;
    // slither-disable-next-line function-init-state: `EIP712` is constructed before, as the vectors show
    bytes32 private immutable _DOMAIN = _domainSeparatorV4();

    /// @param token Of all channels. Must be a contract.
    /// @param closeDelay Seconds a payee has after `requestClose`: from 1 to 30 days.
    constructor(IERC20 token, uint32 closeDelay) EIP712("Golem PaymentChannels", "1") {
        if (address(token).code.length == 0) revert NotAToken(address(token));
        if (closeDelay == 0 || closeDelay > CLOSE_DELAY_MAX) revert BadCloseDelay(closeDelay, CLOSE_DELAY_MAX);
        TOKEN = token;
        CLOSE_DELAY = closeDelay;
    }

    /// @inheritdoc IPaymentChannels
    function fund(bytes32[] calldata fundings) external {
        _pull(_fund(msg.sender, fundings));
    }

    /// @inheritdoc IPaymentChannels
    function fundByPermit(bytes32[] calldata fundings, uint256 deadline, bytes32 r, bytes32 vs) external {
        uint256 total = _fund(msg.sender, fundings);
        (uint8 v, bytes32 s) = (uint8(27 + (uint256(vs) >> 255)), vs & S_MASK);
        // If it fails, either the allowance is there all the same or the transfer says that it is not.
        try IERC20Permit(address(TOKEN)).permit(msg.sender, address(this), total, deadline, v, r, s) {} catch {}
        _pull(total);
    }

    /// @inheritdoc IPaymentChannels
    function onTransferReceived(address operator, address from, uint256 value, bytes calldata data)
        external
        returns (bytes4)
    {
        if (msg.sender != address(TOKEN)) revert NotTheToken(msg.sender, address(TOKEN));
        if (operator != from) revert NotThePayer(operator, from);
        if (data.length % 32 != 0) revert BadLength(data.length);
        bytes32[] calldata fundings;
        // The same bytes, read as words; Solidity has no cast for that.
        assembly ("memory-safe") {
            fundings.offset := data.offset
            fundings.length := shr(5, data.length)
        }
        uint256 total = _fund(from, fundings);
        if (total != value) revert WrongTotal(total, value);
        return IERC1363Receiver.onTransferReceived.selector;
    }

    /// @inheritdoc IPaymentChannels
    function claimMany(address payee, bytes calldata vouchers) external returns (uint256 paid) {
        bytes32 domain = block.chainid == _CHAIN_ID ? _DOMAIN : _domainSeparatorV4();
        Voucher.Hasher hasher = Voucher.hasher(domain, payee);
        // No counter or sum here can pass 2^96 times the number of entries.
        unchecked {
            (ClaimLog.Log log, ClaimLog.End logEnd) = ClaimLog.begin(vouchers.length / Voucher.BYTES);
            for (uint256 end = Voucher.BYTES; end <= vouchers.length; end += Voucher.BYTES) {
                (uint256 cumulative, uint256 epoch, bytes32 r, bytes32 vs) = Voucher.read(vouchers, end);
                address payer = Voucher.signer(hasher, cumulative, epoch, r, vs);
                if (payer == address(0)) continue;
                Slot storage slot = _slot(payer, payee);
                uint256 word = slot.word;
                if (epoch != ChannelWord.epoch(word)) continue;
                uint256 deposit = ChannelWord.deposit(word);
                uint256 claimed = cumulative < deposit ? cumulative : deposit;
                uint256 before = ChannelWord.claimed(word);
                if (claimed <= before) continue;
                uint256 added = claimed - before;
                slot.word = ChannelWord.plusClaimed(word, added);
                paid += added;
                logEnd = ClaimLog.put(logEnd, claimed, payer);
            }
            if (paid == 0) return 0;
            ClaimLog.send(log, logEnd, payee);
        }
        TOKEN.safeTransfer(payee, paid);
    }

    /// @inheritdoc IPaymentChannels
    function close(address payer, uint96 cumulative, uint32 epoch, bytes32 r, bytes32 vs) external {
        Slot storage slot = _slot(payer, msg.sender);
        uint256 word = slot.word;
        uint256 deposit = ChannelWord.deposit(word);
        uint256 claimed = ChannelWord.claimed(word);
        if (deposit == 0) revert NotOpen(payer, msg.sender);
        if (epoch != ChannelWord.epoch(word)) revert WrongEpoch(epoch, uint32(ChannelWord.epoch(word)));
        if (cumulative < claimed) revert StaleVoucher(cumulative, uint96(claimed));
        uint256 paid;
        if (cumulative > claimed) {
            address signer = Voucher.signer(Voucher.hasher(_domainSeparatorV4(), msg.sender), cumulative, epoch, r, vs);
            if (signer != payer) revert BadSignature(signer, payer);
            paid = Math.min(cumulative, deposit) - claimed;
        }
        uint256 refund = deposit - claimed - paid;

        slot.word = ChannelWord.closed(word);
        emit Closed(payer, msg.sender, uint96(claimed + paid), uint96(refund));

        if (paid != 0) TOKEN.safeTransfer(msg.sender, paid);
        if (refund != 0) TOKEN.safeTransfer(payer, refund);
    }

    /// @inheritdoc IPaymentChannels
    function requestClose(address payee) external {
        Slot storage slot = _slot(msg.sender, payee);
        uint256 word = slot.word;
        if (ChannelWord.deposit(word) == 0) revert NotOpen(msg.sender, payee);
        if (ChannelWord.closeAt(word) != 0) revert AlreadyClosing(uint32(ChannelWord.closeAt(word)));
        uint32 closeAt = SafeCast.toUint32(block.timestamp + CLOSE_DELAY);

        slot.word = ChannelWord.withCloseAt(word, closeAt);
        emit CloseRequested(msg.sender, payee, closeAt);
    }

    /// @inheritdoc IPaymentChannels
    function finalize(address payer, address payee) external {
        Slot storage slot = _slot(payer, payee);
        uint256 word = slot.word;
        uint256 closeAt = ChannelWord.closeAt(word);
        if (closeAt == 0) revert NotClosing(payer, payee);
        if (block.timestamp < closeAt) revert TooEarly(uint32(closeAt), block.timestamp);
        uint256 claimed = ChannelWord.claimed(word);
        uint256 refund = ChannelWord.deposit(word) - claimed;

        slot.word = ChannelWord.closed(word);
        emit Closed(payer, payee, uint96(claimed), uint96(refund));

        if (refund != 0) TOKEN.safeTransfer(payer, refund);
    }

    /// @inheritdoc IPaymentChannels
    function channel(address payer, address payee) external view returns (Channel memory) {
        uint256 word = _slot(payer, payee).word;
        return Channel({
            claimed: uint96(ChannelWord.claimed(word)),
            deposit: uint96(ChannelWord.deposit(word)),
            closeAt: uint32(ChannelWord.closeAt(word)),
            epoch: uint32(ChannelWord.epoch(word))
        });
    }

    /// @inheritdoc IPaymentChannels
    function voucherDigest(address payee, uint96 cumulative, uint32 epoch) external view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(Voucher.TYPEHASH, payee, epoch, cumulative)));
    }

    /// @inheritdoc IPaymentChannels
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// Credits every channel of `fundings` and returns their sum, which the caller collects.
    function _fund(address payer, bytes32[] calldata fundings) private returns (uint256 total) {
        // Neither sum can wrap: amounts have 96 bits, and there is no room for 2^160 of them.
        unchecked {
            for (uint256 i; i < fundings.length; ++i) {
                uint256 funding = uint256(fundings[i]);
                uint256 amount = funding >> 160;
                address payee = address(uint160(funding));
                if (payee == address(0)) revert BadPayee(payee);
                if (payee == payer) revert BadPayee(payee);
                if (payee == address(this)) revert BadPayee(payee);
                if (amount == 0) revert ZeroAmount(payee);

                Slot storage slot = _slot(payer, payee);
                uint256 word = slot.word;
                uint256 deposit = ChannelWord.deposit(word) + amount;
                if (deposit > DEPOSIT_MAX) revert DepositTooLarge(deposit, DEPOSIT_MAX);
                uint256 epoch = ChannelWord.epoch(word);
                // 2^32 openings of one pair are the end of it: no epoch comes again.
                if (deposit == amount && ++epoch > EPOCH_MAX) revert EpochsUsedUp(payee);

                slot.word = ChannelWord.funded(epoch, deposit, ChannelWord.claimed(word));
                emit Funded(payer, payee, uint32(epoch), uint96(deposit));
                total += amount;
            }
        }
    }

    /// Where a channel is: what a nested mapping would be with one hash less. Nothing else here is stored under a hash,
    /// so there is nothing to meet. Neither address may have bits above its 160, as those from the ABI, `ecrecover` and
    /// conversions have none.
    function _slot(address payer, address payee) private pure returns (Slot storage slot) {
        assembly ("memory-safe") {
            mstore(0, payer)
            mstore(32, payee)
            slot.slot := keccak256(0, 64)
        }
    }

    /// Collects `total` from the caller.
    function _pull(uint256 total) private {
        uint256 before = TOKEN.balanceOf(address(this));
        TOKEN.safeTransferFrom(msg.sender, address(this), total);
        uint256 received = TOKEN.balanceOf(address(this)) - before;
        if (received != total) revert WrongTotal(total, received);
    }
}

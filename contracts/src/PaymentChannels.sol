// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC1363Receiver} from "@openzeppelin/contracts/interfaces/IERC1363Receiver.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IPaymentChannels} from "./interfaces/IPaymentChannels.sol";

/// @title Payment channels
/// @notice See `IPaymentChannels`.
contract PaymentChannels is IPaymentChannels, EIP712 {
    using SafeERC20 for IERC20;

    /// @inheritdoc IPaymentChannels
    bytes32 public constant VOUCHER_TYPEHASH = keccak256("Voucher(address payee,uint32 epoch,uint96 cumulative)");

    /// A payer must get out within a time it would accept; 30 days is already long.
    uint256 private constant CLOSE_DELAY_MAX = 30 days;
    uint256 private constant DEPOSIT_MAX = type(uint96).max;

    /// An entry of `claimMany`.
    uint256 private constant ENTRY_BYTES = 80;

    /// @inheritdoc IPaymentChannels
    IERC20 public immutable TOKEN;
    /// @inheritdoc IPaymentChannels
    uint32 public immutable CLOSE_DELAY;

    /// A channel is one word, never zero again once opened, so that opening it again does not pay for a new slot:
    ///
    ///   255   224 223     192 191          96 95            0
    ///   |  epoch  |  closeAt  |    deposit   |    claimed   |
    ///
    /// The payee comes first, so that a batch of claims hashes it once.
    mapping(address payee => mapping(address payer => uint256 word)) private _channels;

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
    function fundWithPermit(bytes32[] calldata fundings, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external {
        uint256 total = _fund(msg.sender, fundings);
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
        uint256 entries = vouchers.length / ENTRY_BYTES;
        bytes32[] memory claims = new bytes32[](entries);
        uint256 count;
        bytes32 domain = _domainSeparatorV4();
        mapping(address payer => uint256 word) storage channels = _channels[payee];
        for (uint256 i; i < entries; ++i) {
            bytes calldata entry = vouchers[i * ENTRY_BYTES:];
            uint128 head = uint128(bytes16(entry));
            (uint96 cumulative, uint32 epoch) = (uint96(head >> 32), uint32(head));
            bytes32 digest = _digest(domain, payee, epoch, cumulative);
            (address payer,,) = ECDSA.tryRecover(digest, bytes32(entry[16:]), bytes32(entry[48:]));
            uint256 word = channels[payer];
            Channel memory c = _unpack(word);
            uint96 claimed = cumulative < c.deposit ? cumulative : c.deposit;
            if (epoch != c.epoch || claimed <= c.claimed) continue;
            unchecked {
                paid += claimed - c.claimed;
            }
            channels[payer] = (word & ~DEPOSIT_MAX) | claimed;
            claims[count++] = bytes32((uint256(claimed) << 160) | uint160(payer));
        }
        if (paid == 0) return 0;
        assembly ("memory-safe") {
            mstore(claims, count)
        }
        emit Claimed(payee, paid, claims);
        TOKEN.safeTransfer(payee, paid);
    }

    /// @inheritdoc IPaymentChannels
    function close(address payer, uint32 epoch, uint96 cumulative, bytes32 r, bytes32 vs) external {
        Channel memory c = _unpack(_channels[msg.sender][payer]);
        if (c.deposit == 0) revert NotOpen(payer, msg.sender);
        if (epoch != c.epoch) revert WrongEpoch(epoch, c.epoch);
        if (cumulative < c.claimed) revert StaleVoucher(cumulative, c.claimed);
        uint96 claimed = c.claimed;
        if (cumulative > claimed) {
            bytes32 digest = _digest(_domainSeparatorV4(), msg.sender, epoch, cumulative);
            (address signer,,) = ECDSA.tryRecover(digest, r, vs);
            if (signer != payer) revert BadSignature(signer, payer);
            claimed = cumulative < c.deposit ? cumulative : c.deposit;
        }
        uint96 refund = c.deposit - claimed;

        _channels[msg.sender][payer] = _closed(epoch);
        emit Closed(payer, msg.sender, claimed, refund);

        if (claimed != c.claimed) TOKEN.safeTransfer(msg.sender, claimed - c.claimed);
        if (refund != 0) TOKEN.safeTransfer(payer, refund);
    }

    /// @inheritdoc IPaymentChannels
    function requestClose(address payee) external {
        uint256 word = _channels[payee][msg.sender];
        Channel memory c = _unpack(word);
        if (c.deposit == 0) revert NotOpen(msg.sender, payee);
        if (c.closeAt != 0) revert AlreadyClosing(c.closeAt);
        uint32 closeAt = SafeCast.toUint32(block.timestamp + CLOSE_DELAY);

        _channels[payee][msg.sender] = word | (uint256(closeAt) << 192);
        emit CloseRequested(msg.sender, payee, closeAt);
    }

    /// @inheritdoc IPaymentChannels
    function finalize(address payer, address payee) external {
        Channel memory c = _unpack(_channels[payee][payer]);
        if (c.closeAt == 0) revert NotClosing(payer, payee);
        if (block.timestamp < c.closeAt) revert TooEarly(c.closeAt, block.timestamp);
        uint96 refund = c.deposit - c.claimed;

        _channels[payee][payer] = _closed(c.epoch);
        emit Closed(payer, payee, c.claimed, refund);

        if (refund != 0) TOKEN.safeTransfer(payer, refund);
    }

    /// @inheritdoc IPaymentChannels
    function channel(address payer, address payee) external view returns (Channel memory) {
        return _unpack(_channels[payee][payer]);
    }

    /// @inheritdoc IPaymentChannels
    function voucherDigest(address payee, uint32 epoch, uint96 cumulative) external view returns (bytes32) {
        return _digest(_domainSeparatorV4(), payee, epoch, cumulative);
    }

    /// @inheritdoc IPaymentChannels
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// Credits every channel of `fundings` and returns their sum, which the caller collects.
    function _fund(address payer, bytes32[] calldata fundings) private returns (uint256 total) {
        for (uint256 i; i < fundings.length; ++i) {
            address payee = address(uint160(uint256(fundings[i])));
            uint256 amount = uint256(fundings[i]) >> 160;
            if (payee == address(0) || payee == payer || payee == address(this)) revert BadPayee(payee);
            if (amount == 0) revert ZeroAmount(payee);

            Channel memory c = _unpack(_channels[payee][payer]);
            // Checked, so 2^32 openings of one pair are the end of it; no voucher of an early epoch comes back.
            if (c.deposit == 0) ++c.epoch;
            uint256 deposit = c.deposit + amount;
            if (deposit > DEPOSIT_MAX) revert DepositTooLarge(deposit, DEPOSIT_MAX);

            _channels[payee][payer] = (uint256(c.epoch) << 224) | (deposit << 96) | c.claimed;
            emit Funded(payer, payee, c.epoch, uint96(deposit));
            total += amount;
        }
    }

    /// Collects `total` from the caller.
    function _pull(uint256 total) private {
        uint256 before = TOKEN.balanceOf(address(this));
        TOKEN.safeTransferFrom(msg.sender, address(this), total);
        uint256 received = TOKEN.balanceOf(address(this)) - before;
        if (received != total) revert WrongTotal(total, received);
    }

    function _digest(bytes32 domain, address payee, uint32 epoch, uint96 cumulative) private pure returns (bytes32) {
        bytes32 structHash = keccak256(abi.encode(VOUCHER_TYPEHASH, payee, epoch, cumulative));
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function _unpack(uint256 word) private pure returns (Channel memory) {
        return Channel({
            claimed: uint96(word), deposit: uint96(word >> 96), closeAt: uint32(word >> 192), epoch: uint32(word >> 224)
        });
    }

    /// What is left of a closed channel: its epoch.
    function _closed(uint32 epoch) private pure returns (uint256) {
        return uint256(epoch) << 224;
    }
}

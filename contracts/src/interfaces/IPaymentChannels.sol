// SPDX-License-Identifier: GPL-3.0-or-later
pragma solidity 0.8.37;

import {IERC1363Receiver} from "@openzeppelin/contracts/interfaces/IERC1363Receiver.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";

/// @title Payment channels in one token, one way, one per pair of payer and payee
/// @notice The payer funds its channel and signs vouchers; each voucher stands for everything owed so far. The payee
/// claims when it likes. Nobody is paid more than was signed, nobody pays more than was deposited, and what is not
/// claimed goes back to the payer, at once if the payee closes and after `CLOSE_DELAY` if it does not.
///
/// A channel lives in epochs. Funding a closed (or new) channel opens it and raises the epoch, which kills every voucher
/// of the epochs before.
///
/// A voucher is EIP-712: `Voucher(address payee,uint32 epoch,uint96 cumulative)` in the domain
/// (`Golem PaymentChannels`, `1`, chain id, this contract). The payer is who signed it. A contract cannot sign and so
/// should not fund a channel.
/// @dev The token is trusted to move what it says it moved, and to be neither fee-taking nor rebasing downwards.
/// Tokens sent here by a plain `transfer` belong to no channel and are lost.
interface IPaymentChannels is IERC1363Receiver, IERC5267 {
    /// @notice One channel, which is one storage slot.
    struct Channel {
        /// Paid out to the payee in this epoch, in wei of the token. At most `deposit`.
        uint96 claimed;
        /// Funded in this epoch, in wei of the token; 0 where the channel is closed.
        uint96 deposit;
        /// Chain time from which `finalize` works; 0 where no close was requested.
        uint32 closeAt;
        /// Counts openings; 0 where the channel was never opened.
        uint32 epoch;
    }

    /// @notice `payer` opened a channel (an epoch not seen before) or topped it up. A requested close is withdrawn.
    /// @param deposit All that was funded in this epoch.
    event Funded(address indexed payer, address indexed payee, uint32 epoch, uint96 deposit);
    /// @notice `payee` was paid from the channels listed: the sum of what was added to `claimed`, in one transfer.
    /// @param channels A word per channel, `claimed uint96 | payer address`: what is now claimed in its epoch. A payer
    /// that occurs twice is right the second time.
    event Claimed(address indexed payee, bytes32[] channels);
    /// @notice `payer` wants out: from `closeAt` on anybody can `finalize`.
    event CloseRequested(address indexed payer, address indexed payee, uint32 closeAt);
    /// @notice The channel is closed. In its epoch `payee` got `claimed` in all, and `payer` got `refund` back just now.
    event Closed(address indexed payer, address indexed payee, uint96 claimed, uint96 refund);

    /// @notice There is no contract at `token`.
    error NotAToken(address token);
    /// @notice A close delay of `got` seconds is zero or above `allowed`.
    error BadCloseDelay(uint256 got, uint256 allowed);
    /// @notice Only the token itself can report a transfer: `got` is not `allowed`.
    error NotTheToken(address got, address allowed);
    /// @notice `operator` moved the tokens of `payer`. Only a payer funds its channels.
    error NotThePayer(address operator, address payer);
    /// @notice Funding of `length` bytes, which is not a list of 32-byte words.
    error BadLength(uint256 length);
    /// @notice The words ask for `asked`, and `received` arrived.
    error WrongTotal(uint256 asked, uint256 received);
    /// @notice The zero address, the payer itself and this contract cannot be payees.
    error BadPayee(address payee);
    /// @notice A funding of nothing.
    error ZeroAmount(address payee);
    /// @notice The deposit would be `got`, above `allowed`.
    error DepositTooLarge(uint256 got, uint256 allowed);
    /// @notice This pair opened its channel 2^32 - 1 times, which is all there is.
    error EpochsUsedUp(address payee);
    /// @notice There is no open channel from `payer` to `payee`.
    error NotOpen(address payer, address payee);
    /// @notice The voucher is of the epoch `got`; the channel is in `current`.
    error WrongEpoch(uint32 got, uint32 current);
    /// @notice A voucher for `cumulative`, where `claimed` was paid already.
    error StaleVoucher(uint96 cumulative, uint96 claimed);
    /// @notice The signature is malformed or not by `payer`: it recovers to `signer` (zero if to nobody).
    error BadSignature(address signer, address payer);
    /// @notice A close is requested already, for `closeAt`.
    error AlreadyClosing(uint32 closeAt);
    /// @notice No close was requested, or funding withdrew the request.
    error NotClosing(address payer, address payee);
    /// @notice The payee has until `closeAt`; it is `currentTime` now.
    error TooEarly(uint32 closeAt, uint256 currentTime);

    /// @notice Opens or tops up channels of the caller, which must have approved the sum before.
    /// @dev All or nothing. Withdraws a requested close of every channel funded.
    /// @param fundings A word per channel, `amount uint96 | payee address`, the amount in the high bits, in wei of the
    /// token.
    function fund(bytes32[] calldata fundings) external;

    /// @notice `fund` with an ERC-2612 permit of the caller for exactly the sum, its signature as in EIP-2098.
    /// @dev A permit that was used already (by somebody who saw it in the mempool) does no harm: the allowance counts.
    function fundByPermit(bytes32[] calldata fundings, uint256 deadline, bytes32 r, bytes32 vs) external;

    /// @notice `fund` by ERC-1363: `token.transferAndCall(channels, sum, data)`, with no allowance left behind.
    /// @dev Only the token calls it.
    /// @param operator Must be `from`: somebody else with an allowance cannot fund, and so cannot withdraw a close.
    /// @param from The payer.
    /// @param value The sum of the words.
    /// @param data The words of `fund`, one after the other, with nothing before or between them.
    function onTransferReceived(address operator, address from, uint256 value, bytes calldata data)
        external
        override
        returns (bytes4);

    /// @notice Claims vouchers of many payers for one payee, in one token transfer. Anybody may send it; the money goes
    /// to `payee`.
    /// @dev Never reverts for what is in `vouchers`: an entry that is stale, of another epoch, chain, contract or payee,
    /// without deposit, badly signed, or cut short is skipped. Each entry pays `min(cumulative, deposit) - claimed`. It
    /// can be used until `finalize` or `close` executes, whenever a close was requested.
    /// @param vouchers 80 bytes each: `cumulative uint96 | epoch uint32 | r bytes32 | vs bytes32` (EIP-2098).
    /// @return paid What went to `payee`. Zero, and no event, where every entry was skipped.
    function claimMany(address payee, bytes calldata vouchers) external returns (uint256 paid);

    /// @notice The payee, who calls it, takes what a last voucher is worth and returns the rest to the payer at once.
    /// @dev Cannot be undone: every other voucher of this epoch is dead.
    /// @param cumulative Of the voucher. What is `claimed` already needs no voucher: `r` and `vs` are not looked at.
    /// Less than that is refused, for a better voucher is around.
    function close(address payer, uint96 cumulative, uint32 epoch, bytes32 r, bytes32 vs) external;

    /// @notice The payer, who calls it, wants out. The payee has `CLOSE_DELAY` seconds to claim.
    function requestClose(address payee) external;

    /// @notice Returns to the payer what was not claimed, once a requested close is due. Anybody may call it.
    /// @dev Every voucher of this epoch is dead after it.
    function finalize(address payer, address payee) external;

    /// @notice The channel as it is now.
    function channel(address payer, address payee) external view returns (Channel memory);

    /// @notice What a payer signs for `payee` to have `cumulative` in all in the given epoch.
    function voucherDigest(address payee, uint96 cumulative, uint32 epoch) external view returns (bytes32);

    /// @notice The EIP-712 domain of vouchers, hashed.
    function DOMAIN_SEPARATOR() external view returns (bytes32);

    /// @notice The token of all channels.
    function TOKEN() external view returns (IERC20);

    /// @notice Seconds between `requestClose` and `finalize`.
    function CLOSE_DELAY() external view returns (uint32);
}
